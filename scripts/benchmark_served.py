#!/usr/bin/env python
"""Time that a served env takes above the same env in this process, per env-step.

The simulator costs next to nothing: a state of 39 floats is copied. One env is stepped
alone, and then 16 are stepped together, as an evaluation does. Times are those of a clock,
since both processes take part: run it where cores are free.
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
    """Observes a state that does not change."""

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
        """The state."""
        return {"state": self.state.copy()}, {}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """The same state."""
        return {"state": self.state.copy()}, 0.0, False, False, {"success": False}


def make(task: str, *, size: int) -> Still:
    """What the server, which loads this file, makes."""
    return Still(size)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What to time."""

    size: int = 39
    """Numbers in the state."""
    envs: int = 16
    """Envs that are stepped together."""
    steps: int = 5000
    """Steps of each."""


def stepped(envs: Sequence[Env], actions: Sequence[Action]) -> None:
    """Steps all envs."""
    for env, action in zip(envs, actions, strict=True):
        env.step(action)


def announced(envs: Sequence[ServedEnv], actions: Sequence[Action]) -> None:
    """Steps all envs together."""
    for env, action in zip(envs, actions, strict=True):
        env.announce(action)
    stepped(envs, actions)


def microseconds(step: Callable[[], object], config: BenchmarkConfig) -> list[float]:
    """The median and the 90th percentile of a call [us]."""
    times = []
    for _ in range(config.steps):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return [float(1e6 * np.percentile(times, part)) for part in (50, 90)]


def processor_time(pid: int) -> float:
    """Processor time that a process has taken [s]; on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(config: BenchmarkConfig) -> None:
    """Prints a line for one env and for several, and what an idle server takes."""
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
