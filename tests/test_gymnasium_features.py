"""Adapted Gymnasium envs: spaces, actions, success and pictures."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import Autoreset, TimeLimit
from test_cli import refusal

import robomtl
import robomtl.suites
from robomtl.camera import resized
from robomtl.checking.checking import check_suite as check
from robomtl.cli.main import main
from robomtl.demonstrations import Demonstrations
from robomtl.env_contract import EnvContract
from robomtl.errors import InputError
from robomtl.features import embodiments_of
from robomtl.gymnasium_success import Outcome

pytestmark = pytest.mark.usefixtures("forked_workers")

FRONT = np.zeros((16, 24, 3), np.uint8)
PICTURE = spaces.Box(0, 255, FRONT.shape, np.uint8)


class Mark(gymnasium.Env):
    """A place that is moved to a mark at 0; an action moves it by what it says."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, size=2, low=-1.0, high=1.0, seen=None, render_mode=None):
        self.size, self.seen, self.render_mode = size, seen, render_mode
        self.observation_space = spaces.Box(-9, 9, (size,), np.float64)
        if seen is not None:
            self.observation_space = seen[0]
        low, high = np.broadcast_arrays(low, high, np.zeros(size))[:2]
        self.action_space = spaces.Box(low, high, dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(1, 3, self.size)
        return self.observed(), {}

    def step(self, action):
        self.place = np.clip(self.place + action, -9, 9)
        reached = np.abs(self.place).max() < 0.3
        reward = -np.abs(self.place).max()
        return self.observed(), reward, False, False, {"success": np.bool_(reached)}

    def observed(self):
        return self.place.copy() if self.seen is None else self.seen[1]

    def render(self):
        return np.full((40, 60, 3), 100 + round(10 * self.place[0]), np.uint8)


class Goals(Mark):
    """Goal-conditioned, as gymnasium-robotics has it, without success in info."""

    def __init__(self):
        super().__init__()
        place = spaces.Box(-9, 9, (2,))
        names = ("achieved_goal", "desired_goal", "observation")
        self.observation_space = spaces.Dict({name: place for name in names})

    def observed(self):
        there, mark = self.place.copy(), np.zeros(2)
        return {"achieved_goal": there, "desired_goal": mark, "observation": there}

    def step(self, action):
        return *super().step(action)[:4], {}


class SameStepAutoreset(gymnasium.Wrapper):
    """Resets its env within the last step of an episode, as vector envs do."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            kept = {"final_obs": observation, "final_info": info}
            observation, info = self.env.reset()
            return observation, reward, terminated, truncated, {**info, **kept}
        return observation, reward, terminated, truncated, info


class Ends(Mark):
    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, bool(info["success"]), False, info


def limited():
    return TimeLimit(Mark(), 3)


def autoreset():
    return Autoreset(Ends())


def same_step():
    return SameStepAutoreset(Ends())


def towards(observation):
    return np.clip(-observation["state"], -1, 1).astype(np.float32)


def of(env, **options):
    return robomtl.from_gymnasium(
        "own", {"a": env}, {"a": "go to the mark"}, **{"horizon": 12, **options}
    )


def started(env, **options):
    made = of(env, **options).make_env("a")
    return made, made.reset(options={"variation": 3})[0]


NESTED = spaces.Dict(
    {
        "arm": spaces.Dict(
            {
                "angle": spaces.Box(-1, 1, (2,), np.float64),
                "stuck": spaces.MultiBinary(2),
            }
        ),
        "gripper": spaces.Discrete(3),
        "count": spaces.Box(0, 9, (1,), np.int64),
        "touched": spaces.Box(0, 1, (2,), np.bool_),
        "grid": spaces.Box(0, 5, (2, 2), np.uint8),
        "pair": spaces.Tuple([spaces.Box(-1, 1, (1,)), spaces.MultiDiscrete([2, 2])]),
        "front": PICTURE,
    }
)
VALUE = {
    "arm": {"angle": np.array([0.5, -0.5]), "stuck": np.array([1, 0], np.int8)},
    "gripper": 1,
    "count": np.array([7]),
    "touched": np.array([True, False]),
    "grid": np.array([[1, 2], [3, 4]], np.uint8),
    "pair": (np.array([0.25], np.float32), np.array([1, 0])),
    "front": np.full_like(FRONT, 9),
}


def test_nested_observations_become_a_vector_and_pictures():
    env, seen = started((Mark, {"seen": (NESTED, VALUE)}))
    parts = {
        "arm.angle": [0.5, -0.5],
        "arm.stuck": [1, 0],
        "gripper": [0, 1, 0],
        "count": [7],
        "touched": [1, 0],
        "grid": [1, 2, 3, 4],
        "pair.0": [0.25],
        "pair.1": [0, 1, 1, 0],
    }
    layout = of((Mark, {"seen": (NESTED, VALUE)}))._layout("a")
    assert {name: len(it) for name, it in parts.items()} == dict(layout.parts)
    expected = [number for name, _ in layout.parts for number in parts[name]]
    assert seen["state"].tolist() == expected
    assert seen["state"].dtype == np.float32
    assert (seen["image.front"] == 9).all()
    assert env.observation_space.contains(seen)


def test_pictures_alone_have_an_empty_state():
    env, seen = started((Mark, {"seen": (PICTURE, FRONT)}))
    assert seen["state"].tolist() == [0.0]
    assert seen["image.pixels"].shape == FRONT.shape
    env.blind = True
    assert list(env.step(np.zeros(2, np.float32))[0]) == ["state"]
    assert list(env.pictures()) == ["image.pixels"]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            spaces.Box(0, 1, (84, 84, 3)),
            r"'state', a picture of float32 and shape \(84,",
        ),
        (spaces.Box(0, 255, (3, 64, 64), np.uint8), "give uint8 of .height, width, 3."),
        (
            spaces.Box(0, 255, (64, 64), np.uint8),
            "a picture of uint8 and shape .64, 64.",
        ),
        (
            spaces.Dict({"a": spaces.Sequence(PICTURE)}),
            "cannot be flattened into a vec",
        ),
    ],
)
def test_observations_that_do_not_fit_are_refused(space, message):
    with pytest.raises(InputError, match=message):
        of((Mark, {"seen": (space, None)})).make_env("a")


@pytest.mark.parametrize(
    ("low", "high", "options", "moved"),
    [
        (-1, 1, {}, [-1, 0.5]),
        (0, 4, {}, [0, 3]),
        ([-1, -4], [3, 0], {}, [-1, -1]),
        (-np.inf, np.inf, {"action_bounds": (-2, 2)}, [-2, 1]),
        ([-1, -np.inf], [1, np.inf], {"action_bounds": (-4, 4)}, [-1, 2]),
        (-1, np.inf, {"action_bounds": (-4, 3)}, [-1, 2]),
    ],
)
def test_each_component_of_an_action_is_scaled_to_its_bounds(low, high, options, moved):
    env, before = started((Mark, {"low": low, "high": high}), **options)
    after = env.step(np.array([-1, 0.5], np.float32))[0]
    assert after["state"] - before["state"] == pytest.approx(moved, abs=1e-5)


@pytest.mark.parametrize(
    ("bounds", "options", "message"),
    [
        (
            {"low": [-1, -np.inf], "high": [1, np.inf]},
            {},
            r"the components \[1\] have none. Give action_bounds=\(low, high\)",
        ),
        (
            {"high": np.inf},
            {"action_bounds": (-2, -1)},
            "each low bound must be below its",
        ),
    ],
)
def test_actions_without_bounds_are_refused(bounds, options, message):
    with pytest.raises(InputError, match=message):
        of((Mark, bounds), **options).make_env("a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action_bounds": (1, 2, 3)}, "action_bounds is .1, 2, 3.; give .low, high."),
        ({"action_bounds": 1}, "action_bounds is 1; give .low, high., two numbers"),
        (
            {"action_bounds": ([-1, -1], [1, 1])},
            r"action_bounds is \(\[-1, -1\], \[1, 1\]\); give .low, high.",
        ),
        (
            {"sucess": "x"},
            "Unknown option of from_gymnasium 'sucess'. Did you mean 'suc",
        ),
        (
            {"one_env_per_process": "no"},
            "one_env_per_process is 'no'; give true or false",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        of(Mark, **options)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (7, "An env is given as 7; give a Gymnasium id, or a function"),
        (
            ("Env-v0", 3),
            "An env is given as .'Env-v0', 3.; give an id, a function, or a",
        ),
    ],
)
def test_what_makes_no_env_is_refused(env, message):
    with pytest.raises(InputError, match=message):
        of(env)


def nothing():
    return None


def the_class():
    return Mark


def several():
    return gymnasium.make_vec("CartPole-v1", num_envs=2)


class NoSpace(Mark):
    def __init__(self):
        super().__init__()
        self.observation_space = None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            nothing,
            "'nothing' returned nothing; expected an env, an instance of a class",
        ),
        (partial(nothing), "'nothing' returned nothing; expected an env"),
        (
            the_class,
            "'the_class' returned the class Mark; expected an env, an instance",
        ),
        (
            several,
            "'several' returned a CartPoleVectorEnv; expected an env, an instance",
        ),
        (NoSpace, "The observation_space of NoSpace is nothing; expected a space of"),
    ],
)
def test_a_function_that_returns_no_env_is_refused(env, message):
    suite = of(env)
    for use in (suite.make_env, suite.embodiment):
        with pytest.raises(InputError, match=message):
            use("a")


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (spaces.Discrete(3), 5, "is 5; expected a value of Discrete.3."),
        (spaces.Discrete(3), -1, "is -1; expected a value of Discrete.3."),
        (spaces.Discrete(3), "open", "is 'open'; expected a value of Discrete.3."),
        (
            spaces.MultiDiscrete([3, 2]),
            np.array([4, 0]),
            r"is array\(\[4, 0\]\); expected a value of MultiDiscrete",
        ),
        (
            spaces.Box(-1, 1, (2,)),
            np.array(["a", "b"]),
            r"is array\(\['a', 'b'\].*expected a value of Box",
        ),
        (
            spaces.Box(-1, 1, (2,)),
            np.array([0, 1j]),
            "is array.*expected a value of Box",
        ),
    ],
)
def test_values_outside_their_space_are_refused(space, value, message):
    seen = (spaces.Dict({"part": space}), {"part": value})
    with pytest.raises(InputError, match=f"step 0: observation 'part' {message}"):
        started((Mark, {"seen": seen}))


def test_an_empty_vector_is_left_out():
    empty = spaces.Box(-1, 1, (0,))
    alone = (empty, np.zeros(0, np.float32))
    assert started((Mark, {"seen": alone}))[1]["state"].tolist() == [0.0]
    both = spaces.Dict({"a": empty, "b": spaces.Discrete(2)})
    seen = started((Mark, {"seen": (both, {"a": alone[1], "b": 1})}))[1]
    assert seen["state"].tolist() == [0.0, 1.0]


def test_an_action_without_components_is_refused():
    suite = of((Mark, {"size": 0, "seen": (spaces.Discrete(2), 1)}))
    with pytest.raises(InputError, match=r"has the shape \(0,\); expected at least 1"):
        suite.embodiment("a")


def test_success_is_a_distance_or_a_reward():
    near = robomtl.GoalDistance(0.5)
    goals = of(Goals, success=near)
    env = goals.make_env("a")
    env.reset(options={"variation": 3})
    for _ in range(6):
        state, *_, info = env.step(-np.ones(2, np.float32))
        apart = np.linalg.norm(state["state"][:2] - state["state"][goals.goal])
        assert info["success"] == (apart <= 0.5)
    rewarded = robomtl.RewardAtLeast(-0.5)
    assert not rewarded(Outcome(None, 0.0, False, {}))
    assert rewarded(Outcome(None, -0.5, False, {}, 1))
    assert not rewarded(Outcome(None, -0.6, False, {}, 1))
    with pytest.raises(
        InputError, match="GoalDistance needs observations with 'achieved"
    ):
        near(Outcome(np.zeros(2), 0.0, False, {}))
    seen = {"achieved_goal": np.zeros(2), "desired_goal": np.zeros(1)}
    with pytest.raises(
        InputError, match=r"of one shape; they are an array of shape \(2,\) and type"
    ):
        near(Outcome(seen, 0.0, False, {}))
    with pytest.raises(InputError, match="tolerance is 0; give a distance above 0"):
        robomtl.GoalDistance(0)


@pytest.mark.parametrize("make", [limited, autoreset, same_step])
def test_wrappers_neither_cut_an_episode_nor_leak_a_new_one(make):
    suite = of(make, experts={"a": towards})
    assert check(suite) == []
    env, seen = started(make)
    ended = False
    while not ended:
        seen, _, _, ended, info = env.step(towards(seen))
    if make is not limited:
        assert info["success"] is True
        assert np.abs(seen["state"]).max() < 0.3  # Of the old episode.


def test_ids_take_keyword_arguments_and_nothing_that_was_not_given():
    def strict(size):
        return Mark(size)

    gymnasium.register("Strict-v0", entry_point=strict)
    try:
        suite = of(("Strict-v0", {"size": 5}))
        assert suite.embodiment("a").action.size == 5
        assert "Strict-v0: " in suite.definition["envs"]["a"]
        assert suite.definition["envs"]["a"].endswith("(size=5)")
    finally:
        gymnasium.registry.pop("Strict-v0")


def test_tasks_of_equal_layout_share_an_embodiment():
    sizes = {"a": 9, "b": 21, "c": 9, "d": 21}
    suite = robomtl.from_gymnasium(
        "kitchen",
        {task: (Mark, {"size": size}) for task, size in sizes.items()},
        {task: f"reach mark {task}" for task in sizes},
        horizon=12,
        held_out="d",
    )
    names = {task: suite.embodiment(task).name for task in sizes}
    assert names == {"a": "kitchen", "b": "kitchen.b", "c": "kitchen", "d": "kitchen.b"}
    states = {name: each.states for name, each in embodiments_of(suite).items()}
    assert states == {"kitchen": {"state": 9}, "kitchen.b": {"state": 21}}
    assert suite.goal is None
    assert check(suite) == []


def test_the_goal_of_each_layout_has_its_place():
    class Longer(Goals):
        def __init__(self):
            super().__init__()
            more = {**self.observation_space.spaces, "more": spaces.Discrete(3)}
            self.observation_space = spaces.Dict(more)

    suite = robomtl.from_gymnasium(
        "own", {"a": Goals, "b": Longer}, {"a": "go", "b": "go on"}, horizon=5
    )
    assert suite.goal == slice(2, 4)
    assert suite.goal_places == {"b": slice(5, 7)}


def test_a_goal_of_several_parts_has_its_place():
    place = spaces.Box(-1, 1, (2,), np.float64)
    goal = spaces.Dict({"angle": spaces.Box(-1, 1, (1,)), "place": place})
    space = spaces.Dict({"desired_goal": goal, "observation": place})
    value = {
        "desired_goal": {"angle": np.ones(1), "place": np.full(2, 0.5)},
        "observation": np.zeros(2),
    }
    suite = of((Mark, {"seen": (space, value)}))
    seen = suite.make_env("a").reset(options={"variation": 3})[0]["state"]
    assert seen[suite.goal].tolist() == [1.0, 0.5, 0.5]


class Unmade(Mark):
    def __init__(self):
        raise OSError("no display")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (Unmade, "OSError: no display (test_gymnasium_features.py, line "),
        ("nosuch:Env-v0", "ModuleNotFoundError: No module named 'nosuch'"),
        (("Pendulum-v1", {"size": 3}), "TypeError: PendulumEnv.__init__() got an unex"),
    ],
)
def test_an_env_that_cannot_be_made_is_named_by_commands(
    env, said, no_suites, tmp_path, capsys
):
    no_suites.register("own", of(env, experts={"a": towards}))
    out = ("--out", tmp_path / "data")
    message = refusal(capsys, "collect", "own", "--episodes", "1", *out)
    assert f"The env of 'a' of own cannot be made: {said}" in message


def test_rendered_pictures_are_a_feature_on_demand():
    suite = of((Mark, {}))(cameras="render", size=20)
    env = suite.make_env("a")
    seen = env.reset(options={"variation": 3})[0]
    colour = 100 + round(10 * float(seen["state"][0]))
    assert seen["image.render"].shape == (20, 20, 3)
    assert (seen["image.render"] == colour).all()
    env.blind = True
    contract = EnvContract(env, "a", 3)
    blind = contract.reset(env.reset(options={"variation": 3}))
    assert list(blind) == ["state"]
    assert (contract.pictures(env.pictures(), 0)["image.render"] == colour).all()
    assert suite.options == {"cameras": ["render"], "size": 20}
    assert suite.embodiment("a").images["image.render"].shape == (20, 20, 3)
    assert check(suite) == []


def test_an_unknown_camera_is_refused():
    with pytest.raises(
        InputError, match="Unknown camera of own 'top'. .*Known: render"
    ):
        of(Mark)(cameras="top")
    with pytest.raises(
        InputError, match="There is no suite 'own/big': the suite 'own'"
    ):
        of(Mark)("big")


def test_an_env_that_does_not_render_shows_no_pictures():
    with pytest.raises(InputError, match="The env renders no pictures"):
        of(Goals)(cameras="render").make_env("a").reset(options={"variation": 3})


def test_a_picture_keeps_its_mean_when_it_is_resized():
    drawn = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    small = resized(drawn, 10)
    assert small.shape == (10, 10, 3)
    assert small.mean() == pytest.approx(drawn.mean(), abs=2)
    assert resized(small, 10) is small


def test_rendered_pictures_are_recorded_by_the_flag_cameras(no_suites, tmp_path):
    suite = of(Mark, experts={"a": towards})
    no_suites.register("own", suite)
    words = "collect own --episodes 1 --cameras render --size 16 --workers 1 --out"
    assert main([*words.split(), str(tmp_path / "data")]) == 0
    data = Demonstrations(tmp_path / "data", observe=("state", "image.render"))
    assert data.embodiment.images["image.render"].shape == (16, 16, 3)
    assert data.suite_options == {"cameras": ["render"], "size": 16}


class Fast(Mark):
    metadata = {"render_fps": 50}


def test_embodiments_may_differ_in_their_rate():
    suite = robomtl.from_gymnasium(
        "own",
        {"a": Mark, "b": (Fast, {"size": 3})},
        {"a": "go to the mark", "b": "hurry to the mark"},
        horizon=12,
    )
    assert check(suite) == []
