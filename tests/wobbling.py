"""Agents and suites for tests of evaluation, which import quickly in workers."""

import os
import signal
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import MissingExtraError, SimulationError
from robomtl.evaluation import ExpertAgent
from robomtl.execution.executor import Failure

BROKEN = 1_000_003
"""The variation with which a ``BrokenSuite`` goes unstable."""


class Wobbling:
    """Agent of experts with noise from a generator seeded by the trial."""

    def __init__(self, agent, suite):
        self.agent = agent
        self.experts = ExpertAgent().load(suite)

    def start(self, trials, task_infos):
        self.experts.start(trials, task_infos)
        seeds = [zlib.crc32(repr(trial).encode()) for trial in trials]
        self.generators = [np.random.default_rng(seed) for seed in seeds]
        self.agent.happen(trials[0])

    def __call__(self, observations, running):
        time.sleep(self.agent.pause)
        actions = self.experts(observations, running)
        size = actions.shape[1]
        noise = [generator.normal(0, 0.9, size) for generator in self.generators]
        return np.clip(actions + np.array(noise, np.float32), -1, 1)


@dataclass(frozen=True, kw_only=True)
class WobblingAgent(ExpertAgent):
    """An agent that succeeds at random, and may be slow or kill its process."""

    pause: float = 0.0
    deadly: Path | None = None
    deaths: int = 1

    @property
    def fingerprint(self):
        return "wobbling"

    def happen(self, trial):
        if self.deadly is None or (trial.task, trial.variation) != (
            "reach-blue",
            1_000_010,
        ):
            return
        with self.deadly.open("a") as file:
            file.write("x")
        if len(self.deadly.read_text()) <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)

    def load(self, suite):
        return Wobbling(self, suite)


class WordyAgent(WobblingAgent):
    """An agent that needs wordings whose embeddings are not shipped."""

    def load(self, suite):
        raise MissingExtraError(
            "Not shipped. To embed it: pip install 'robomtl[language]'"
        )


class BitsEnv(PointsEnv):
    """An env whose success depends on every bit of an action."""

    def step(self, action):
        *seen, info = super().step(action)
        return *seen, {**info, "success": zlib.crc32(action.tobytes()) % 7 == 0}


@dataclass(frozen=True, kw_only=True)
class BitsSuite(PointsSuite):
    def make_env(self, task):
        return BitsEnv(super().make_env(task).task, self.horizon)


class BrokenEnv(PointsEnv):
    how = "unstable"

    def reset(self, *, seed=None, options=None):
        self.broken = options["variation"] == BROKEN
        return super().reset(seed=seed, options=options)

    def step(self, action):
        if self.broken and self._step == 2:
            if self.how == "death":
                os.kill(os.getpid(), signal.SIGKILL)
            raise {
                "unstable": SimulationError(self.task, BROKEN, 3, "it blew up"),
                "bug": ZeroDivisionError("BADQACC"),
                "memory": MemoryError(),
                "exit": SystemExit(3),
                "panic": Panic("rust"),
            }[self.how]
        return super().step(action)


class Panic(BaseException):
    """Error like a panic in a Rust extension, which is not an ``Exception``."""


@dataclass(frozen=True, kw_only=True)
class BrokenSuite(PointsSuite):
    how: str = "unstable"

    def make_env(self, task):
        env = BrokenEnv(super().make_env(task).task, self.horizon)
        env.how = self.how
        return env


class ShakyExpert:
    """An expert with noise from a generator seeded by the first observation."""

    def __init__(self, expert):
        self.expert = expert
        self.generator = None
        self.pause = float(os.environ.get("SHAKY_PAUSE", 0))

    def __call__(self, observation):
        if self.generator is None:
            self.generator = np.random.default_rng(
                zlib.crc32(observation["state"].tobytes())
            )
        time.sleep(self.pause)
        noise = self.generator.normal(0, 0.9, 2).astype(np.float32)
        return np.clip(self.expert(observation) + noise, -1, 1)


@dataclass(frozen=True, kw_only=True)
class ShakySuite(PointsSuite):
    """The suite points with experts that succeed at random, and may be slow."""

    @property
    def name(self):
        return f"shaky/{self.variant}"

    def make_expert(self, task):
        return ShakyExpert(super().make_expert(task))


def shaky(variant, **options):
    """Factory that the entry point of ``installed`` names."""
    return ShakySuite(variant=variant, **options)


def installed(folder):
    """Environment variables with which `robomtl` knows the suite shaky/MT6."""
    info = folder / "shaky-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: shaky\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[robomtl.envs]\nshaky = wobbling:shaky\n")
    return {**os.environ, "PYTHONPATH": python_path(folder)}


def python_path(*folders):
    """PYTHONPATH for child processes: these folders, the tests, and the current value."""
    before = os.environ.get("PYTHONPATH")
    paths = [
        *map(str, folders),
        str(Path(__file__).parent),
        *([before] if before else []),
    ]
    return os.pathsep.join(paths)


class StuckEnv(PointsEnv):
    """An env that hangs in a variation, the first few times."""

    notes: Path
    times: int

    def reset(self, *, seed=None, options=None):
        if (self.task, options["variation"]) == ("reach-blue", BROKEN):
            with self.notes.open("a") as file:
                file.write("x")
            if len(self.notes.read_text()) <= self.times:
                time.sleep(600)
        return super().reset(seed=seed, options=options)


@dataclass(frozen=True, kw_only=True)
class StuckSuite(PointsSuite):
    notes: Path
    times: int

    def make_env(self, task):
        env = StuckEnv(super().make_env(task).task, self.horizon)
        env.notes, env.times = self.notes, self.times
        return env


class DrawingEnv(PointsEnv):
    """An env that draws from a generator shared by all envs of a process."""

    def step(self, action):
        np.random.random()
        return super().step(action)


class DrawingSuite(PointsSuite):
    def make_env(self, task):
        return DrawingEnv(task, self.horizon)


@dataclass(frozen=True, kw_only=True)
class Here:
    """An executor in this process, which may lose items or stop after some."""

    lost: int = -1
    stop: int = 1000
    workers: int = 1

    def map(self, work, items, kind=type):
        for index, item in enumerate(items):
            if index == self.stop:
                raise KeyboardInterrupt
            yield index, Failure("it died") if index == self.lost else work(item)
