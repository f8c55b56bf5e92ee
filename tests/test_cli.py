import json

import pytest

from robomtl.cli.main import VERBS, main
from robomtl.recipes import RECIPES


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    words = "train --suite points/MT4 --episodes 4 --policy mlp --steps 20 --threads 1"
    more = f"--architecture.width 16 --workers 1 --out {out}"
    assert main([*words.split(), *more.split()]) == 0
    return out


def refusal(capsys, *words):
    """What robomtl says of a mistake, in one line, without the frame around it."""
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.replace("│", " ").split())


def test_without_a_verb_every_verb_is_shown(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"robomtl {verb}" in shown for verb in VERBS)


def test_an_unknown_verb_names_the_nearest(capsys):
    assert "Did you mean 'train'" in refusal(capsys, "trian")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"robomtl {verb}" in capsys.readouterr().out


def test_list_shows_suites_policies_and_recipes(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("metaworld/MT10", "points/MT4", "film", "mlp", *RECIPES):
        assert name in shown


def test_collect_writes_a_data_set(tmp_path, capsys):
    words = ["collect", "points/MT4", "--episodes", "2", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert "8 episodes of 4 tasks" in capsys.readouterr().out
    assert (tmp_path / "meta" / "info.json").exists()


def test_train_then_evaluate_leaves_a_table_of_success(run_directory, tmp_path):
    words = ["evaluate", run_directory, "--episodes", 3, "--workers", 1]
    assert main([str(w) for w in [*words, "--out", tmp_path]]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["tasks"]) == {
        "reach-red", "reach-green", "reach-blue", "reach-flag"
    }  # fmt: skip
    assert all(task["trials"] == 3 for task in results["tasks"].values())
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "trials.parquet").exists()


def test_the_architecture_s_own_settings_are_flags(run_directory):
    run = json.loads((run_directory / "run.json").read_text())
    assert run["policy_config"]["width"] == 16
    assert run["training"]["steps"] == 20


def test_experts_can_be_evaluated(tmp_path):
    words = "evaluate expert --suite points/MT4 --episodes 2 --workers 1 --out"
    assert main([*words.split(), str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["task_mean"] == 1.0


def test_train_needs_data_or_a_suite(capsys):
    assert "Give --data DIR to clone, or --suite" in refusal(capsys, "train")


def test_experts_need_a_suite(capsys):
    assert "Give --suite NAME" in refusal(capsys, "evaluate", "expert")


def test_data_of_another_suite_is_refused(run_directory, capsys):
    data = run_directory / "demonstrations"
    said = refusal(capsys, "train", "--suite", "points/MT6", "--data", data)
    assert "was recorded in points/MT4, not in points/MT6" in said


def test_an_unknown_suite_names_the_nearest(capsys):
    assert "Did you mean 'points'" in refusal(capsys, "collect", "point/MT4")
    assert "MT10" in refusal(capsys, "collect", "metaworld/MT11")


def test_an_unknown_task_names_the_nearest(capsys, tmp_path):
    words = ["collect", "points/MT4", "--tasks", "reach-rad", "--out", tmp_path]
    assert "Did you mean 'reach-red'" in refusal(capsys, *words)


def test_an_unknown_policy_names_the_nearest(capsys):
    said = refusal(capsys, "train", "--suite", "points/MT4", "--policy", "flim")
    assert "Did you mean 'film'" in said


def test_an_unknown_recipe_names_the_nearest(capsys, tmp_path):
    said = refusal(capsys, "run", "quikstart", "--out", tmp_path)
    assert "Did you mean 'quickstart'" in said


def test_a_folder_that_is_no_run_is_refused(capsys, tmp_path):
    assert "has no policy.json" in refusal(capsys, "evaluate", tmp_path)


def test_an_option_the_suite_does_not_take_is_refused(capsys):
    said = refusal(capsys, "check", "points/MT4", "--goals", "hidden")
    assert "Suite 'points/MT4' does not take this" in said


def test_a_suite_of_other_sizes_is_refused(run_directory, capsys, tmp_path):
    words = ["evaluate", run_directory, "--suite", "metaworld/MT10", "--out", tmp_path]
    assert "takes state of length" in refusal(capsys, *words)


def test_a_run_directory_of_other_settings_is_refused(run_directory, capsys):
    words = "train --suite points/MT4 --episodes 4 --policy mlp --steps 30 --threads 1"
    more = ["--architecture.width", 16, "--workers", 1, "--out", run_directory]
    said = refusal(capsys, *words.split(), *more)
    assert "training.steps is 20 there and 30 here" in said


def test_check_says_that_a_suite_keeps_the_contract(capsys):
    assert main(["check", "points/MT4"]) == 0
    assert "points/MT4 keeps the contract" in capsys.readouterr().out
