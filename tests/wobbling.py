"""Agents and suites with which evaluation is tried, light to import in workers."""

import os
import signal
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomtl.envs.points import PointsEnv, PointsSuite
from robomtl.errors import SimulationError
from robomtl.evaluation import ExpertAgent

BROKEN = 1_000_003
"""The variation with which a ``BrokenSuite`` goes unstable."""


class Wobbling:
    """Experts whose hands shake, by a generator seeded by the trial."""

    def __init__(self, agent, suite):
        self.agent = agent
        self.experts = ExpertAgent().load(suite)

    def start(self, trials, told):
        self.experts.start(trials, told)
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
    """Succeeds now and then; and may take its time, or its process down with it."""

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


class BrokenEnv(PointsEnv):
    def reset(self, *, seed=None, options=None):
        self.broken = options["variation"] == BROKEN
        return super().reset(seed=seed, options=options)

    def step(self, action):
        if self.broken and self._step == 2:
            raise SimulationError(self.task, BROKEN, 3, "it blew up")
        return super().step(action)


@dataclass(frozen=True, kw_only=True)
class BrokenSuite(PointsSuite):
    def make_env(self, task):
        return BrokenEnv(super().make_env(task).task, self.horizon)
