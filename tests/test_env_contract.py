"""Values returned by envs, agents and experts: converted, or refused by a message."""

from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import robomtl
from robomtl import env_contract
from robomtl.acting.actor import TaskInfo
from robomtl.camera import Camera
from robomtl.env_contract import frames_per_second
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import InputError, PlugInError
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.rollout import roll
from robomtl.evaluation.trials import Chunk
from robomtl.gymnasium_factory import from_gymnasium
from robomtl.names import several
from robomtl.plug_in import described
from robomtl.returned_values import number, truth
from robomtl.task import Task, Trial

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = PointsSuite()
TRIALS = tuple(Trial(SUITE.name, "reach-red", v) for v in (1_000_000, 1_000_001))
CHUNK = Chunk(
    task="reach-red", trials=TRIALS, task_infos=(TaskInfo("reach-red", None),) * 2
)


class Returns(PointsEnv):
    """Points whose third step returns something else."""

    def __init__(self, change, at=3):
        super().__init__("reach-red", 50)
        self._change, self._at = change, at

    def reset(self, *, seed=None, options=None):
        result = super().reset(seed=seed, options=options)
        return self._change(*result) if self._at == 0 else result

    def step(self, action):
        result = super().step(action)
        return self._change(*result) if self._step == self._at else result


class Acts:
    """Returns what it was given, for every row."""

    def __init__(self, actions):
        self.actions = actions

    def start(self, trials, task_infos):
        pass

    def __call__(self, observations, running):
        return self.actions


def with_success(value):
    return lambda o, r, terminated, truncated, info: (
        o,
        r,
        terminated,
        truncated,
        {"success": value},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda o, r, e, t, i: (o, r, e or t, i),
            "returned a tuple of 4;.*before 0.26",
        ),
        (lambda o, r, e, t, i: None, "the env returned nothing; expected"),
        (
            lambda o, r, e, t, i: (o, r, e, t, {}),
            "Unknown key of info 'success'.*success= names another key",
        ),
        (lambda o, r, e, t, i: (o, r, e, t, None), "info is nothing; expected a dict"),
        (lambda o, *r: ({}, *r), "observation 'state' is nothing; expected an array"),
        (
            lambda o, *r: ({"state": np.zeros(13, np.float32)}, *r),
            r"'state' is an array of shape \(13,\).*expected an array of shape \(12,\)",
        ),
        (
            lambda o, *r: ({"state": np.full(12, None)}, *r),
            r"'state' is an array of shape \(12,\) and type object; expected numbers",
        ),
        (
            lambda o, *r: ({"state": o["state"].astype(str)}, *r),
            r"'state' is an array of shape \(12,\) and type <U32; expected numbers",
        ),
        (
            lambda o, *r: ({"state": o["state"] * np.float64(1e300)}, *r),
            r"'state' is not finite in components \[0, 1.*, as float32",
        ),
        (with_success("no"), r"info\['success'\] is 'no'; expected True or False"),
        (with_success([True]), r"info\['success'\] is \[True\]; expected True or"),
        (with_success(float("nan")), r"info\['success'\] is nan; expected True or"),
        (with_success(0.7), r"info\['success'\] is 0.7; expected True or False"),
        (lambda o, r, e, t, i: (o, None, e, t, i), "reward is None; expected a number"),
        (lambda o, r, e, t, i: (o, r, e, "no", i), "truncated is 'no'; expected True"),
    ],
)
def test_what_a_step_must_not_return_is_refused_with_task_and_step(change, message):
    envs, actor = [Returns(change), Returns(change)], ExpertAgent().load(SUITE)
    with pytest.raises(InputError, match="reach-red, variation 1000000, step 3: .*"):
        roll(envs, actor, CHUNK)
    with pytest.raises(InputError, match=message):
        roll(envs, actor, CHUNK)


def test_a_reset_of_the_old_kind_is_refused():
    envs = [Returns(lambda observation, info: observation, at=0)] * 2
    with pytest.raises(InputError, match="reset: the env returned a dict;.*alone"):
        roll(envs, ExpertAgent().load(SUITE), CHUNK)


