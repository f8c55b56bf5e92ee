import json

import pytest
from evaluations import evaluation

from robomtl.cli.main import main

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture
def folders(tmp_path):
    """Evaluations of two seeds of A and two of B."""
    outcomes = {"a1": "1111111111", "a2": "1111110111", "b1": "0100", "b2": "0010"}
    for name, letters in outcomes.items():
        each = evaluation({"push": letters[:4]}, agent=name, fingerprint=name)
        each.write(tmp_path / name)
    return tmp_path


def said(capsys, *words):
    assert main(["compare", *map(str, words)]) == 0
    return " ".join(capsys.readouterr().out.split())


def refusal(capsys, *words):
    assert main(["compare", *map(str, words)]) == 2
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_two_evaluations_give_a_table_and_a_file(folders, capsys):
    out = folders / "out"
    text = said(capsys, folders / "a1", folders / "b1", "--out", out)
    assert "A a1, B b1" in text and "by McNemar's test" in text
    assert json.loads((out / "comparison.json").read_text())["kind"] == "paired"


def test_nothing_is_written_unless_asked(folders, capsys):
    before = sorted(folders.rglob("*"))
    said(capsys, folders / "a1", folders / "b1")
    assert sorted(folders.rglob("*")) == before


def test_seeds_of_both_give_aggregates(folders, capsys):
    a, b = [folders / "a1", folders / "a2"], [folders / "b1", folders / "b2"]
    text = said(capsys, "--a", *a, "--b", *b, "--out", folders / "out")
    assert "IQM" in text and "2 and 2 seeds of training" in text
    data = json.loads((folders / "out" / "comparison.json").read_text())
    assert data["kind"] == "seeds"


def test_other_conditions_are_compared_when_asked(folders, capsys):
    other = evaluation({"push": "0101"}, horizon=400, fingerprint="other")
    other.write(folders / "other")
    words = (folders / "a1", folders / "other")
    assert "horizon is 50 in A and 400 in B" in refusal(capsys, *words)
    assert "Differing: horizon is 50 in A" in said(capsys, *words, "--across")


@pytest.mark.slow
def test_a_policy_and_the_experts_play_until_it_is_settled(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out"
    words = "train --suite points/MT4 --episodes 2 --policy mlp --steps 2 --threads 1"
    more = ["--architecture.width", "8", "--workers", "1", "--out", str(run)]
    assert main([*words.split(), *more]) == 0
    options = ["--sequential", "--workers", 1, "--episodes", 20, "--out", out]
    text = said(capsys, *options, "--", run, "expert")
    assert "B is better: E reached 20" in text
    assert json.loads((out / "comparison.json").read_text())["suite"] == "points/MT4"


def test_other_than_two_folders_are_refused(folders, capsys):
    assert "A and B; given: 1" in refusal(capsys, folders / "a1")
    assert "A and B; given: 0" in refusal(capsys)


def test_folders_and_seeds_at_once_are_refused(folders, capsys):
    words = (folders / "a1", folders / "b1", "--a", folders / "a2")
    assert "Give either two folders, or evaluations of several seeds" in refusal(
        capsys, *words
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tasks", "push"), "--tasks: only a sequential comparison"),
        (("--seed", 3, "--horizon", 9), "--horizon, --seed: only a sequential"),
        (
            ("--sequential", "--a", "x"),
            "--a: a sequential comparison (--sequential) does",
        ),
    ],
)
def test_flags_that_would_be_ignored_are_refused(folders, capsys, options, said):
    words = (folders / "a1", folders / "b1", *options)
    assert said in refusal(capsys, *words)


def test_experts_against_each_other_need_a_suite(capsys):
    words = ("--sequential", "expert", "expert")
    assert "was trained on is not known; give --suite NAME" in refusal(capsys, *words)
