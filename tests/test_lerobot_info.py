import dataclasses
import json

import pytest
from evaluations import evaluation
from test_cli import refusal

from robomtl.cli.main import main
from robomtl.evaluation.lerobot_info import eval_info
from robomtl.evaluation.video import video_path

OUTCOMES = {"reach": "1101", "push": "00x1", "stuck": "xx"}


def exported(results, folder):
    results.write(folder)
    assert main(["export", str(folder)]) == 0
    return json.loads((folder / "eval_info.json").read_text())


def test_an_evaluation_is_exported_as_lerobot_writes_it(tmp_path, capsys):
    results = evaluation(OUTCOMES)
    film = video_path(tmp_path, results.records[2])
    film.parent.mkdir(parents=True)
    film.touch()
    info = exported(results, tmp_path)
    assert "Written: " in capsys.readouterr().out
    name = film.relative_to(tmp_path).as_posix()
    assert info["per_task"][0] == {
        "task_group": "toy/MT2",
        "task_id": 0,
        "task": "reach",
        "metrics": {"successes": [True, True, False, True], "video_paths": [name]},
    }
    assert [each["task_id"] for each in info["per_task"]] == [0, 1, 2]
    group = {"pc_success": 100 * 4 / 7, "n_episodes": 7, "video_paths": [name]}
    assert info["per_group"] == {"toy/MT2": group}
    assert info["overall"] == {
        **group,
        "eval_s": 4.5,
        "eval_ep_s": 4.5 / 7,
        "n_errors": 3,
    }


def test_tiers_are_task_groups_and_the_criterion_counts(tmp_path):
    results = dataclasses.replace(
        evaluation(OUTCOMES, criterion="last step"),
        task_tiers={"reach": "easy", "push": "hard", "stuck": "hard"},
    )
    last = dataclasses.replace(results.records[0], success_at_end=False)
    results = dataclasses.replace(results, records=(last, *results.records[1:]))
    info = eval_info(results, tmp_path)
    groups = {name: each["pc_success"] for name, each in info["per_group"].items()}
    assert groups == {"easy": 50.0, "hard": pytest.approx(100 / 3)}
    ids = [(each["task_group"], each["task_id"]) for each in info["per_task"]]
    assert ids == [("easy", 0), ("hard", 0), ("hard", 1)]


def test_errors_alone_leave_success_out(tmp_path):
    info = eval_info(evaluation({"stuck": "xx"}), tmp_path)
    assert "pc_success" not in info["overall"] and info["overall"]["n_episodes"] == 0


def test_a_folder_without_an_evaluation_is_refused(tmp_path, capsys):
    assert "has the evaluation finished?" in refusal(capsys, "export", tmp_path)