@pytest.mark.parametrize(
    "value",
    [True, np.True_, 1, 1.0, np.array([True]), np.int64(1), torch.tensor([True])],
)
def test_what_means_true_is_true(value):
    assert truth(value, "success", "here") is True


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.array([0.5]), torch.tensor([0.5])]
)
def test_a_number_of_one_element_is_a_number(value):
    assert number(value, "reward", "here") == 0.5


@pytest.mark.parametrize(
    "actions",
    [
        np.zeros((10, 2)),
        np.zeros((10, 2), int),
        [[0, 0]] * 10,
        torch.zeros(10, 2, dtype=torch.bfloat16, requires_grad=True),
    ],
    ids=["float64", "int", "list", "tensor"],
)
def test_actions_of_another_type_are_taken(actions):
    envs = [PointsEnv("reach-red", 3) for _ in range(2)]
    assert [each.length for each in roll(envs, Acts(actions), CHUNK)] == [3, 3]


@pytest.mark.parametrize(
    ("actions", "what"),
    [
        (np.zeros((10, 7)), r"an array of shape \(10, 7\)"),
        (np.zeros((10, 1)), r"an array of shape \(10, 1\)"),
        (np.zeros(2), r"an array of shape \(2,\)"),
        (np.zeros((1, 2)), r"an array of shape \(1, 2\)"),
        (np.zeros((10, 5, 2)), r"an array of shape \(10, 5, 2\)"),
        (None, "nothing"),
        ([[0.0], [0.0, 0.0]], "a list of 2"),
        ("left", "a str"),
    ],
)
def test_actions_of_another_shape_are_refused(actions, what):
    envs = [PointsEnv("reach-red", 3) for _ in range(2)]
    message = rf"step 1: Acts returned {what}.*expected actions of shape \(10, 2\)"
    with pytest.raises(InputError, match=message):
        roll(envs, Acts(actions), CHUNK)


@pytest.mark.parametrize(
    ("action", "what"),
    [
        (np.zeros((1, 2)), r"an array of shape \(1, 2\) and type float64"),
        ("left", "a str"),
        ([[0], [0, 1]], "a list of 2"),
    ],
)
def test_an_experts_odd_action_names_its_task(action, what):
    class Odd(PointsSuite):
        def make_expert(self, task):
            return lambda observation: action

    envs = [PointsEnv("reach-red", 3) for _ in range(2)]
    message = (
        f"step 1: The expert of 'reach-red' returned {what}; expected an action, a"
    )
    with pytest.raises(InputError, match=message):
        roll(envs, ExpertAgent().load(Odd()), CHUNK)


def test_experts_may_return_the_same_array_each_time():
    class Thrifty(PointsSuite):
        kept = np.zeros(2, np.float32)

        def make_expert(self, task):
            expert = super().make_expert(task)

            def act(observation):
                self.kept[:] = expert(observation)
                return self.kept

            return act

    envs = [PointsEnv("reach-red", 50) for _ in range(2)]
    usual, thrifty = (
        roll(envs, ExpertAgent().load(each), CHUNK) for each in (SUITE, Thrifty())
    )
    assert [each.length for each in thrifty] == [each.length for each in usual]
    assert [each.first_success_step for each in thrifty] == [
        each.first_success_step for each in usual
    ]


def test_what_an_expert_raises_names_its_task_and_the_line():
    @dataclass(frozen=True, kw_only=True)
    class Raises(PointsSuite):
        def make_expert(self, task):
            return lambda observation: observation["hand"]

    envs = [PointsEnv("reach-red", 3) for _ in range(2)]
    message = r"The expert of 'reach-red' raised KeyError: 'hand' \(test_env_contract.py, line"
    with pytest.raises(PlugInError, match=message):
        roll(envs, ExpertAgent().load(Raises()), CHUNK)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), "fast", True])
