import json
from collections import Counter
from dataclasses import dataclass

import pytest

from robomtl.acting.actor import TaskInfo
from robomtl.envs.points import PointsSuite
from robomtl.evaluation.instructions import rivals_of, task_infos_of
from robomtl.evaluation.trials import plan
from robomtl.suites import suite
from robomtl.task import families_of, find_task

POINTS = suite("points/MT4")
TRIALS = plan(POINTS, episodes=6)
NAMES = [task.name for task in POINTS.train_tasks]


def test_canonical_tells_the_first_wording_of_each_task():
    task_infos = task_infos_of(POINTS, TRIALS, "canonical")
    assert task_infos[0] == TaskInfo("reach-red", "reach the red target")
    assert {words.task for words in task_infos} == set(NAMES)


def test_scripts_that_call_it_by_its_earlier_name_go_on_working():
    from robomtl.evaluation.instructions import tell

    assert tell(POINTS, TRIALS, "canonical") == task_infos_of(
        POINTS, TRIALS, "canonical"
    )


@pytest.mark.parametrize(
    ("kind", "wordings"),
    [("train", "instructions"), ("held-out", "held_out_instructions")],
)
def test_all_wordings_of_a_kind_are_told_equally_often(kind, wordings):
    task_infos = task_infos_of(POINTS, TRIALS, kind)

    counts = Counter(words for words in task_infos if words.task == "reach-blue")
    allowed = getattr(find_task(POINTS, "reach-blue"), wordings)
    assert {words.instruction for words in counts} == set(allowed)
    assert len(set(counts.values())) == 1


def test_shuffled_tells_each_task_the_name_and_wording_of_another():
    task_infos = task_infos_of(POINTS, TRIALS, "shuffled", seed=3)

    pairs = {trial.task: words for trial, words in zip(TRIALS, task_infos, strict=True)}
    assert all(name != words.task for name, words in pairs.items())
    assert sorted(words.task for words in pairs.values()) == sorted(NAMES)
    for words in pairs.values():
        assert words.instruction == find_task(POINTS, words.task).instruction


def test_shuffling_depends_on_the_seed_and_not_on_the_tasks_evaluated():
    some = plan(POINTS, ["reach-flag"], episodes=1)
    alone = task_infos_of(POINTS, some, "shuffled", seed=1)[0]
    among = task_infos_of(POINTS, TRIALS, "shuffled", seed=1)[-1]

    assert alone == among
    assert (
        len({task_infos_of(POINTS, some, "shuffled", seed=seed) for seed in range(20)})
        == 3
    )


def test_shuffling_keeps_training_and_held_out_tasks_apart():
    parts = suite("points/ML4")
    trials = plan(parts, ["push-ball", "reach-red"], episodes=1)

    task_infos = task_infos_of(parts, trials, "shuffled")

    assert task_infos[0].task == "reach-ball"
    assert task_infos[1].task in NAMES


def test_none_withholds_name_and_wording():
    assert set(task_infos_of(POINTS, TRIALS, "none")) == {TaskInfo(None, None)}


def test_wordings_of_a_file_are_told_in_turn(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({name: [f"{name} A", f"{name} B"] for name in NAMES}))

    task_infos = task_infos_of(POINTS, TRIALS, str(file))

    assert task_infos[:3] == (
        TaskInfo("reach-red", "reach-red A"),
        TaskInfo("reach-red", "reach-red B"),
        TaskInfo("reach-red", "reach-red A"),
    )


def test_a_task_alone_in_its_part_cannot_be_shuffled():
    single = suite("points/reach-red")
    with pytest.raises(
        ValueError, match="'reach-red' is the only training task of points"
    ):
        task_infos_of(single, plan(single, episodes=1), "shuffled")


def test_a_task_without_held_out_wordings_is_refused(monkeypatch):
    monkeypatch.setattr("robomtl.envs.points_tasks._REACH_HELD_OUT", ())
    with pytest.raises(ValueError, match="Task 'reach-red' has no held-out wording"):
        task_infos_of(POINTS, TRIALS, "held-out")


def test_an_unknown_kind_suggests_the_nearest():
    message = "kind of instructions 'heldout'. Did you mean 'held-out'.*'.json'"
    with pytest.raises(ValueError, match=message):
        task_infos_of(POINTS, TRIALS, "heldout")


