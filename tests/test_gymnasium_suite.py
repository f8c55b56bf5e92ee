import os
from multiprocessing.reduction import ForkingPickler

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

import robomtl
import robomtl.suites
from robomtl.checking.checking import check_suite as check
from robomtl.errors import SimulationError
from robomtl.gymnasium_factory import from_gymnasium
from robomtl.gymnasium_success import GoalDistance, RewardAtLeast

pytestmark = pytest.mark.usefixtures("forked_workers")


class Slider(gymnasium.Env):
    """A slider that reaches a mark, with the interface of goal envs."""

    def __init__(self, way=1.0):
        self.way = way
        place = spaces.Box(-5, 5, (1,), np.float64)
        self.observation_space = spaces.Dict(
            {"achieved_goal": place, "desired_goal": place, "observation": place}
        )
        self.action_space = spaces.Box(-0.5, 2, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1, 1)
        self.mark = self.place + self.way
        return self._observation(), {}

    def step(self, action):
        self.place = np.clip(self.place + action, -5, 5)
        reached = abs(self.place - self.mark)[0] < 0.1
        return (
            self._observation(),
            -1.0,
            False,
            False,
            {"is_success": np.bool_(reached)},
        )

    def _observation(self):
        return {
            "achieved_goal": self.place,
            "desired_goal": self.mark,
            "observation": self.place,
        }


class Explodes(Slider):
    def step(self, action):
        self.place = np.array([np.inf])
        return self._observation(), 0.0, False, False, {"is_success": False}


class Steers(Slider):
    """Has an action space without bounds."""

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)