def test_rates_that_are_no_rates_are_refused(fps):
    env = PointsEnv("reach-red", 3)
    env.metadata = {"render_fps": fps}
    with pytest.raises(InputError, match="render_fps.*; give the steps per second"):
        frames_per_second(env)


@pytest.mark.parametrize("metadata", [None, {}, {"render_fps": None}])
def test_an_env_without_a_rate_has_ten_frames_a_second(metadata):
    env = PointsEnv("reach-red", 3)
    env.metadata = metadata
    assert frames_per_second(env) == env_contract.FPS == 10


def test_a_single_word_stands_for_itself():
    assert several("tasks", "reach") == ("reach",)
    assert several("tasks", ["a", "b"]) == ("a", "b")
    assert Task(name="x", instructions="Push it").instructions == ("Push it",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "tasks is 3; give a name, or several"),
        (["a", 3], "tasks contains 3; give text"),
    ],
)
def test_what_is_no_word_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        several("tasks", given)


@pytest.mark.parametrize("name", ["", " ", None, 3, "a\nb", "a\x1b[1m"])
def test_names_that_no_page_can_show_are_refused(name):
    with pytest.raises(InputError, match="The name of a task"):
        Task(name=name, instructions=("x",))


class Own(gymnasium.Env):
    """An env of somebody's own: a place that is moved to 0."""

    observation_space = spaces.Box(-9, 9, (2,), np.float64)
    action_space = spaces.Box(np.array([-3, 0]), np.array([3, 1]), dtype=np.int64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1, 2)
        return self.place, {}

    def step(self, action):
        self.action = action
        return self.place, np.array([0.5]), False, False, {"success": np.array(1.0)}


class Timed(Own):
    """Is made with a time limit of three steps."""

    def __new__(cls):
        return gymnasium.wrappers.TimeLimit(Own(), 3)


class TakesNoSeed(Own):
    def reset(self):
        return super().reset()


class Grows(Own):
    def step(self, action):
        self.place = np.append(self.place, 0.0)
        return super().step(action)


class Parts(Own):
    """Observes two parts of some lengths."""

    lengths = (1, 2)

    def __init__(self):
        sizes = dict(zip("ab", self.lengths, strict=True))
        self.observation_space = spaces.Dict(
            {name: spaces.Box(-9, 9, (size,)) for name, size in sizes.items()}
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}


class OtherParts(Parts):
    lengths = (2, 1)


class LacksPart(Parts):
    def step(self, action):
        return {"a": np.zeros(1)}, 0.0, False, False, {"success": False}


def made(env, **options):
    options = {"envs": {"x": env}, "instructions": {"x": "do it"}, **options}
    return from_gymnasium("own", horizon=6, **options)


@pytest.mark.parametrize(
    ("action", "taken"), [(0.99, [3, 1]), (0.6, [2, 1]), (0, [0, 0])]
)
def test_actions_are_rounded_to_the_integers_that_an_env_takes(action, taken):
    env = made(Own).make_env("x")
    env.reset(options={"variation": 0})
    result = env.step(np.full(2, action, np.float32))
    assert env.env.action.tolist() == taken
    assert result[1:] == (0.5, False, False, {"success": True})


def test_a_shorter_time_limit_gives_way_to_the_horizon():
    env = made(Timed).make_env("x")
    env.reset(options={"variation": 0})
    ends = [env.step(np.zeros(2, np.float32))[3] for _ in range(6)]
    assert ends == [False] * 5 + [True]


def test_resets_without_a_seed_are_refused():
    with pytest.raises(
        InputError, match="reset.. of TakesNoSeed takes no seed, as in Gym"
    ):
        made(TakesNoSeed).make_env("x")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            Grows,
            r"x, variation 4, step 1: observation 'state' is an array of shape \(3,",
        ),
        (
            LacksPart,
            "x, variation 4, step 1: the observation is a dict of a; .* has 'b'",
        ),
    ],
)
def test_an_observation_that_changes_names_task_and_step(env, message):
    env = made(env).make_env("x")
    env.reset(options={"variation": 4})
    with pytest.raises(InputError, match=message):
        env.step(np.zeros(2, np.float32))


