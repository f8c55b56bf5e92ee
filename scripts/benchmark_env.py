#!/usr/bin/env python
"""Benchmark of env steps per second: Meta-World's env, robomtl's, and physics alone.

All three replay the same expert actions in turns, on one core; times are processor times.
Physics alone is 5 ``mj_step`` and 1 ``mj_forward`` per env step, with its controls set.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
import tyro
from scipy.stats import gmean

from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.metaworld_env import MetaWorldEnv
from robomtl.task import Action


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Settings of the benchmark."""

    variant: str = "MT50"
    """Meta-World suite whose tasks are timed."""
    variation: int = 1
    """Variation of the episode."""
    steps: int = 150
    """Steps of an episode."""
    rounds: int = 5
    """Number of timed rounds; the fastest is reported."""
    dense: bool = False
    """Whether robomtl's env also computes the shaped reward, as Meta-World's does."""


def episode(config: BenchmarkConfig, task: str) -> list[Action]:
    """The expert's actions from the initial state of the variation."""
    suite = metaworld(config.variant)
    env, expert = suite.make_env(task), suite.make_expert(task)
    observation, _ = env.reset(options={"variation": config.variation})
    actions = []
    for _ in range(config.steps):
        actions.append(expert(observation))
        observation, *_ = env.step(actions[-1])
    return actions


def made(config: BenchmarkConfig, task: str, *, upstream: bool) -> MetaWorldEnv:
    """An env reset to the variation."""
    reward = "dense" if config.dense else "success"
    options = MetaWorldConfig(upstream=upstream, reward=reward)
    suite = metaworld(config.variant, options)
    env = suite.make_env(task)
    env.reset(options={"variation": config.variation})
    return env


def seconds(step: Callable[[Action], object], actions: list[Action]) -> float:
    """Processor time of the steps [s]."""
    start = time.process_time()
    for action in actions:
        step(action)
    return time.process_time() - start


def physics(env: MetaWorldEnv) -> Callable[[Action], None]:
    """A function that steps the physics of an env alone."""
    inside = env.simulator.env
    model, data = inside.model, inside.data
    mocap, low, high = data.mocap_pos[0], inside.mocap_low, inside.mocap_high

    def step(action: Action) -> None:
        mocap[:] = np.clip(mocap + action[:3] * inside.action_scale, low, high)
        data.ctrl[:] = action[3], -action[3]
        mujoco.mj_step(model, data, nstep=5)
        mujoco.mj_forward(model, data)

    return step


def rates(config: BenchmarkConfig, task: str) -> list[float]:
    """Steps per second of Meta-World's env, robomtl's and the physics [1/s]."""
    actions = episode(config, task)
    best = [np.inf] * 3
    for _ in range(config.rounds):
        theirs = made(config, task, upstream=True).simulator.env
        ours, bare = (made(config, task, upstream=False) for _ in range(2))
        steps = (theirs.step, ours.step, physics(bare))
        times = [seconds(step, actions) for step in steps]
        best = [min(pair) for pair in zip(best, times, strict=True)]
    return [len(actions) / value for value in best]


def main(config: BenchmarkConfig) -> None:
    """Prints a line for each task, and the geometric means."""
    rows = []
    for task in metaworld(config.variant).train_tasks:
        rows.append(rates(config, task.name))
        upstream, ours, bare = rows[-1]
        print(
            f"{task.name:30s} {upstream:6.0f} {ours:6.0f} {bare:6.0f} steps/s"
            f"  {ours / upstream:.2f} x Meta-World, {ours / bare:.0%} of the physics",
            flush=True,
        )
    upstream, ours, bare = gmean(np.array(rows))
    print(
        f"geometric mean {upstream:.0f} {ours:.0f} {bare:.0f}:"
        f" {ours / upstream:.2f} x, {ours / bare:.0%}"
    )


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
