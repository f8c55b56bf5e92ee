import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_agent import saved
from test_cli import refusal
from wobbling import WobblingAgent

import robomtl
from robomtl.cli.main import main
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import EvaluationConfig, ExpertAgent
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.experiments.resumed_evaluation import resume_evaluation

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite(variant="MT4", horizon=12)
WORDINGS = '{"reach-red": ["go red", "to the red one"]}'


def table(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


def stopped(out):
    """Undoes all but the first two chunks of an evaluation, as a kill would have."""
    lines = (out / "journal.jsonl").read_text().splitlines(keepends=True)
    (out / "journal.jsonl").write_text("".join(lines[:4]) + lines[4][:20])
    for name in ("results.json", "trials.parquet", "report.html"):
        (out / name).unlink()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A policy and its evaluation, and what that left when it was stopped."""
    folder = tmp_path_factory.mktemp("played")
    agent = saved(folder / "policy")
    evaluate(
        agent,
        POINTS,
        out=folder / "run",
        config=EvaluationConfig(episodes=12),
        compute=Compute(workers=1),
    )
    shutil.copytree(folder / "run", folder / "whole")
    stopped(folder / "run")
    return folder


@pytest.fixture
def begun(played, tmp_path):
    """The same, in a folder of the test's own."""
    shutil.copytree(played, tmp_path, dirs_exist_ok=True)
    for journal in tmp_path.glob("*/journal.jsonl"):
        journal.write_text(journal.read_text().replace(str(played), str(tmp_path)))
    return tmp_path


@pytest.mark.slow
def test_an_evaluation_is_finished_from_its_folder_alone(begun, capsys):
    assert main(["evaluate", "--resume", str(begun / "run"), "--workers", "1"]) == 0
    assert table(begun / "run").equals(table(begun / "whole"))
    assert "task mean" in capsys.readouterr().out


def test_a_finished_evaluation_is_read(begun):
    before = (begun / "whole" / "journal.jsonl").read_text()
    results = robomtl.resume_evaluation(begun / "whole")
    assert len(results.records) == 48
    assert (begun / "whole" / "journal.jsonl").read_text() == before


def test_a_finished_evaluation_is_read_from_a_read_only_disk(begun, capsys, read_only):
    whole = begun / "whole"
    assert main(["evaluate", "--resume", str(whole)]) == 0
    shown = capsys.readouterr().out
    read_only(whole)
    assert main(["evaluate", "--resume", str(whole)]) == 0
    assert capsys.readouterr().out == shown
    options = ["--suite", "points/MT4", "--suite-options", "horizon=12"]
    again = ["evaluate", str(begun / "policy"), *options, "--episodes", "12"]
    assert main([*again, "--out", str(whole)]) == 0
    assert capsys.readouterr().out == shown


def test_an_unfinished_evaluation_on_a_read_only_disk_is_refused(
    begun, capsys, read_only
):
    read_only(begun / "run")
    said = refusal(capsys, "evaluate", "--resume", begun / "run", "--workers", "1")
    assert f"Nothing can be written into {begun / 'run'}" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"tasks": ["reach-flag"], "instructions": "held-out", "seed": 3, "repeats": 2},
        {"variations": "official", "until": "success"},
        {"protocol": "strict"},
    ],
)
def test_the_conditions_are_those_it_was_begun_under(tmp_path, options):
    config = EvaluationConfig(**{"episodes": 11, **options})
    evaluate(ExpertAgent(), POINTS, out=tmp_path / "run", config=config)
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    stopped(tmp_path / "run")

    found = resume_evaluation(tmp_path / "run", compute=Compute(workers=1))

    assert table(tmp_path / "run").equals(table(tmp_path / "whole"))
    assert (
        found.setting.protocol
        == robomtl.Results.read(tmp_path / "whole").setting.protocol
    )


