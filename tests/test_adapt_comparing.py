import dataclasses
import io
import json

import pyarrow.parquet as pq
import pytest
from families import SUITE, Here, grow
from rich.console import Console

from robomtl.demonstrations import CollectionConfig, collect
from robomtl.envs.points import PointsSuite
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Failure
from robomtl.experiments.adapt import AdaptRequest, Supports, compare_methods
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.terminal_report import tables_of

pytestmark = pytest.mark.usefixtures("forked_workers")

REQUEST = AdaptRequest(
    methods={"scratch": "scratch", "finetune": "finetune", "zero_shot": "zero_shot"},
    settings={"scratch": {"steps": 2}, "finetune": {"steps": 2}},
    shots=(1, 2),
    supports=2,
    steps=(1,),
    controls=("wrong_task",),
    trials=3,
    retained=1,
    batch_size=16,
)
CELLS = 2 * (2 * (2 * 2 + 2 * 2) + 1) + 1
"""For 2 tasks: 2 draws of 2 methods and probes at 2 shots, and zero_shot; and 1 before."""


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    names = [task.name for task in SUITE.held_out_tasks]
    folder = tmp_path_factory.mktemp("pool")
    return collect(
        SUITE,
        folder,
        config=CollectionConfig(episodes=4, tasks=names),
        compute=Compute(workers=1),
    ).path


@pytest.fixture(scope="module")
def play(family, pool):
    def run(out, *, request=REQUEST, suite=SUITE, **options):
        given = {"executor": Here(), **options}
        supports = Supports(data=given.pop("data", pool))
        compute = Compute(**given)
        return compare_methods(
            family, suite, request, out=out, supports=supports, compute=compute
        )

    return run


@pytest.fixture(scope="module")
def whole(play, tmp_path_factory):
    """A comparison that nothing disturbed, and its folder."""
    out = tmp_path_factory.mktemp("whole")
    return play(out), out