def test_a_missing_file_is_refused():
    with pytest.raises(
        ValueError, match="There is no file of instructions .*nowhere.json"
    ):
        task_infos_of(POINTS, TRIALS, "nowhere.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "mine.json is damaged or cut short: "),
        ("[]", "mine.json is damaged: \$: expected object, got array"),
        ('{"reach-rod": ["go"]}', "mine.json: Unknown .* 'reach-rod'. Did you mean"),
        ('{"reach-red": []}', r"'reach-red' has \[\]; give a list of at least 1"),
        ('{"reach-red": "go"}', "'reach-red' is damaged: .*: expected array, got str"),
        ('{"reach-red": [" "]}', r"'reach-red' has \[' '\]; give a list"),
        (
            '{"reach-red": [3]}',
            r"'reach-red' is damaged: \$\[0\]: expected str, got int",
        ),
        (
            '{"reach-red": ["go"]}',
            "no wording for: reach-green, reach-blue, reach-flag",
        ),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, text, message):
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        task_infos_of(POINTS, TRIALS, str(file))


def test_paraphrases_are_the_training_wordings_but_the_first():
    task_infos = task_infos_of(POINTS, TRIALS, "paraphrased")

    said = {words.instruction for words in task_infos if words.task == "reach-blue"}
    assert said == set(find_task(POINTS, "reach-blue").instructions[1:])


def test_a_task_of_one_wording_has_no_paraphrase(monkeypatch):
    monkeypatch.setattr("robomtl.envs.points_tasks._REACH", ("reach the {}",))
    with pytest.raises(ValueError, match="'reach-red' has one wording to train on"):
        task_infos_of(POINTS, TRIALS, "paraphrased")


def test_wrong_tells_the_other_tasks_of_the_scene_in_turn():
    task_infos = task_infos_of(POINTS, TRIALS, "wrong")

    others = [words.task for words in task_infos[:6]]
    assert others == ["reach-green", "reach-blue", "reach-flag"] * 2
    assert task_infos[0].instruction == "reach the green target"


def test_wrong_tells_held_out_tasks_what_was_trained_on():
    parts = suite("points/ML4")
    task_infos = task_infos_of(parts, plan(parts, ["push-ball"], episodes=4), "wrong")
    assert {words.task for words in task_infos} == set(NAMES)


def test_a_task_alone_in_its_scene_cannot_be_told_wrongly():
    single = suite("points/reach-red")
    with pytest.raises(
        ValueError, match="no other task with the scene of reach-red.*'f"
    ):
        task_infos_of(single, plan(single, episodes=1), "wrong")


def test_tasks_that_can_be_told_wrongly_are_named():
    mt10 = suite("metaworld/MT10")
    trials = plan(mt10, ["door-open-v3"], episodes=1)
    with pytest.raises(
        ValueError, match="scene of door-open-v3.*some of reach-v3, push"
    ):
        task_infos_of(mt10, trials, "wrong")


def test_rivals_are_of_all_families_of_a_task():
    rivals = rivals_of(suite("metaworld/MT50"))
    assert {task.name for task in rivals["push-v3"]} == {
        "reach-v3",
        "pick-place-v3",
        "push-back-v3",
    }
    assert "hammer-v3" not in rivals


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("points/reach-red", {}),
        ("points/ML4", {"points": (*NAMES, "reach-ball", "push-ball")}),
        (
            "metaworld/MT10",
            {
                "reach-push-pick-place": ("reach-v3", "push-v3", "pick-place-v3"),
                "window": ("window-open-v3", "window-close-v3"),
                "drawer": ("drawer-open-v3", "drawer-close-v3"),
            },
        ),
    ],
)
def test_suites_name_the_tasks_that_share_a_scene(name, families):
    assert families_of(suite(name)) == families


def test_families_without_two_tasks_in_the_suite_are_left_out():
    part = PartSuite(variant="MT4")
    assert families_of(part) == {"targets": ("reach-red", "reach-blue")}


@dataclass(frozen=True, kw_only=True)
class PartSuite(PointsSuite):
    """Names families of more tasks than it has."""

    @property
    def families(self):
        return {
            "targets": ("reach-red", "reach-white", "reach-blue"),
            "balls": ("reach-red", "push-ball"),
        }