def test_equally_long_states_of_other_parts_are_of_different_embodiments(tmp_path):
    words = {"x": "do it", "y": "do that"}
    suite = made(Parts, envs={"x": Parts, "y": OtherParts}, instructions=words)
    assert [suite.embodiment(task).name for task in "xy"] == ["own", "own.y"]
    with pytest.raises(InputError, match="'y' is of the embodiment 'own.y', 'x' of 'o"):
        robomtl.collect(
            suite, tmp_path / "data", config=robomtl.CollectionConfig(episodes=1)
        )


def test_an_env_that_takes_no_render_mode_is_made_by_its_id():
    if "Own-v0" not in gymnasium.registry:
        gymnasium.register("Own-v0", entry_point=Own)
    suite = made("Own-v0")
    assert suite.make_env("x").reset(options={"variation": 0})
    assert suite.with_camera(Camera()).make_env("x").render_mode is None


@pytest.mark.parametrize(
    ("given", "train", "held_out"),
    [
        ({"train_tasks": "reach-v3"}, ["reach-v3"], []),
        (
            {"train_tasks": ["reach-v3"], "held_out_tasks": "push-v3"},
            ["reach-v3"],
            ["push-v3"],
        ),
    ],
)
def test_one_task_of_a_suite_of_ones_own_may_be_named_alone(given, train, held_out):
    suite = robomtl.suite("metaworld/custom", **given)
    assert [task.name for task in suite.train_tasks] == train
    assert [task.name for task in suite.held_out_tasks] == held_out


def test_one_task_of_gymnasium_may_be_held_out_alone():
    words = {"swing": "Swing the pole up", "hold": "Hold it"}
    suite = made(
        Own, envs=dict.fromkeys(words, Own), instructions=words, held_out="hold"
    )
    assert suite.train_tasks[0].instructions == ("Swing the pole up",)
    assert [task.name for task in suite.held_out_tasks] == ["hold"]


class Unmakeable(PointsSuite):
    def make_env(self, task):
        raise RuntimeError("no seats")


def test_an_env_that_cannot_be_made_names_its_task_and_the_line():
    message = (
        "The env of 'reach-red' of points/.* cannot be made: RuntimeError: no seats"
        r" \(test_env_contract.py, line"
    )
    with pytest.raises(PlugInError, match=message):
        KeptEnvs(Unmakeable()).of("reach-red", 1)


class Silent(Exception):
    def __str__(self):
        raise ValueError("no text")


@dataclass(frozen=True, kw_only=True)
class Unfinished(PointsSuite):
    def make_expert(self, task):
        raise KeyError("gains")


def test_an_expert_that_cannot_be_made_names_its_task_and_the_line(tmp_path):
    message = (
        r"The expert of 'reach-\w+' of points/MT4 cannot be made: KeyError: 'gains'"
        r" \(test_env_contract.py, line \d+\)"
    )
    with pytest.raises(PlugInError, match=message):
        robomtl.evaluate(ExpertAgent(), Unfinished(), out=tmp_path / "evaluation")
    with pytest.raises(PlugInError, match=message):
        robomtl.collect(Unfinished(), tmp_path / "data")
    assert not (tmp_path / "evaluation").exists()


class WithoutExpert(PointsSuite):
    def make_expert(self, task):
        raise ValueError("nobody shows it")


def test_a_suite_without_experts_says_so_in_a_sentence(tmp_path):
    message = (
        r"cannot be made: ValueError: nobody shows it \(test_env_contract.py, line"
    )
    with pytest.raises(InputError, match=message):
        robomtl.evaluate(ExpertAgent(), WithoutExpert(), out=tmp_path / "evaluation")
    with pytest.raises(InputError, match=message):
        robomtl.collect(WithoutExpert(), tmp_path / "data")


def test_an_exception_that_cannot_be_shown_is_named():
    assert described(Silent()) == "Silent: its message cannot be shown"
