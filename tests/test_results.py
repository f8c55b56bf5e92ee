import dataclasses
import io
import json
import math

import evaluations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from robomtl.evaluation import records as table_of_trials
from robomtl.evaluation.records import SCHEMA, Record, read_records, write_records
from robomtl.evaluation.results import Results, Setting
from robomtl.evaluation.statistics import wilson
from robomtl.evaluation.table import success_table

TIERS = {"sweep": "hard", "reach": "easy", "push": "easy", "stuck": "easy"}
SETTING = dataclasses.replace(
    evaluations.SETTING, suite="toy/MT4", instructions="held-out"
)


def record(task, variation, *, success=None, at_end=None, step=None, error=None):
    return Record(
        suite="toy/MT4",
        task=task,
        variation=variation,
        repeat=0,
        success=success,
        success_at_end=at_end,
        first_success_step=step,
        length=None if error else 50,
        error=error,
        seconds=0.125,
        instruction=f"do {task}",
    )


def solved(task, variation, step, *, at_end=True):
    return record(task, variation, success=True, at_end=at_end, step=step)


def failed(task, variation):
    return record(task, variation, success=False, at_end=False)


def records():
    return (
        *(failed("sweep", i) for i in range(4)),
        solved("sweep", 4, 40, at_end=False),
        *(solved("reach", i, 10 + i) for i in range(8)),
        failed("reach", 8),
        record("reach", 9, error="step 3: it blew up"),
        *(solved("push", i, 20) for i in range(10)),
        *(record("stuck", i, error="its process died") for i in range(2)),
    )


@pytest.fixture
def results():
    return Results(setting=SETTING, records=records(), task_tiers=TIERS)


@pytest.fixture
def folder(results, tmp_path):
    results.write(tmp_path)
    return tmp_path


def test_errors_are_in_no_rate_and_counted_apart(results):
    reach, stuck = results.tasks["reach"], results.tasks["stuck"]

    assert (reach.successes, reach.trials, reach.errors) == (8, 9, 1)
    assert reach.success == 8 / 9
    assert reach.interval == wilson(8, 9)
    assert (stuck.success, stuck.interval, stuck.trials, stuck.errors) == (
        None,
        None,
        0,
        2,
    )


def test_success_at_the_last_step_and_steps_to_success_stand_beside_it(results):
    assert results.tasks["sweep"].success == 0.2
    assert results.tasks["sweep"].success_at_end == 0.0
    assert results.tasks["sweep"].mean_steps_to_success == 40
    assert results.tasks["reach"].mean_steps_to_success == 13.5


def test_the_task_mean_weighs_tasks_and_the_tier_mean_tiers_alike(results):
    assert results.task_mean == pytest.approx((0.2 + 8 / 9 + 1) / 3)
    assert results.tier_mean == pytest.approx((0.2 + (8 / 9 + 1) / 2) / 2)
    assert list(results.tiers) == ["easy", "hard"]
    assert results.tiers["easy"].tasks == 3


def test_a_suite_without_tiers_has_no_tier_mean(results):
    plain = dataclasses.replace(results, task_tiers=dict.fromkeys(TIERS, ""))
    assert plain.tier_mean is None
    assert plain.tiers == {}


def test_nothing_but_errors_leaves_every_rate_open():
    rows = tuple(row for row in records() if row.task == "stuck")
    results = Results(setting=SETTING, records=rows, task_tiers={"stuck": "easy"})

    assert results.task_mean is None
    assert results.tier_mean is None
    assert "–" in rendered(results)


def test_results_json_has_the_documented_schema(folder):
    data = json.loads((folder / "results.json").read_text())

    assert list(data) == [
        "format",
        "task_mean",
        "task_mean_interval",
        "tier_mean",
        "tier_mean_interval",
        "successes",
        "trials",
        "errors",
        "success_at_end",
        "mean_steps_to_success",
        "tiers",
        "tasks",
        *(
            field.name
            for field in dataclasses.fields(Setting)
            if field.name != "acting"  # Only where it differs from the default.
        ),
    ]
    assert data["tasks"]["sweep"] == {
        "tier": "hard",
        "success": 0.2,
        "interval": list(wilson(1, 5)),
        "successes": 1,
        "trials": 5,
        "errors": 0,
        "success_at_end": 0.0,
        "mean_steps_to_success": 40.0,
    }
    assert set(data["tiers"]["easy"]) == {*data["tasks"]["sweep"], "tasks"} - {"tier"}
    assert data["trials"] + data["errors"] == len(records())
    low, high = data["task_mean_interval"]
    assert low < data["task_mean"] < high