class Talks(Slider):
    """Has observations of no fixed length."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Sequence(spaces.Discrete(3))


def go_right():
    return Slider(1.0)


def go_left():
    return Slider(-1.0)


def expert(observation):
    place, mark = observation["state"]
    wanted = (np.clip(mark - place, -0.5, 2) + 0.5) / 2.5 * 2 - 1
    return np.array([wanted], np.float32)


def on_the_hill(outcome):
    return outcome.terminated


def drive(observation):
    return np.sign(observation["state"][1:])


@pytest.fixture
def sliders():
    return from_gymnasium(
        "sliders",
        {"right": go_right, "left": go_left},
        {"right": ["slide right"], "left": ["slide left", "move left"]},
        success="is_success",
        horizon=30,
        held_out=["left"],
        experts={"right": expert, "left": expert},
    )


@pytest.fixture
def hill():
    return from_gymnasium(
        "hill",
        {"climb": "MountainCarContinuous-v0"},
        {"climb": ["drive up the hill"]},
        success=on_the_hill,
        horizon=400,
        experts={"climb": drive},
    )


def test_goal_envs_keep_the_contract(sliders):
    assert check(sliders) == []


def test_a_classic_control_env_keeps_the_contract(hill):
    assert check(hill) == []


@pytest.mark.usefixtures("spawned_workers")
@pytest.mark.slow
def test_a_registered_suite_is_collected_trained_evaluated_and_checked_by_name(
    sliders, no_suites, tmp_path
):
    no_suites.register("sliders", sliders)
    found = robomtl.suite("sliders")
    assert robomtl.check_suite(found) == []
    recorded = robomtl.collect(
        found,
        tmp_path / "data",
        config=robomtl.CollectionConfig(episodes=2),
        compute=robomtl.Compute(workers=1),
    )
    config = robomtl.TrainConfig(steps=3, threads=1)
    run = tmp_path / "run"
    robomtl.train(recorded, out=run, conditioning=("goal",), config=config)
    agent = robomtl.PolicyAgent(run)
    out = tmp_path / "evaluation"
    results = robomtl.evaluate(
        agent,
        found,
        out=out,
        config=robomtl.EvaluationConfig(episodes=2),
        compute=robomtl.Compute(workers=1),
    )
    assert results.tasks["right"].trials == 2


def test_the_suite_can_be_sent_to_a_worker(sliders):
    again = ForkingPickler.loads(ForkingPickler.dumps(sliders))
    assert again == sliders


def test_tasks_keep_their_order_and_wordings(sliders):
    assert [task.name for task in sliders.train_tasks] == ["right"]
    assert sliders.held_out_tasks[0].instructions == ("slide left", "move left")


def test_the_desired_goal_comes_last_and_the_achieved_goal_is_left_out(sliders):
    env = sliders.make_env("right")
    state = env.reset(options={"variation": 3})[0]["state"]
    assert state.shape == (2,)
    assert state[sliders.goal] == pytest.approx(env.env.mark)


def test_an_env_without_desired_goal_has_no_goal(hill):
    assert hill.goal is None


@pytest.mark.parametrize(("action", "way"), [(-1, -0.5), (1, 2), (-0.6, 0), (9, 2)])
def test_actions_are_scaled_to_the_bounds_of_the_env(sliders, action, way):
    env = sliders.make_env("right")
    before = env.reset(options={"variation": 0})[0]["state"][0]
    after = env.step(np.array([action], np.float32))[0]["state"][0]
    assert after - before == pytest.approx(way, abs=1e-6)


def test_the_variation_is_the_seed_of_the_env(sliders):
    raw = Slider()
    raw.reset(seed=7)
    env = sliders.make_env("right")
    state = env.reset(options={"variation": 7}, seed=1)[0]["state"]
    assert state[0] == pytest.approx(raw.place[0])


def test_a_terminated_episode_is_truncated_there_with_its_success(hill):
    env = hill.make_env("climb")
    observation, info = env.reset(options={"variation": 0})
    truncated = False
    while not truncated:
        assert not info["success"]
        observation, _, terminated, truncated, info = env.step(drive(observation))
        assert not terminated
    assert info["success"] is True
    with pytest.raises(ResetNeeded, match="climb: no episode is running; call reset"):
        env.step(drive(observation))


def test_without_a_variation_the_seed_decides(sliders):
    env = sliders.make_env("right")
    first, again, other = (env.reset(seed=seed)[0]["state"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unknown_variation_is_refused(sliders):
    with pytest.raises(
        ValueError, match="Unknown variation -1 of 'right'. Known: 0 to"
    ):
        sliders.make_env("right").reset(options={"variation": -1})


def test_an_unknown_split_is_refused(sliders):
    with pytest.raises(ValueError, match="Unknown split 'official'"):
        sliders.variations("right", "official")


def test_a_task_without_expert_says_so(hill):
    suite = from_gymnasium(
        "hill", {"climb": "MountainCarContinuous-v0"}, {"climb": ["up"]}, horizon=9
    )
    with pytest.raises(ValueError, match="Unknown hill expert 'climb'. Known: none"):
        suite.make_expert("climb")


def test_an_action_that_is_not_finite_names_task_and_step(sliders):
    env = sliders.make_env("right")
    env.reset(options={"variation": 0})
    with pytest.raises(ValueError, match=r"right, step 0: the action \[nan\] is not"):
        env.step(np.array([np.nan], np.float32))


def test_a_state_that_is_not_finite_is_an_error_of_the_simulation():
    suite = from_gymnasium(
        "bombs", {"a": Explodes}, {"a": ["b"]}, horizon=9, success="is_success"
    )
    env = suite.make_env("a")
    env.reset(options={"variation": 4})
    with pytest.raises(
        SimulationError, match="a, variation 4, step 1: its state is no"
    ):
        env.step(np.zeros(1, np.float32))


class Unknown(Slider):
    def step(self, action):
        seen = self._observation() | {"achieved_goal": np.array([np.nan])}
        return seen, np.nan, False, False, {}


@pytest.mark.parametrize(
    ("success", "reason"),
    [
        (RewardAtLeast(0.5), "its reward is nan"),
        (GoalDistance(0.5), "its goal, or the goal it achieved, is not finite"),
    ],
)
def test_success_that_cannot_be_judged_is_an_error_and_no_failure(success, reason):
    suite = from_gymnasium(
        "unknown", {"a": Unknown}, {"a": ["b"]}, horizon=9, success=success
    )
    env = suite.make_env("a")
    env.reset(options={"variation": 4})
    with pytest.raises(SimulationError, match=f"a, variation 4, step 1: {reason}"):
        env.step(np.zeros(1, np.float32))


class Overflows(Slider):
    def step(self, action):
        self.place = np.array([1e300])
        return self._observation(), 0.0, False, False, {"is_success": False}


@pytest.mark.filterwarnings("error")
def test_a_state_beyond_float32_is_an_error_without_a_warning():
    suite = from_gymnasium(
        "large", {"a": Overflows}, {"a": ["b"]}, horizon=9, success="is_success"
    )
    env = suite.make_env("a")
    env.reset(options={"variation": 4})
    with pytest.raises(SimulationError, match="step 1: its state is not finite"):
        env.step(np.zeros(1, np.float32))
    (problem,) = check(suite)
    assert problem.sentence.endswith(", step 1: its state is not finite")


def test_success_that_is_not_reported_is_an_error():
    suite = from_gymnasium("sliders", {"a": Slider}, {"a": ["b"]}, horizon=9)
    env = suite.make_env("a")
    env.reset(options={"variation": 0})
    with pytest.raises(ValueError, match="key of info 'success'.*mean 'is_success'"):
        env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Steers, "The action space of 'a' is Box.*; expected a Box with bounds"),
        (Talks, "'a' observes Sequence.*, which cannot be flattened into a vector"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(env, message):
    suite = from_gymnasium("sliders", {"a": env}, {"a": ["b"]}, horizon=9)
    with pytest.raises(ValueError, match=message):
        suite.make_env("a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"envs": {"reech": Slider}}, "env 'reech'. Did you mean 'reach'"),
        ({"envs": {}}, "The task 'reach' has instructions but no env"),
        ({"experts": {"reach": 3}}, "The expert of 'reach' is 3; give a function of"),
        ({"envs": {}, "instructions": {}}, "own has no task; give envs and instruc"),
        ({"experts": {"x": expert}}, "Unknown task of an expert 'x'. Known: reach"),
        ({"held_out": ["x"]}, "Unknown held-out task 'x'. Known: reach"),
        ({"families": {"a": ["x"]}}, "Unknown task of a family 'x'. Known: reach"),
        ({"held_out": ["reach"]}, "own has no task to train on; hold out fewer"),
        ({"horizon": 0}, "horizon is 0; give at least 1"),
        ({"instructions": {"reach": []}}, "Task 'reach' has no instruction"),
    ],
)
def test_tasks_that_do_not_fit_together_are_refused(change, message):
    given = {
        "name": "own",
        "envs": {"reach": Slider},
        "instructions": {"reach": ["reach it"]},
        "horizon": 10,
    }
    with pytest.raises(ValueError, match=message):
        from_gymnasium(**{**given, **change})


def make_elsewhere():
    os.chdir("/")
    return gymnasium.make("Pendulum-v1")


class Unclosed(Slider):
    def close(self):
        raise RuntimeError("already closed")


def test_an_env_that_cannot_be_closed_is_left():
    parts = {"instructions": {"a": ["go"]}, "horizon": 3}
    suite = robomtl.from_gymnasium("unclosed", envs={"a": Unclosed}, **parts)
    assert suite.goal is not None


def test_a_maker_that_changes_the_working_directory_leaves_this_process_alone(tmp_path):
    parts = {"instructions": {"a": ["go"]}, "horizon": 3}
    suite = robomtl.from_gymnasium("elsewhere", envs={"a": make_elsewhere}, **parts)
    before = os.getcwd()
    assert suite.goal is None
    assert os.getcwd() == before
