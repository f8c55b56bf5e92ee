#!/usr/bin/env python
"""Benchmark of the overhead of a served env over the same env in this process, per step.

The simulator is trivial: it copies a state of 39 floats. One env is stepped alone, then 16
are stepped together, as in an evaluation. Times are wall times, since both processes work:
run the benchmark when cores are free.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro

from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator
from robomtl.task import Action, Env, Observation


class Still(gymnasium.Env[Observation, Action]):
    """An env whose state never changes."""

    action_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, size: int) -> None:
        box = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Dict(
            {"state": box}
        )
        self.state = np.zeros(size, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Returns the state."""
        return {"state": self.state.copy()}, {}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Returns the same state."""
        return {"state": self.state.copy()}, 0.0, False, False, {"success": False}


def make(task: str, *, size: int) -> Still:
    """Makes an env in the server process, which loads this file."""
    return Still(size)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Settings of the benchmark."""

    size: int = 39
    """Length of the state."""
    envs: int = 16
    """Number of envs that are stepped together."""
    steps: int = 5000
    """Number of timed steps."""


def stepped(envs: Sequence[Env], actions: Sequence[Action]) -> None:
    """Steps all envs one after another."""
    for env, action in zip(envs, actions, strict=True):
        env.step(action)


def announced(envs: Sequence[ServedEnv], actions: Sequence[Action]) -> None:
    """Steps all envs as one batch."""
    for env, action in zip(envs, actions, strict=True):
        env.announce(action)
    stepped(envs, actions)


def microseconds(step: Callable[[], object], config: BenchmarkConfig) -> list[float]:
    """Median and 90th percentile of the time of a call [us]."""
    times = []
    for _ in range(config.steps):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return [float(1e6 * np.percentile(times, part)) for part in (50, 90)]


def processor_time(pid: int) -> float:
    """Processor time used by a process [s]; on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(config: BenchmarkConfig) -> None:
    """Prints the overhead for one env and for several, and the load of an idle server."""
    simulator = Simulator(file=Path(__file__).absolute())
    served = [
        ServedEnv(simulator, "still", {"train": range(1)}, {"size": config.size})
        for _ in range(config.envs)
    ]
    for env in served:
        env.reset()
    actions = [np.zeros(4, np.float32) for _ in served]
    for count in (1, config.envs):
        own = [Still(config.size)] * count
        given = actions[:count]
        base, _ = microseconds(partial(stepped, own, given), config)
        median, tail = microseconds(partial(announced, served[:count], given), config)
        print(
            f"{count:3d} envs: {(median - base) / count:.1f} us an env-step above the env's"
            f" own {base / count:.1f} (90th percentile {(tail - base) / count:.1f})"
        )
    before = processor_time(simulator.process().pid)
    time.sleep(5)
    idle = (processor_time(simulator.process().pid) - before) / 5
    print(f"idle: {idle:.1%} of a core")


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