def test_trials_parquet_has_a_row_for_each_trial_in_order(folder):
    table = pq.read_table(folder / "trials.parquet")

    assert table.schema.equals(SCHEMA)
    assert table.column_names[:10] == [
        "suite",
        "task",
        "variation",
        "repeat",
        "success",
        "success_at_end",
        "first_success_step",
        "length",
        "error",
        "seconds",
    ]
    assert [Record(**row) for row in table.to_pylist()] == list(records())


def test_results_read_back_are_equal(folder, results):
    assert Results.read(folder) == results
    assert Results.read(str(folder)).summary == results.summary


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no .*results.json; has the evalu"):
        Results.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "results.json is damaged or cut short"),
        ("[]", r"results.json is damaged: \$: expected object, got array"),
        ('{"format": 9}', "results.json does not have the format 1 of this version"),
        (
            '{"format": 1, "suite": "x"}',
            "results.json is damaged: .* missing required field agent",
        ),
    ],
)
def test_a_broken_results_file_is_refused_with_the_reason(folder, text, message):
    (folder / "results.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Results.read(folder)


def edit(folder, **changes):
    path = folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_edited_rate_is_refused(folder):
    edit(folder, task_mean=0.99)
    message = "says task_mean is 0.99, but the trials beside it give 0.69.*edited?"
    with pytest.raises(ValueError, match=message):
        Results.read(folder)


def test_an_edited_rate_of_a_task_is_refused_by_its_name(folder):
    tasks = json.loads((folder / "results.json").read_text())["tasks"]
    tasks["sweep"]["interval"][1] = 0.7
    edit(folder, tasks=tasks)
    with pytest.raises(ValueError, match="says tasks.sweep.interval.1 is 0.7, but"):
        Results.read(folder)


def test_the_last_bits_of_a_rate_may_differ(folder, results):
    edit(folder, task_mean=math.nextafter(results.task_mean, 1))
    assert Results.read(folder) == results


def test_tasks_other_than_those_of_the_trials_are_refused(folder):
    edit(folder, tasks={"reach": {"tier": "easy"}})
    message = "other tasks than the trials beside it, which have push, reach, stuck"
    with pytest.raises(ValueError, match=message):
        Results.read(folder)


def test_a_task_without_its_tier_is_refused(folder):
    edit(folder, tasks={name: {} for name in TIERS})
    with pytest.raises(ValueError, match="tasks, .sweep. is damaged: .* field tier"):
        Results.read(folder)


def test_missing_trials_are_refused(folder):
    (folder / "trials.parquet").unlink()
    with pytest.raises(ValueError, match="There is no .*trials.parquet"):
        Results.read(folder)


def test_truncated_trials_are_refused(folder):
    path = folder / "trials.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="trials.parquet is damaged or cut short"):
        Results.read(folder)


def test_trials_with_other_columns_are_refused(folder):
    path = folder / "trials.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["error"]), path)
    with pytest.raises(ValueError, match="other columns .* differing: .*error: string"):
        Results.read(folder)


def test_more_trials_than_memory_may_hold_are_refused(folder, monkeypatch):
    monkeypatch.setattr(table_of_trials, "_BATCH", 2)
    Results.read(folder)
    monkeypatch.setattr(table_of_trials, "_MOST", 1)
    with pytest.raises(ValueError, match="trials.parquet has .* rows; at most 1 are"):
        Results.read(folder)


def test_a_table_without_trials_is_refused(folder):
    pq.write_table(pa.Table.from_pylist([], schema=SCHEMA), folder / "trials.parquet")
    with pytest.raises(ValueError, match="trials.parquet holds no trial"):
        read_records(folder / "trials.parquet")


def test_records_survive_the_disk(tmp_path):
    write_records(tmp_path / "t.parquet", records())
    assert read_records(tmp_path / "t.parquet") == records()


def rendered(results):
    console = Console(width=120, file=io.StringIO())
    console.print(success_table(results))
    return console.file.getvalue()


def test_the_table_groups_tasks_by_tier_best_first_with_the_means_at_the_bottom(
    results,
):
    lines = [line.split() for line in rendered(results).splitlines()]
    firsts = [words[1] for words in lines if len(words) > 4 and words[0] == "│"]

    assert firsts == [
        "push",
        "reach",
        "stuck",
        "easy,",
        "sweep",
        "hard,",
        "task",
        "tier",
    ]


def test_the_table_shows_counts_intervals_and_errors(results):
    line = next(line for line in rendered(results).splitlines() if "reach" in line)
    for words in ("88.9%", "8/9", "56.5–98.0", "14", "1"):
        assert words in line


def test_the_table_of_a_suite_without_tiers_has_no_tier_rows(results):
    plain = dataclasses.replace(results, task_tiers=dict.fromkeys(TIERS, ""))
    assert "tier" not in rendered(plain)
    assert "sweep" in rendered(plain)
