import sys
from contextlib import closing
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from robomtl import suites
from robomtl.camera import Camera, take_picture, with_camera
from robomtl.checking.checking import check_suite
from robomtl.envs.fetch import FetchSuite, fetch
from robomtl.envs.fetch_tasks import GOAL, GRIPPER, IDS, NAMES, OBJECT, OWN, VARIANTS
from robomtl.errors import MissingExtraError
from robomtl.features import embodiments_of

EVERYTHING = fetch()


@pytest.fixture
def simulator():
    pytest.importorskip("gymnasium_robotics", reason="needs the extra fetch")


def played(suite, task, variation, act=None):
    """States and successes of one episode; the expert acts unless another does."""
    act = act or suite.make_expert(task)
    with closing(suite.make_env(task)) as env:
        observation, info = env.reset(options={"variation": variation})
        states, successes, truncated = [observation["state"]], [info["success"]], False
        while not truncated:
            observation, _, _, truncated, info = env.step(act(observation))
            states.append(observation["state"])
            successes.append(info["success"])
    return np.array(states), successes


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_found_by_name_and_survives_pickling(variant):
    found = suites.suite(f"fetch/{variant}", horizon=20)
    assert found.name == f"fetch/{variant}"
    assert ForkingPickler.loads(ForkingPickler.dumps(found)) == found
    assert suites.suite(found.name, **found.options) == found


def test_tasks_share_no_wording_and_one_robot():
    wordings = []
    for task in EVERYTHING.train_tasks:
        wordings += [*task.instructions, *task.held_out_instructions]
    assert len(set(wordings)) == len(wordings) == 80
    (robot,) = embodiments_of(EVERYTHING).values()
    assert robot.states == {"state": len(NAMES)} == {"state": GOAL.stop}
    assert [NAMES[index] for index in OWN][:4] == [
        *("gripper_x", "gripper_y", "gripper_z"),
        "finger_right",
    ]


def test_without_the_extra_the_suite_is_listed_but_no_env_is_made(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    assert EVERYTHING.variations("push", "fresh")[0] == 1_000_000
    with pytest.raises(MissingExtraError, match=r"pip install 'robomtl\[fetch\]'"):
        EVERYTHING.make_env("push")


def test_unknown_variant_and_camera_suggest_the_nearest():
    with pytest.raises(ValueError, match=r"variant of fetch 'pussh'. Did you mean 'pu"):
        fetch("pussh")
    with pytest.raises(
        ValueError, match=r"camera of fetch/MT4 'tabel'. Did you mean 't"
    ):
        fetch(cameras="tabel")
    with pytest.raises(ValueError, match=r"fetch camera 'frnt'. Did you mean 'front'"):
        with_camera(EVERYTHING, Camera(name="frnt"))


def test_horizon_below_one_is_refused():
    with pytest.raises(ValueError, match="horizon is 0; give at least 1"):
        fetch(horizon=0)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("task", IDS)
def test_the_expert_brings_what_the_task_moves_to_the_goal(task):
    moved = GRIPPER if task == "reach" else OBJECT
    for variation in range(3):
        states, successes = played(EVERYTHING, task, variation)
        assert not successes[0]
        assert any(successes)
        assert successes[-1] or task == "slide"  # A puck may slide on.
        distances = np.linalg.norm(states[:, moved] - states[:, GOAL], axis=1)
        assert (distances < 0.05).tolist() == successes


@pytest.mark.usefixtures("simulator")
def test_reach_observes_zeros_where_others_have_the_object():
    states, _ = played(fetch(horizon=3), "reach", 5)
    object_of = [index for index in range(GOAL.start) if index not in OWN]
    assert not states[:, object_of].any()
    assert states[:, :3].all()


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_the_suite_keeps_its_contract():
    assert check_suite(EVERYTHING, tasks=["reach", "slide"]) == []


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_pictures_show_the_goal_and_never_change_the_episode():
    seen = with_camera(fetch(horizon=8), Camera(width=96, height=96))
    assert isinstance(seen, FetchSuite)
    shown, plain = (suite.make_env("slide") for suite in (seen, fetch(horizon=8)))
    with closing(shown), closing(plain):
        pictures = []
        for variation in (0, 1):
            observations = [
                env.reset(options={"variation": variation})[0] for env in (shown, plain)
            ]
            pictures.append(take_picture(shown).astype(int))
            for _ in range(8):
                action = EVERYTHING.make_expert("slide")(observations[0])
                observations = [env.step(action)[0] for env in (shown, plain)]
                take_picture(shown)
                first, second = (each["state"] for each in observations)
                assert first.tobytes() == second.tobytes()
    red = [(each[..., 0] > 150) & (each[..., 1] < 90) for each in pictures]
    assert all(each.any() for each in red)
    assert (red[0] != red[1]).any()


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_observations_hold_what_a_camera_sees_and_what_the_robot_knows_of_itself():
    made = fetch("push", cameras=["table", "side"], size=48)
    with closing(made.make_env("push")) as env:
        observation, _ = env.reset(options={"variation": 3})
        assert env.observation_space.contains(observation)
        state = observation["state"]
        assert np.array_equal(observation["proprioception"], state[list(OWN)])
        assert observation["image.table"].shape == (48, 48, 3)
        assert (observation["image.table"] != observation["image.side"]).any()