@pytest.mark.slow
def test_a_relative_folder_is_found_from_elsewhere(tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    saved(Path("policy"))
    main("evaluate policy --horizon 12 --episodes 12 --out run --workers 1".split())
    stopped(tmp_path / "here" / "run")
    monkeypatch.chdir(tmp_path / "there")

    assert main("evaluate --resume ../here/run --workers 1".split()) == 0
    assert (tmp_path / "here" / "run" / "report.html").exists()


def test_wordings_that_are_not_found_from_here_name_where_they_were(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(WORDINGS)
    config = EvaluationConfig(
        tasks=["reach-red"], instructions="mine.json", episodes=12
    )
    evaluate(
        ExpertAgent(), POINTS, out="run", config=config, compute=Compute(workers=1)
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    said = refusal(capsys, "evaluate", "--resume", "../run")

    assert "was begun in" in said
    assert "with the wordings in mine.json, which is not found from here" in said


@pytest.mark.slow
def test_a_policy_that_moved_is_to_be_named_and_then_remembered(begun, capsys):
    (begun / "policy").rename(begun / "moved")
    run = begun / "run"
    said = refusal(capsys, "evaluate", "--resume", run)
    assert "does not exist" in said
    assert "If its run directory moved: robomtl evaluate RUN --resume" in said

    words = ["evaluate", str(begun / "moved"), "--resume", str(run), "--workers", "1"]
    assert main(words) == 0
    assert table(run).equals(table(begun / "whole"))
    assert main(["evaluate", "--resume", str(run)]) == 0


def test_a_policy_that_changed_is_refused(begun, capsys):
    saved(begun / "policy", chunk=2)
    before = (begun / "run" / "journal.jsonl").read_text()
    said = refusal(capsys, "evaluate", "--resume", begun / "run")
    assert "is not the one that" in said
    assert "Put the old one back, or evaluate this one into another folder" in said
    assert (begun / "run" / "journal.jsonl").read_text() == before


def test_a_folder_where_nothing_was_begun_is_refused(tmp_path, capsys):
    said = refusal(capsys, "evaluate", "--resume", tmp_path / "none")
    assert "has no journal.jsonl with a plan: no evaluation was begun there" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_comparison_is_no_evaluation(tmp_path, capsys):
    saved(tmp_path / "policy")
    words = f"compare --sequential {tmp_path}/policy expert --episodes 1 --workers 1"
    assert main([*words.split(), "--out", str(tmp_path / "both")]) == 0
    capsys.readouterr()
    said = refusal(capsys, "evaluate", "--resume", tmp_path / "both")
    assert "contains a comparison of two policies, not an evaluation" in said


def test_an_agent_that_only_python_can_make_is_refused(tmp_path, capsys):
    evaluate(
        WobblingAgent(),
        POINTS,
        out=tmp_path / "wobbling",
        config=EvaluationConfig(episodes=1),
        compute=Compute(workers=1),
    )
    said = refusal(capsys, "evaluate", "--resume", tmp_path / "wobbling")
    assert "begun with an agent that only Python can make; call" in said


def test_a_suite_that_only_python_can_make_is_refused(tmp_path, capsys, request):
    evaluate(
        ExpertAgent(),
        POINTS,
        out=tmp_path,
        config=EvaluationConfig(episodes=1),
        compute=Compute(workers=1),
    )
    request.getfixturevalue("no_suites")
    said = refusal(capsys, "evaluate", "--resume", tmp_path)
    assert "cannot be made from its name:" in said
    assert "call robomtl.evaluate with it" in said


def test_settings_beside_resume_are_refused(begun, capsys):
    words = "--episodes 3 --train-tasks reach-red".split()
    said = refusal(capsys, "evaluate", "--resume", begun / "run", *words)
    assert "leave out --episodes, --train-tasks" in said


def test_nothing_to_evaluate_is_refused(capsys):
    assert "Name the run directory of a policy, or 'expert'" in refusal(
        capsys, "evaluate"
    )


@pytest.mark.slow
def test_ray_at_a_wrong_address_is_reported_in_a_sentence(tmp_path, capsys):
    pytest.importorskip("ray", reason="needs the extra: pip install 'robomtl[ray]'")
    words = ["evaluate", "expert", "--suite", "points/MT4", "--ray", "nonsense"]
    said = refusal(capsys, *words, "--out", tmp_path)
    assert "No Ray cluster answers at 'nonsense'" in said
    assert "Finished work is kept" in said
    assert os.listdir(tmp_path) == ["journal.jsonl"]
