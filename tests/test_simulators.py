import re
from contextlib import closing

import numpy as np
import pyarrow.parquet as pq
import pytest
from served_points import ServedPoints
from wobbling import WobblingAgent

from robomtl.camera import Camera
from robomtl.checking.checking import check_suite
from robomtl.demonstrations import collect
from robomtl.envs.points import PointsSuite
from robomtl.errors import SimulationError
from robomtl.experiments.evaluating import evaluate
from robomtl.pulse import PULSE

pytestmark = pytest.mark.usefixtures("forked_workers")

TASK = "reach-red"
BROKEN = 1_000_003
"""The variation in which something happens at the third step."""


def trials(out, suite, *, episodes=12, **options):
    evaluate(WobblingAgent(), suite, out=out, episodes=episodes, **options)
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"]).to_pylist()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The trials of the suite in process."""
    out = tmp_path_factory.mktemp("expected")
    return trials(out, PointsSuite(variant="MT4", horizon=16), workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_trials_of_a_served_suite_are_the_same(expected, tmp_path, workers):
    suite = ServedPoints(variant="MT4", horizon=16)
    assert trials(tmp_path, suite, workers=workers) == expected


def files(out):
    return {
        path.relative_to(out): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("images", [0, 16])
def test_demonstrations_of_a_served_suite_are_the_same(tmp_path, images):
    own, served = tmp_path / "own", tmp_path / "served"
    for out, kind in ((own, PointsSuite), (served, ServedPoints)):
        collect(kind(images=images), out, episodes=2, tasks=[TASK])
    assert files(own) == files(served)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("raise", r"step 3: ZeroDivisionError: BADQACC \(points_server.py, line \d+\)"),
        ("sys_exit", r"step 3: SystemExit: 3 \(points_server.py, line \d+\)"),
        ("exit", r"step 3: its server ended with exit code 3"),
        (
            "die",
            r"step 3: its server was killed by SIGKILL, having printed: it blew up",
        ),
    ],
)
def test_a_simulator_that_breaks_is_an_error_of_its_trial_and_of_no_other(
    expected, tmp_path, how, error
):
    suite = ServedPoints(variant="MT4", horizon=16, how=how)
    rows = trials(tmp_path, suite, tasks=[TASK])

    (lost,) = [row for row in rows if row["variation"] == BROKEN]
    assert re.fullmatch(error, lost["error"])
    assert [row for row in rows if row != lost] == [
        row for row in expected if row["task"] == TASK and row["variation"] != BROKEN
    ]


def test_a_step_that_hangs_ends_its_env_alone(monkeypatch):
    suite, action = ServedPoints(how="hang"), np.ones(2, np.float32)
    with closing(suite.make_env(TASK)) as env, closing(suite.make_env(TASK)) as other:
        env.reset(options={"variation": BROKEN})
        other.reset(options={"variation": 1})
        for _ in range(2):
            env.step(action)
            other.step(action)
        env.announce(action)
        other.announce(action)
        with monkeypatch.context() as patched, pytest.raises(SimulationError) as hung:
            patched.setattr(PULSE, "limit", 0.5)
            env.step(action)
        assert hung.value.reason == "made no progress for 0.4 s"
        observation, *_ = other.step(action)
        assert env.reset(options={"variation": 1})[0]["state"].any()
    with closing(PointsSuite().make_env(TASK)) as own:
        own.reset(options={"variation": 1})
        *_, (expected, *_) = map(own.step, [action] * 3)
    np.testing.assert_array_equal(observation["state"], expected["state"])


def test_a_served_suite_keeps_the_contract():
    assert not check_suite(ServedPoints(), tasks=[TASK])


@pytest.mark.parametrize("images", [0, 16])
def test_a_served_env_steps_as_the_env_itself(images):
    own, served = (
        kind(images=images, camera=Camera(width=32, height=24))
        for kind in (PointsSuite, ServedPoints)
    )
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    episodes = []
    for suite in (own, served):
        with closing(suite.make_env("reach-flag")) as env:
            result = env.reset(seed=3, options={"variation": 7})
            steps = [result, *map(env.step, actions)]
            episodes.append((steps, env.render(), env.pictures()))
            spaces = env.observation_space, env.action_space, env.horizon
            episodes[-1] = (*episodes[-1], spaces, env.metadata)
    np.testing.assert_equal(*episodes)
