#!/usr/bin/env python
"""Benchmark of pictures per second: Meta-World's ``render()`` and robomtl's two profiles.

All three render the same scene in turns, in one process; Meta-World's is unmodified, with its
camera corner2. Times are wall times, as software rendering uses several cores. Set
``MUJOCO_GL`` to choose the renderer; the default is the one that robomtl chooses.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro
from scipy.stats import gmean

from robomtl.camera import Camera, Profile, take_picture, with_camera
from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.mujoco_opengl import find_backend


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Settings of the benchmark."""

    tasks: tuple[str, ...] = ("drawer-open-v3", "push-v3", "assembly-v3", "soccer-v3")
    """Tasks whose scenes are rendered."""
    side: int = 84
    """Width and height of pictures [px]."""
    pictures: int = 5
    """Number of pictures that are timed together."""
    rounds: int = 4
    """Number of timed rounds; the fastest is reported."""


def theirs(config: BenchmarkConfig, task: str) -> Callable[[], Any]:
    """A function that renders by Meta-World's env."""
    from metaworld.env_dict import ENV_CLS_MAP

    env = ENV_CLS_MAP[task](
        render_mode="rgb_array",
        camera_name="corner2",
        width=config.side,
        height=config.side,
    )
    start = metaworld(f"MT1/{task}", MetaWorldConfig(upstream=True)).make_env(task)
    start.reset(options={"variation": 1})
    env.model.body_pos[:] = start.simulator.env.model.body_pos
    env.model.site_pos[:] = start.simulator.env.model.site_pos
    env.set_state(start.simulator.env.data.qpos, start.simulator.env.data.qvel)
    env.render()
    viewer = env.mujoco_renderer._get_viewer("rgb_array")
    assert viewer is not None

    def draw() -> Any:
        # Otherwise it would render in the current context, which is robomtl's.
        viewer.make_context_current()
        return env.render()

    return draw


def ours(config: BenchmarkConfig, task: str, profile: Profile) -> Callable[[], Any]:
    """A function that renders by robomtl's env."""
    camera = Camera(profile=profile, width=config.side, height=config.side)
    env = with_camera(metaworld(f"MT1/{task}"), camera).make_env(task)
    env.reset(options={"variation": 1})
    return lambda: take_picture(env)


def seconds(draw: Callable[[], Any], pictures: int) -> float:
    """Time of the pictures [s]."""
    start = time.perf_counter()
    for _ in range(pictures):
        draw()
    return time.perf_counter() - start


def rates(config: BenchmarkConfig, task: str) -> list[float]:
    """Pictures per second of Meta-World's env, of ``faithful`` and of ``fast`` [1/s]."""
    draws = [
        theirs(config, task),
        ours(config, task, "faithful"),
        ours(config, task, "fast"),
    ]
    best = [np.inf] * 3
    upstream, faithful, _ = (draw() for draw in draws)  # The first loads meshes.
    assert np.array_equal(upstream[::-1, ::-1], faithful), "other scenes were drawn"
    for _ in range(config.rounds):
        times = [seconds(draw, config.pictures) for draw in draws]
        best = [min(pair) for pair in zip(best, times, strict=True)]
    return [config.pictures / value for value in best]


def main(config: BenchmarkConfig) -> None:
    """Prints a line for each task, and the geometric means."""
    os.environ.setdefault("MUJOCO_GL", find_backend())
    rows = []
    for task in config.tasks:
        rows.append(rates(config, task))
        upstream, faithful, fast = rows[-1]
        print(
            f"{task:30s} {upstream:6.1f} {faithful:6.1f} {fast:6.1f} pictures/s"
            f"  fast: {fast / upstream:.1f} x Meta-World",
            flush=True,
        )
    upstream, faithful, fast = gmean(np.array(rows))
    print(
        f"geometric mean {upstream:.1f} {faithful:.1f} {fast:.1f}:"
        f" {fast / upstream:.1f} x at {config.side} px by {os.environ['MUJOCO_GL']}"
    )


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
