import sys
from contextlib import closing

import numpy as np
import pytest

from robomtl import suites
from robomtl.camera import OWN, take_picture, with_camera
from robomtl.checking.checking import check_suite
from robomtl.conditioning.embeddings import FOLDER, shipped_sentences
from robomtl.envs.pusht import TASK, pusht
from robomtl.envs.pusht_expert import GOAL, GOAL_ANGLE, push
from robomtl.errors import MissingExtraError

pytestmark = pytest.mark.usefixtures("forked_workers")

CORNERS = ((-60, 0), (60, 0), (60, 30), (-60, 30), (-15, 30), (15, 30), (15, 120))
"""Corners of the block in its frame, in the order of states; an eighth follows."""


@pytest.fixture
def simulator():
    pytest.importorskip("gym_pusht", reason="needs the extra pusht")


def state_of(pusher, origin, angle):
    """A state with the block at a pose."""
    cosine, sine = np.cos(angle), np.sin(angle)
    corners = np.array([*CORNERS, (-15, 120)]) @ [[cosine, sine], [-sine, cosine]]
    state = np.concatenate([pusher, (corners + origin).ravel()])
    return {"state": state.astype(np.float32)}


def test_wordings_are_shipped_and_built_again_with_the_suite():
    again = suites.suite("pusht")
    assert again == pusht()
    (task,) = again.train_tasks
    assert task == TASK
    wordings = {*task.instructions, *task.held_out_instructions}
    assert len(wordings) == 16
    assert wordings == {*shipped_sentences(FOLDER / "minilm_pusht.json")}


def test_without_the_extra_the_suite_is_listed_but_no_env_is_made(monkeypatch):
    monkeypatch.setitem(sys.modules, "gym_pusht.envs.pusht", None)
    assert pusht().variations("push-t", "fresh")[0] == 1_000_000
    with pytest.raises(MissingExtraError, match=r"pip install 'robomtl\[pusht\]'"):
        pusht().make_env("push-t")


def test_variant_is_refused():
    with pytest.raises(
        ValueError, match="no suite 'pusht/hard': the suite 'pusht' has no"
    ):
        pusht("hard")


def test_the_expert_rests_where_the_block_lies_in_its_place():
    action = push(state_of((100, 100), GOAL, GOAL_ANGLE))
    assert np.allclose((action + 1) * 256, 100, atol=0.1)


def test_the_expert_goes_behind_the_block_and_then_through_it():
    left = GOAL - (0, 80)
    towards = (push(state_of((256, 40), left, 0.0)) + 1) * 256
    assert towards[1] < left[1]
    through = (push(state_of((256, left[1] - 15), left, 0.0)) + 1) * 256
    assert through[1] > left[1]


@pytest.mark.usefixtures("simulator")
def test_the_expert_pushes_the_block_onto_its_place():
    suite = pusht()
    with closing(suite.make_env("push-t")) as env:
        for variation in (0, 2):
            observation, _ = env.reset(options={"variation": variation})
            truncated, steps = False, 0
            while not truncated:
                observation, _, _, truncated, info = env.step(push(observation))
                steps += 1
            assert info["success"]
            assert info["coverage"] > 0.95
            assert steps < 300


@pytest.mark.usefixtures("simulator")
def test_pictures_do_not_show_the_last_action():
    with closing(with_camera(pusht(), OWN).make_env("push-t")) as env:
        env.reset(options={"variation": 0})
        first = take_picture(env)
        env.step(np.array([-0.9, 0.9], np.float32))
        env.reset(options={"variation": 0})
        assert np.array_equal(take_picture(env), first)
        red = first[..., 0].astype(int) - first[..., 1:].max(axis=-1)
        assert red.max() < 100


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_the_suite_keeps_its_contract():
    assert check_suite(pusht()) == []
