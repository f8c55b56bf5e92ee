import dataclasses
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pytest

from robomtl.checking.checking import check_suite as check
from robomtl.checking.violations import Problem
from robomtl.envs.points import PointsSuite, points
from robomtl.envs.points_env import PointsEnv
from robomtl.envs.points_expert import PointsExpert
from robomtl.task import Task

pytestmark = pytest.mark.usefixtures("forked_workers")


@dataclass(frozen=True, kw_only=True)
class EnvSuite(PointsSuite):
    """Points, played in another env class."""

    env: Callable[[str, int], gymnasium.Env] = PointsEnv

    def make_env(self, task):
        return self.env(super().make_env(task).task, self.horizon)


class Endless(PointsEnv):
    def step(self, action):
        self._step = 0
        return super().step(action)


class Terminates(PointsEnv):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, info["success"], truncated, info


class ResetsItself(PointsEnv):
    def step(self, action):
        *result, truncated, info = super().step(action)
        if truncated:
            self.reset(options={"variation": 0})
        return *result, truncated, info


class SuccessAsFloat(PointsEnv):
    def step(self, action):
        *result, info = super().step(action)
        return *result, {"success": float(info["success"])}


class NoSuccessAtReset(PointsEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed, options=options)[0], {}


class NanReward(PointsEnv):
    def step(self, action):
        observation, _, *result = super().step(action)
        return observation, np.nan, *result


class WritesIntoAction(PointsEnv):
    def step(self, action):
        result = super().step(action)
        action *= 0.5
        return result


class OneObservation(PointsEnv):
    def reset(self, *, seed=None, options=None):
        self._kept, info = super().reset(seed=seed, options=options)
        return self._kept, info

    def step(self, action):
        observation, *result = super().step(action)
        self._kept["state"][:] = observation["state"]
        return self._kept, *result


class Double(PointsEnv):
    def _observation(self, places):
        return {"state": places.ravel()}


class NotFinite(PointsEnv):
    def _observation(self, places):
        return {"state": np.full(12, np.nan, np.float32)}


class BeyondItsSpace(PointsEnv):
    def _observation(self, places):
        return {"state": np.full(12, 2, np.float32)}


class AsList(PointsEnv):
    def _observation(self, places):
        return {"state": places.ravel().tolist()}


class Bare(PointsEnv):
    def _observation(self, places):
        return places.ravel().astype(np.float32)


class SeedMatters(PointsEnv):
    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed, options=options)
        observation["state"][0] = self.np_random.uniform()
        return observation, info


class Drifts(PointsEnv):
    """Remembers how often it was stepped."""

    steps = 0

    def step(self, action):
        self.steps += 1
        observation, reward, *result = super().step(action)
        return observation, reward + self.steps, *result


class NewEnvMatters(PointsEnv):
    count = 0

    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        NewEnvMatters.count += 1
        self.offset = 1e-3 * NewEnvMatters.count

    def _observation(self, places):
        return super()._observation(np.clip(places + self.offset, -1, 1))


class AlwaysTheSame(PointsEnv):
    def reset(self, *, seed=None, options=None):
        known = (options or {}).get("variation", 0) >= 0
        return super().reset(seed=seed, options={"variation": 0 if known else -1})


class AnyVariation(PointsEnv):
    def reset(self, *, seed=None, options=None):
        variation = max(0, options["variation"])
        return super().reset(seed=seed, options={"variation": variation})


class KeyErrorForVariation(PointsEnv):
    def reset(self, *, seed=None, options=None):
        if options["variation"] < 0:
            raise KeyError(options["variation"])
        return super().reset(seed=seed, options=options)


