"""Small broken plug-in envs, each found by the check and described in a sentence."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import robomtl
from robomtl.checking.checking import check_suite as check
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.planning import planned
from robomtl.evaluation.work import PlayChunk
from robomtl.gymnasium_factory import from_gymnasium

pytestmark = pytest.mark.usefixtures("forked_workers")

SHARED = {"place": 0.0}


class Good(gymnasium.Env):
    """A place that is pushed towards 0."""

    observation_space = spaces.Box(-9, 9, (2,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_fps": 10}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = float(self.np_random.uniform(1, 3))
        return self.seen(), {}

    def seen(self):
        return np.array([self.place, 0.0])

    def step(self, action):
        self.place = float(np.clip(self.place + 0.5 * action[0], -9, 9))
        return self.seen(), 0.0, False, False, {"success": abs(self.place) < 0.3}


def changed(**parts):
    """A step that returns other parts; each is a value or a function of the old one."""

    class Changed(Good):
        def step(self, action):
            names = ("observation", "reward", "terminated", "truncated", "info")
            result = dict(zip(names, super().step(action), strict=True))
            for name, part in parts.items():
                result[name] = part(result[name]) if callable(part) else part
            return tuple(each for each in result.values() if each is not ...)

    return Changed


class OldReset(Good):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class NoSeed(Good):
    def reset(self):
        return super().reset()


class NoInfo(Good):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], None


class ForgetsSeed(Good):
    """Draws its start from a generator that no reset seeds."""

    generator = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        self.place = float(self.generator.uniform(1, 3))
        return self.seen(), {}


class Unmade(Good):
    def __init__(self):
        raise OSError("no display")


class OneSimulator(Good):
    """Has its place in a simulator of which a process has one."""

    @property
    def place(self):
        return SHARED["place"]

    @place.setter
    def place(self, value):
        SHARED["place"] = value


class GlobalGenerator(Good):
    def reset(self, *, seed=None, options=None):
        np.random.seed(seed)
        return super().reset(seed=seed)

    def step(self, action):
        self.place += np.random.normal(0, 0.01)
        return super().step(action)


class ResetsItself(Good):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        if info["success"]:
            return self.reset()[0], 1.0, True, False, {"success": True}
        return observation, reward, False, truncated, info


class SolvedAtOnce(Good):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"success": True}


class EndsEarly(Good):
    def reset(self, *, seed=None, options=None):
        self.left = 4
        return super().reset(seed=seed)

    def step(self, action):
        self.left -= 1
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, self.left == 0, info


class Unbounded(Good):
    action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


class AlmostUnbounded(Good):
    largest = np.finfo(np.float32).max
    action_space = spaces.Box(-largest, largest, (1,), np.float32)


class Discrete(Good):
    action_space = spaces.Discrete(3)


class NoVector(Good):
    observation_space = spaces.Sequence(spaces.Discrete(3))


class FastRate(Good):
    metadata = {"render_fps": "fast"}


class OtherRate(Good):
    metadata = {"render_fps": 25}


class LongState(Good):
    observation_space = spaces.Box(-9, 9, (3,), np.float64)

    def seen(self):
        return np.array([self.place, 0.0, 0.0])


class LongAction(Good):
    action_space = spaces.Box(-1, 1, (2,), np.float32)


def expert(observation):
    return np.clip(-2 * observation["state"][:1], -1, 1)


def suite_of(*envs, **settings):
    names = "ab"[: len(envs)]
    return from_gymnasium(
        "own",
        envs=dict(zip(names, envs, strict=True)),
        instructions={name: f"do {name}" for name in names},
        horizon=12,
        **{"experts": dict.fromkeys(names, expert), **settings},
    )


@pytest.mark.parametrize(
    ("envs", "sentence"),
    [
        ([OldReset], "expected (observation, info), as Gymnasium has it. Gym before"),
        ([NoSeed], "reset() of NoSeed takes no seed, as in Gym before 0.26"),
        ([NoInfo], "info is nothing; expected a dict"),
        ([changed(terminated=...)], "the env returned a tuple of 4; expected (observ"),
        ([changed(reward=None)], "step 1: reward is None; expected a number"),
        ([changed(info={})], "step 1: Unknown key of info 'success'"),
        ([changed(info={"success": "yes"})], "info['success'] is 'yes'; expected True"),
        ([changed(info={"success": [1, 0]})], "info['success'] is [1, 0]; expected"),
        ([changed(info={"success": np.nan})], "info['success'] is nan; expected True"),
        ([changed(truncated="no")], "truncated is 'no'; expected True or False"),
        ([changed(observation=lambda o: o[:1])], "is an array of shape (1,) and type"),
        ([changed(observation=None)], "observation 'state' is nothing; expected an"),
        ([changed(observation=lambda o: o * 9)], "lies outside its space"),
        ([ForgetsSeed], "starts differently when reset again with another seed"),
        (
            [Unmade],
            "The env cannot be made: OSError: no display (test_check_env_contra",
        ),
        (
            ["nosuch:Env-v0"],
            "The env cannot be made: ModuleNotFoundError: No module nam",
        ),
        ([lambda: None], "'<lambda>' returned nothing; expected an env, an instance"),
        ([changed(observation=lambda o: o.astype(str))], "is array(['"),
        ([OneSimulator], "while another env of the process is stepped in turn"),
        ([GlobalGenerator], "or a global random generator. Give each env its own"),
        ([ResetsItself], "The env reset itself within a step"),
        ([SolvedAtOnce], "1000004 are solved already; any agent would count"),
        ([EndsEarly], "The env itself ends its episodes after 4 steps, before the ho"),
        ([Unbounded], "expected a Box with bounds"),
        ([AlmostUnbounded], "expected a Box with bounds"),
        ([Discrete], "is Discrete(3); expected a Box with bounds"),
        ([NoVector], "'a' observes Sequence(Discrete(3), stack=False), which cannot"),
        ([FastRate], "metadata['render_fps'] is 'fast'; give the steps per second"),
        ([Good, OtherRate], "b: metadata['render_fps'] is 25, but 10 in 'a'"),
    ],
)
def test_a_broken_env_of_ones_own_is_told_in_a_sentence(envs, sentence):
    problems = [str(problem) for problem in check(suite_of(*envs))]
    assert any(sentence in problem for problem in problems), problems
    assert not any("met a" in problem for problem in problems), problems
    assert len(problems) <= 2


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (
            np.zeros(2),
            r"The expert returned an array of shape (2,) and type float64",
        ),
        ("left", "The expert returned a str; expected actions of shape (1,)"),
        (KeyError("robot"), "The expert raised an exception: KeyError: 'robot' (test_"),
        (np.array([3.0]), r"With the expert: At step 1, the action [3.] lies outside"),
    ],
)
def test_a_broken_expert_is_told_in_a_sentence(action, sentence):
    def act(observation):
        if isinstance(action, Exception):
            raise action
        return action

    suite = suite_of(Good, experts={"a": act})
    problems = [str(problem) for problem in check(suite)]
    assert any(sentence in problem for problem in problems), problems
    assert not any("met a" in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (OtherRate, "'b' has 25 steps per second, 'a' 10 steps per second; all tasks"),
        (LongState, "'b' has states of length 3, 'a' states of length 2"),
        (LongAction, "'b' has actions of length 2, 'a' actions of length 1"),
    ],
)
def test_tasks_that_fit_no_common_data_set_are_refused_before_any_is_played(
    other, sentence, tmp_path
):
    with pytest.raises(InputError, match=sentence):
        robomtl.collect(
            suite_of(Good, other),
            tmp_path / "data",
            config=robomtl.CollectionConfig(episodes=1),
        )
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize("env", [OneSimulator, GlobalGenerator])
def test_envs_that_need_a_process_each_are_played_one_at_a_time(env):
    suite = suite_of(env, one_env_per_process=True)
    alone, together = (
        [
            outcome.first_success_step
            for chunk in planned(suite, Conditions(episodes=episodes)).chunks
            for outcome in PlayChunk(ExpertAgent(), suite, "horizon")(chunk).outcomes
        ]
        for episodes in (2, 5)
    )
    assert together[:2] == alone
    assert len(set(together)) > 1
    problems = [str(problem) for problem in check(suite)]
    assert not any("process is stepped" in problem for problem in problems)


def test_the_envs_of_suites_are_made_side_by_side_unless_they_say_otherwise():
    suite = robomtl.suite("points/MT4")
    assert len(planned(suite, Conditions(episodes=20)).chunks) == 4 * 2
    own = suite_of(Good, one_env_per_process=True)
    assert len(planned(own, Conditions(episodes=20)).chunks) == 20


def test_a_suite_is_checked_and_no_name_of_one():
    with pytest.raises(InputError, match="suite is 'points/MT4'; give a Suite object"):
        check("points/MT4")


@pytest.mark.slow
@pytest.mark.usefixtures("spawned_workers")
def test_an_id_that_workers_do_not_know_is_a_problem_of_its_task(monkeypatch):
    monkeypatch.setattr(gymnasium.envs.registration, "registry", {})
    gymnasium.register("Late-v0", entry_point=Good)
    problems = [str(problem) for problem in check(suite_of("Late-v0"))]
    assert len(problems) == 1
    assert "a: No Gymnasium env 'Late-v0' is registered in" in problems[0]