def untimed(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


def test_a_comparison_leaves_tables_findings_and_a_journal(whole):
    _, out = whole
    names = {path.name for path in out.iterdir()}
    assert names == {
        "cells.parquet",
        "journal.jsonl",
        "machine.json",
        "report.html",
        "results.json",
        "trials.parquet",
    }


def test_there_is_a_row_for_every_trial_and_adaptation(whole):
    _, out = whole
    trials, cells = (pq.read_table(out / f"{n}.parquet") for n in ("trials", "cells"))
    assert cells.num_rows == CELLS
    rows = trials.to_pylist()
    # After the first draw at the fewest shots, and before: 4 training tasks each.
    retained = [row for row in rows if row["kind"] == "retained"]
    assert len(retained) == 4 * (2 * 3 + 1)
    assert len(rows) - len(retained) == 3 * (CELLS - 1)
    assert {row["control"] for row in rows} == {"none", "wrong_task"}
    assert {row["steps"] for row in rows} == {None, 1}


def test_all_methods_play_the_same_trials(whole):
    rows = [r for r in untimed(whole[1]).to_pylist() if r["kind"] == "query"]
    played = {
        method: {(r["task"], r["variation"]) for r in rows if r["method"] == method}
        for method in REQUEST.methods
    }
    assert played["scratch"] == played["finetune"] == played["zero_shot"]
    assert len(played["scratch"]) == 6


def test_rates_are_those_of_the_table(whole):
    found, out = whole
    rows = untimed(out).to_pylist()
    for shots in REQUEST.shots:
        success = found.methods["finetune"].shots[shots]
        means = []
        for task in found.tasks:
            some = [
                row["success"]
                for row in rows
                if (row["method"], row["task"], row["shots"], row["kind"])
                == ("finetune", task, shots, "query")
                and row["steps"] is None
                and row["control"] == "none"
            ]
            assert len(some) == success.tasks[task].trials == 6
            means.append(sum(some) / len(some))
        assert success.task_mean == pytest.approx(sum(means) / 2)


def test_findings_have_all_that_is_asked_for(whole):
    found, out = whole
    finetune, zero_shot = found.methods["finetune"], found.methods["zero_shot"]
    assert [*finetune.shots] == [1, 2]
    assert [*finetune.steps] == [1]
    assert [*finetune.controls] == ["wrong_task"]
    assert finetune.area is not None
    assert [each.success for each in finetune.efficiency] == [0.5, 0.8]
    assert [*finetune.against_scratch] == [1, 2]
    assert finetune.cost[1].steps == 2
    assert [*zero_shot.shots] == [0]
    assert [*zero_shot.against_scratch] == [1, 2]
    assert zero_shot.forgetting.change.difference == 0
    assert found.methods["scratch"].against_scratch == {}
    written = json.loads((out / "results.json").read_text())
    assert written["format"] == 1
    assert written["methods"]["finetune"]["config"]["steps"] == 2
    assert written["benchmark"] == "transfer"


def test_the_table_shows_every_method_and_why_there_is_no_ranking(whole):
    success, differences = tables_of(methods_report(whole[0]))
    assert (success.row_count, differences.row_count) == (3, 2)
    assert "here are 1 seed and 2 draws." in differences.caption
    headings = [column.header for column in success.columns]
    assert headings == ["method", "K = 1", "K = 2", "nAUC"]


def test_a_table_that_is_wider_than_the_terminal_keeps_the_names_of_its_rows(whole):
    console = Console(width=50, file=io.StringIO())
    tables = [*tables_of(methods_report(whole[0]), width=50)]
    console.print(*tables)
    heads = [column.header for table in tables for column in table.columns]
    assert heads.count("K = 1") == 2
    assert heads.count("method") == len(tables) > 2
    lines = console.file.getvalue().splitlines()
    assert sum(line.startswith(" finetune") for line in lines) == len(tables)
    assert not any("…" in line for line in lines)


@pytest.mark.slow
def test_two_processes_find_what_one_finds(whole, play, tmp_path):
    play(tmp_path, executor=None, workers=2)
    assert untimed(tmp_path).equals(untimed(whole[1]))


@pytest.mark.slow
def test_a_comparison_that_is_killed_goes_on_and_finds_the_same(whole, play, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, executor=Here(stop=9))
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"chunk": 9, "seco')  # Cut short by the kill.
    found = play(tmp_path)
    assert untimed(tmp_path).equals(untimed(whole[1]))
    without = dataclasses.replace
    for label, method in found.methods.items():
        same = whole[0].methods[label]
        assert without(method, cost={}) == without(same, cost={})
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert sum('"chunk"' in line for line in lines[1:]) == CELLS


@dataclasses.dataclass(frozen=True)
class Losing(Here):
    """Loses one item, as if its processes died."""

    lost: int = 0

    def map(self, work, items, kind=type):
        for index, done in super().map(work, items, kind):
            failure = Failure("its process was killed by SIGKILL")
            yield index, failure if index == self.lost else done


def test_a_cell_that_the_machine_failed_is_tried_again(whole, play, tmp_path, capsys):
    found = play(tmp_path, executor=Losing())
    assert "1 cell has no outcome, as the machine failed it" in capsys.readouterr().err
    assert found.methods["scratch"].reasons == {"its process was killed by SIGKILL": 1}
    play(tmp_path)
    assert untimed(tmp_path).equals(untimed(whole[1]))


def test_a_finished_comparison_is_only_read(whole, play):
    play(whole[1], executor=Here(stop=0))


def test_what_joins_a_comparison_leaves_alone_what_is_finished(whole, play, tmp_path):
    fewer = dataclasses.replace(
        REQUEST,
        methods={"scratch": "scratch", "zero_shot": "zero_shot"},
        settings={"scratch": {"steps": 2}},
        shots=(1,),
        supports=1,
        steps=(),
        controls=(),
    )
    play(tmp_path, request=fewer)
    finished = (tmp_path / "journal.jsonl").read_text().count('{"chunk": ')
    play(tmp_path)
    assert untimed(tmp_path).equals(untimed(whole[1]))
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert finished == 2 * 2 + 1
    assert sum('"chunk"' in line for line in lines[1:]) == CELLS


def test_a_folder_that_was_begun_with_other_settings_is_refused(whole, play):
    other = dataclasses.replace(REQUEST, settings={"finetune": {"steps": 3}})
    with pytest.raises(ValueError, match="begun with other settings.*finetune.steps"):
        play(whole[1], request=other)


def test_a_method_without_its_policy_is_refused(play, tmp_path, monkeypatch):
    from robomtl.adaptation.methods.finetune import Finetune

    monkeypatch.setattr(Finetune, "objective", "maml")
    with pytest.raises(ValueError, match="robomtl train --data .* --objective maml"):
        play(tmp_path)


def test_an_unknown_method_is_refused_with_the_nearest(play, tmp_path):
    with pytest.raises(ValueError, match="Unknown method 'finetun'. Did you mean"):
        play(tmp_path, request=AdaptRequest(methods={"finetun": "finetun"}))


def test_an_unknown_setting_is_refused(play, tmp_path):
    request = dataclasses.replace(REQUEST, settings={"finetune": {"stps": 3}})
    with pytest.raises(ValueError, match="Method 'finetune': .*stps"):
        play(tmp_path, request=request)


def test_another_suite_than_the_policies_is_refused(play, tmp_path):
    with pytest.raises(
        ValueError, match="was trained on points/ML4, not on points/MT6"
    ):
        play(tmp_path, suite=PointsSuite(variant="MT6"))


def test_more_shots_than_demonstrations_are_refused(play, tmp_path):
    request = dataclasses.replace(REQUEST, shots=(1, 5))
    with pytest.raises(ValueError, match="has 4 demonstrations"):
        play(tmp_path, request=request)
    assert not (tmp_path / "journal.jsonl").exists()


def test_supports_are_collected_where_none_are_given(play, tmp_path):
    request = AdaptRequest(
        methods={"zero_shot": "zero_shot"}, shots=(1,), tasks=("reach-ball",), trials=1
    )
    play(tmp_path, request=request, data=None)
    assert (tmp_path / "support" / "meta" / "info.json").exists()