class WideActions(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        self.action_space = gymnasium.spaces.Box(-2, 2, (2,), np.float32)


class NoState(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        self.observation_space = gymnasium.spaces.Dict(
            {"position": gymnasium.spaces.Box(-1, 1, (12,), np.float32)}
        )


class DoubleSpace(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        self.observation_space = gymnasium.spaces.Dict(
            {"state": gymnasium.spaces.Box(-1, 1, (12,), np.float64)}
        )


class BareSpace(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        self.observation_space = gymnasium.spaces.Box(-1, 1, (12,), np.float32)


class AnotherSize(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        if task == "reach-blue":
            self.action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


class Crashes(PointsEnv):
    def step(self, action):
        raise ZeroDivisionError("the arm is gone")


class Hangs(PointsEnv):
    def step(self, action):
        time.sleep(60)


class HangsInLibrary(PointsEnv):
    """Waits where no Python code can be interrupted."""

    def step(self, action):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(60)


class RaisesAtClose(PointsEnv):
    def close(self):
        raise ZeroDivisionError("closed twice")


class Exits(PointsEnv):
    def step(self, action):
        sys.exit("no licence")


class EndsItsProcess(PointsEnv):
    def step(self, action):
        os._exit(7)


class Prints(PointsEnv):
    def step(self, action):
        print("step", action)
        return super().step(action)


class PrintsAtReset(PointsEnv):
    def reset(self, *, seed=None, options=None):
        print("a new episode")
        return super().reset(seed=seed, options=options)


class Grows(PointsEnv):
    """Observes more from its seventh step on."""

    def _observation(self, places):
        more = np.zeros(2 * (self._step > 6), np.float32)
        return {"state": np.append(places.ravel().astype(np.float32), more)}


class Unclipped(PointsEnv):
    def step(self, action):
        observation, *result = super().step(np.clip(action / 3, -1, 1))
        return observation, *result


class TooLong(PointsEnv):
    def __init__(self, task, horizon):
        super().__init__(task, horizon + 5)


class SaltedStart(PointsEnv):
    """Takes its start from ``hash``, which differs between processes."""

    def reset(self, *, seed=None, options=None):
        if options["variation"] < 0:
            raise ValueError("unknown")
        salt = hash(f"{self.task} {options['variation']}") % 1_000_000
        return super().reset(seed=seed, options={"variation": salt})


@dataclass(frozen=True, kw_only=True)
class Renamed(PointsSuite):
    """Points of a family that is not registered, with tasks of one's own."""

    tasks: tuple[Task, ...] = ()
    family: tuple[str, ...] = ()

    @property
    def name(self):
        return "own"

    @property
    def families(self):
        return {"reds": self.family} if self.family else {}

    @property
    def train_tasks(self):
        return self.tasks


@dataclass(frozen=True, kw_only=True)
class Overlapping(PointsSuite):
    train: tuple[int, ...] = (0, 1)
    fresh: tuple[int, ...] = (1, 2)

    def variations(self, task, split):
        super().variations(task, split)
        return self.train if split == "train" else self.fresh


class GoalBeyondState(PointsSuite):
    @property
    def goal(self):
        return slice(10, 14)


class ForgetsOptions(PointsSuite):
    @property
    def options(self):
        return {}


class ArrayOptions(PointsSuite):
    @property
    def options(self):
        return {"horizon": np.arange(3)}


class WrongOptions(PointsSuite):
    @property
    def options(self):
        return {"horizont": 50}


class AnyTask(PointsSuite):
    def make_env(self, task):
        return PointsEnv("reach-red", self.horizon)


class KeyErrorForTask(PointsSuite):
    def make_expert(self, task):
        return {"reach-red": PointsExpert("reach-red")}[task]


class NoExpert(PointsSuite):
    def make_expert(self, task):
        raise ValueError("There is no demonstrator.")


class LazyExpert(PointsSuite):
    def make_expert(self, task):
        super().make_expert(task)
        return lambda observation: np.zeros(2, np.float32)


class WildExpert(PointsSuite):
    def make_expert(self, task):
        super().make_expert(task)
        return lambda observation: np.full(2, 5, np.float32)


@dataclass(frozen=True, kw_only=True)
class TwoGoals(PointsSuite):
    """Claims of each split that its variations have two goals in turn."""

    def goal_numbers(self, task, split):
        return self.variations(task, split)[:2]

    def goal_number(self, task, variation):
        return variation // 1_000_000 * 1_000_000 + variation % 2

    def variations_of_goal(self, task, goal):
        return range(goal, goal // 1_000_000 * 1_000_000 + 1_000_000, 2)


class GoalsInBlocks(TwoGoals):
    def goal_number(self, task, variation):
        return variation // 1_000_000 * 1_000_000


class GoalsOfOthers(TwoGoals):
    def variations_of_goal(self, task, goal):
        return range(goal, goal + 2)


class GoalsWithOneStart(TwoGoals):
    def make_env(self, task):
        return AlwaysTheSame(super().make_env(task).task, self.horizon)


def problems(suite, **selection):
    return "\n".join(map(str, check(suite, **selection)))


@pytest.mark.parametrize("variant", ["MT6", "ML4"])
def test_points_keep_the_contract(variant):
    assert check(points(variant)) == []


def test_a_suite_without_experts_keeps_the_contract():
    assert check(NoExpert(variant="reach-red")) == []


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (Endless, "No episode end within 10000 steps; truncate at a horizon"),
        (Terminates, "With the expert: At step .*, the env terminated; an episode"),
        (ResetsItself, "A step after the truncation began another episode"),
        (SuccessAsFloat, r"At step 1, info\['success'\] is a float; expected a bool"),
        (NoSuccessAtReset, "At reset, info has no 'success'; report it at reset"),
        (NanReward, "At step 1, the reward is nan; expected a finite number"),
        (WritesIntoAction, "the env changed the caller's action array; copy it first"),
        (OneObservation, "changed an earlier observation; return new arrays"),
        (Double, "'state' is float64 of shape .*expected float32 of shape"),
        (NotFinite, "'state' contains a number that is not finite"),
        (
            BeyondItsSpace,
            "'state' lies outside its space in 12 of 12 components: 2 at .0., where -1 to 1 is",
        ),
        (AsList, "'state' is a list; expected a numpy array"),
        (Bare, r"the observation is \[.*; expected a dict of \['state'\]"),
        (SeedMatters, "starts differently when reset again with another seed"),
        (
            Drifts,
            "goes differently under .* another seed and after another variation and in a new env",
        ),
        (NewEnvMatters, "starts differently in a new env"),
        (AlwaysTheSame, "The variations 1000000, .* are all the same"),
        (AnyVariation, "variation -1, which no split has, was accepted; expected a V"),
        (KeyErrorForVariation, "which no split has, raised KeyError: -1; expected a"),
        (WideActions, r"The action space is Box\(-2.*; expected Box\(-1, 1, \(n,\)"),
        (NoState, "The goal lies at .*, but 'state' has 0"),
        (DoubleSpace, "The space of 'state' is Box.*float64.; expected a float32 Box"),
        (BareSpace, "The observation space is Box.*; expected a Dict of features"),
        (Exits, r"sys.exit.. was called: SystemExit: no licence .test_check.py, line"),
        (Prints, r"step prints 'step \[.*' to standard output, which is for results"),
        (PrintsAtReset, "reset prints 'a new episode' to standard output"),
        (Grows, r"At step 7, 'state' is float32 of shape \(14,\); expected float32"),
        (Unclipped, "An action of 3 in each component has another effect than one of"),
        (TooLong, "The episode lasted 55 steps, but the suite's horizon is 50; trun"),
        (Crashes, r"check 'episode' met a ZeroDivisionError: the arm is gone \(test_"),
        (RaisesAtClose, r"check '.*' met a ZeroDivisionError: closed twice \(test_"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_env_is_found_and_told(env, sentence):
    suite = EnvSuite(variant="reach-red", env=env)
    assert re.search(sentence, problems(suite), re.DOTALL)


class Single(PointsEnv):
    """Cannot be made while another one of its process is open."""

    opened = 0

    def __init__(self, task, horizon):
        super().__init__(task, horizon)
        assert not Single.opened
        Single.opened += 1

    def close(self):
        Single.opened -= 1


@dataclass(frozen=True, kw_only=True)
class Counted(EnvSuite):
    """Notes each env that is made, which takes a simulator seconds."""

    notes: Path
    one_env_per_process: bool = False

    def make_env(self, task):
        env = super().make_env(task)
        with self.notes.open("a") as file:
            file.write("x")
        return env


@pytest.mark.parametrize(
    ("options", "most"),
    [({}, 7), ({"env": Single, "one_env_per_process": True}, 9)],
)
def test_checks_of_a_task_share_an_env(tmp_path, options, most):
    suite = Counted(variant="reach-red", notes=tmp_path / "notes", **options)
    assert "met a" not in problems(suite)
    assert len(suite.notes.read_text()) <= most


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (
            Hangs,
            r"step did not return within 0.5 s .test_check.py, line \d+.; a call th",
        ),
        (
            HangsInLibrary,
            "A worker could not run it: made no progress for 1 s. An env",
        ),
        (
            EndsItsProcess,
            "its process ended with exit code 7. An env raises exceptions",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_env_that_hangs_or_ends_its_process_is_found_and_told(env, sentence):
    suite = EnvSuite(variant="reach-red", env=env)
    assert re.search(sentence, problems(suite, limit=0.5))
    assert check(points("reach-red")) == []


def test_a_task_of_another_size_is_found():
    suite = EnvSuite(variant="MT4", env=AnotherSize)
    assert check(suite) == [
        Problem(
            "reach-blue",
            "The env has actions of length 3, not 2; envs have the features of the task's"
            " embodiment, here 'points'. Tasks that differ need different embodiments,"
            " named by the suite's method embodiment(task).",
        )
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("spawned_workers")
def test_a_start_that_differs_between_processes_is_found():
    suite = EnvSuite(variant="reach-red", env=SaltedStart)
    assert re.fullmatch(
        "reach-red: An episode starts differently in another process; .*",
        problems(suite),
    )


@pytest.mark.parametrize(
    ("suite", "sentence"),
    [
        (
            GoalBeyondState,
            r"The goal lies at slice\(10, 14, None\), but 'state' has 12",
        ),
        (ForgetsOptions, "builds another suite: its options differ"),
        (ArrayOptions, "The options are not plain data: .*; use numbers and strings"),
        (WrongOptions, "does not build the suite again: .*'horizont'"),
        (AnyTask, "make_env of an unknown task was accepted; expected a ValueError"),
        (KeyErrorForTask, "make_expert of an unknown task raised KeyError: .*; expect"),
        (LazyExpert, "The expert succeeded in none of the variations 0, 1, 2; expect"),
        (WildExpert, "With the expert: At step 1, the action .* lies outside Box"),
        (Overlapping, "'train' and 'fresh' share 1 variations, such as 1; they must"),
        (TwoGoals, "1000000, 1000002 share a goal number but show the goals .* and "),
        (GoalsInBlocks, "have the goals 1000000; expected 1000000, 1000001, one each"),
        (
            GoalsOfOthers,
            "The goal 1000000 of 'fresh' has the variations 1000000, 10000",
        ),
        (GoalsWithOneStart, "1000000, 1000002 share a goal and a start; variation"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_suite_is_found_and_told(suite, sentence):
    assert re.search(sentence, problems(suite(variant="reach-red", horizon=40)))


@pytest.mark.parametrize(
    ("fresh", "sentence"),
    [
        ((), "The split 'fresh' has no variation; give at least 1"),
        (("a",), "The split 'fresh' contains 'a'; expected integers"),
        ((5, 5), "The split 'fresh' has a variation twice; list each once"),
    ],
)
def test_a_broken_split_is_found_and_told(fresh, sentence):
    assert sentence in problems(Overlapping(variant="reach-red", fresh=fresh))


RED = Task(name="reach-red", instructions=("reach the red target",))
BLUE = Task(name="reach-blue", instructions=("reach the blue target",))


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ((), "There is no training task; name at least 1 in train_tasks"),
        ((RED, RED), "2 tasks have the name 'reach-red'; names are unique"),
        (
            (RED, dataclasses.replace(BLUE, instructions=("Reach the  red target",))),
            "'reach-red' and 'reach-blue' have the same instruction 'reach the red target'",
        ),
        (
            (dataclasses.replace(RED, held_out_instructions=RED.instructions),),
            "'reach-red' has the instruction 'reach the red target' twice",
        ),
        (
            (dataclasses.replace(RED, instructions=(" ",)),),
            "'reach-red' has an empty instruction; describe the task",
        ),
    ],
)
def test_broken_tasks_are_found_and_told(tasks, sentence):
    assert sentence in problems(Renamed(tasks=tasks))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ("reach-red", "reach-rod"),
            "task in the family 'reds' 'reach-rod'. Did you me",
        ),
        (("reach-red",), "The family 'reds' has the tasks reach-red; name at least 2"),
        (("reach-red", "reach-red"), "has the tasks reach-red, reach-red; name at le"),
    ],
)
def test_a_broken_family_is_found_and_told(names, sentence):
    suite = Renamed(tasks=(RED, BLUE))
    assert "family" not in problems(suite)
    assert sentence in problems(dataclasses.replace(suite, family=names))


def test_a_suite_may_say_that_its_tasks_share_wordings():
    class Sharing(Renamed):
        shared_wordings = True

    twin = dataclasses.replace(BLUE, instructions=RED.instructions)
    assert "have the same instruction" in problems(Renamed(tasks=(RED, twin)))
    assert "have the same instruction" not in problems(Sharing(tasks=(RED, twin)))


def test_a_suite_that_cannot_be_pickled_is_found():
    class Local(PointsSuite):
        pass

    sentence = "The suite cannot be pickled .*Local.*; store plain data only"
    assert re.search(sentence, problems(Local(variant="reach-red")))


@pytest.mark.usefixtures("spawned_workers")
def test_a_suite_that_workers_cannot_import_is_found(monkeypatch):
    ghost = ModuleType("ghost")
    exec(
        "from robomtl.envs.points import PointsSuite as P\nclass S(P): ...", vars(ghost)
    )
    monkeypatch.setitem(sys.modules, "ghost", ghost)
    sentence = (
        "reach-red: A worker could not run it: .* its process ended .* in a module; "
    )
    assert re.match(sentence, problems(ghost.S(variant="reach-red")))


def test_only_the_chosen_tasks_are_checked():
    suite = EnvSuite(variant="MT4", env=Crashes)
    assert {problem.task for problem in check(suite, tasks=["reach-red"])} == {
        "reach-red"
    }


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'reach-red'"):
        check(points(), tasks=["reach-rad"])
