from dataclasses import dataclass

import pytest

from robomtl.acting.actor import TaskInfo
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.demonstrations.collect_missing import collect_parts
from robomtl.envs.points import PointsSuite
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.planning import planned
from robomtl.evaluation.trials import CHUNK, plan, split_into_chunks
from robomtl.features import embodiment_of
from robomtl.suites import suite
from robomtl.task import Trial
from robomtl.viewing import new_trial

POINTS = suite("points/MT4")
HELD_OUT = suite("points/ML4")


def test_trials_are_the_first_variations_of_each_training_task_in_turn():
    trials = plan(POINTS, split="official", episodes=2)

    assert trials[:3] == (
        Trial("points/MT4", "reach-red", 2_000_000),
        Trial("points/MT4", "reach-red", 2_000_001),
        Trial("points/MT4", "reach-green", 2_000_000),
    )
    assert len(trials) == 8


def test_held_out_tasks_are_evaluated_when_named():
    trials = plan(HELD_OUT, ["push-ball"], episodes=1)
    assert [trial.task for trial in trials] == ["push-ball"]


def test_repeats_follow_after_all_variations_so_that_earlier_trials_keep_their_place():
    once = plan(POINTS, ["reach-red"], episodes=3)
    twice = plan(POINTS, ["reach-red"], episodes=3, repeats=2)

    assert twice[:3] == once
    assert [trial.repeat for trial in twice] == [0, 0, 0, 1, 1, 1]


def test_a_trial_keeps_its_chunk_and_row_whatever_else_is_evaluated():
    alone = planned(POINTS, Conditions(tasks=("reach-blue",), episodes=25)).chunks
    among = planned(POINTS, Conditions(episodes=50)).chunks

    blue = [chunk.trials for chunk in among if chunk.task == "reach-blue"]
    assert [len(chunk.trials) for chunk in alone] == [CHUNK, CHUNK, 5]
    assert blue[:2] == [chunk.trials for chunk in alone[:2]]
    assert blue[2][:5] == alone[2].trials


def test_chunks_hold_every_trial_once_in_order_with_what_it_is_told():
    trials = plan(POINTS, episodes=13)
    task_infos = [TaskInfo(trial.task, str(trial.variation)) for trial in trials]

    chunks = split_into_chunks(trials, task_infos)

    assert [trial for chunk in chunks for trial in chunk.trials] == list(trials)
    assert [words for chunk in chunks for words in chunk.task_infos] == task_infos
    assert all({t.task for t in chunk.trials} == {chunk.task} for chunk in chunks)


def test_more_episodes_than_variations_are_refused():
    message = (
        "'official' has 50 variations of 'reach-red', but 51 episodes were requested"
    )
    with pytest.raises(ValueError, match=message):
        plan(POINTS, split="official", episodes=51)


@pytest.mark.parametrize("counts", [{"episodes": 0}, {"repeats": 0}])
def test_no_trial_at_all_is_refused(counts):
    with pytest.raises(ValueError, match="give at least 1 of each"):
        plan(POINTS, **counts)


def test_a_task_named_twice_is_refused():
    with pytest.raises(
        ValueError, match="Tasks named twice: reach-red. Name each once"
    ):
        plan(POINTS, ["reach-red", "reach-blue", "reach-red"])


def test_no_task_named_is_refused():
    with pytest.raises(ValueError, match="No task was named; name at least 1"):
        plan(POINTS, [])


@dataclass(frozen=True)
class Untrained(PointsSuite):
    """Points with held-out tasks alone, or without any."""

    held_out: bool = True

    @property
    def train_tasks(self):
        return ()

    @property
    def held_out_tasks(self):
        return PointsSuite.held_out_tasks.fget(self) if self.held_out else ()


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        (
            True,
            "points/ML4 has no training tasks; name held-out ones, such as 'reach-ball'",
        ),
        (False, "points/ML4 has no tasks; a suite needs at least 1"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda suite, out: plan(suite),
        lambda suite, out: collect(suite, out),
        lambda suite, out: collect_parts(suite, out, CollectionConfig()),
        lambda suite, out: new_trial(suite, task=None, variation=None),
    ],
)
def test_a_suite_without_training_tasks_needs_named_ones(
    use, held_out, message, tmp_path
):
    bare = Untrained(variant="ML4", held_out=held_out)
    with pytest.raises(InputError, match=message):
        use(bare, tmp_path)


def test_a_suite_without_any_task_has_no_embodiment():
    with pytest.raises(InputError, match="points/ML4 has no tasks"):
        embodiment_of(Untrained(variant="ML4", held_out=False))


def test_an_unknown_task_suggests_the_nearest():
    with pytest.raises(ValueError, match="task 'reach-rad'. Did you mean 'reach-red'"):
        plan(POINTS, ["reach-rad"])


def test_an_unknown_split_suggests_the_nearest():
    with pytest.raises(ValueError, match="split 'frech'. Did you mean 'fresh'"):
        plan(POINTS, split="frech")


def test_an_unknown_end_of_trials_suggests_the_nearest():
    with pytest.raises(ValueError, match="until 'succes'. .* 'success'"):
        Conditions(until="succes")
