"""Gymnasium envs of ManiSkill's tasks, for the interpreter in which ManiSkill is installed.

This file imports only numpy, Gymnasium, and ManiSkill with its torch. Physics runs on the
CPU, and nothing is rendered. SAPIEN requires a Vulkan device even for colours that are never
rendered, so colours are replaced by a stub.
"""

import os
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

_FPS = 20
_ACTION_SIZE = 7
# ManiSkill multiplies rotations by their lower bound, which inverts their sign.
_RIGHT_HANDED = np.array([1, 1, 1, -1, -1, -1, 1], np.float32)


class Scene(NamedTuple):
    """Names of a task's objects in ManiSkill's env."""

    moved: str
    """Name of the object to move."""
    target: str
    """Name of the object's target."""


SCENES = {
    "PickCube-v1": Scene("cube", "goal_site"),
    "StackCube-v1": Scene("cubeA", "cubeB"),
    "PushCube-v1": Scene("obj", "goal_region"),
    "PullCube-v1": Scene("obj", "goal_region"),
}

_AXES = ("x", "y", "z")
_TWO_AXES = tuple(f"{axis}_axis.{each}" for axis in "xy" for each in _AXES)
NAMES = (
    *(f"hand.{each}" for each in (*_AXES, *_TWO_AXES)),
    "finger.left",
    "finger.right",
    *(f"object.{each}" for each in (*_AXES, *_TWO_AXES)),
    *(f"hand_to_object.{each}" for each in _AXES),
    *(f"target.{each}" for each in (*_AXES, *_TWO_AXES)),
    *(f"object_to_target.{each}" for each in _AXES),
)
"""Names of the components of a state: positions [m], and axes of bodies. The positions of
both fingers are along the same axis, so that the right one's is negative."""


class _Material:
    """Stub of SAPIEN's material, which has the colours of a body."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def set_base_color(self, *_: Any) -> None: ...


def _simulator(task: str) -> Any:
    os.environ.setdefault("MS_SKIP_ASSET_DOWNLOAD_PROMPT", "1")
    import sapien

    for module in (sapien, sapien.pysapien):
        module.render.RenderMaterial = _Material
    import mani_skill.envs  # noqa: F401

    return gymnasium.make(
        task,
        obs_mode="none",
        reward_mode="none",
        control_mode="pd_ee_delta_pose",
        sim_backend="physx_cpu",
        render_backend="none",
        num_envs=1,
    ).unwrapped


def _pose(thing: Any) -> Any:
    """Position, x axis and y axis of an actor or a link; (9,)."""
    x, y, z = thing.pose.p[0].tolist()
    w, i, j, k = thing.pose.q[0].tolist()
    return np.array(
        [
            *(x, y, z),
            *(1 - 2 * (j * j + k * k), 2 * (i * j + k * w), 2 * (i * k - j * w)),
            *(2 * (i * j - k * w), 1 - 2 * (i * i + k * k), 2 * (j * k + i * w)),
        ]
    )


class ManiSkillEnv(gymnasium.Env[dict[str, Any], Any]):
    """Env of a task, whose episodes depend only on the variation.

    Args:
        task: Name of the task in ManiSkill.
        horizon: Number of steps after which an episode is truncated.
    """

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": _FPS}
    render_mode = None

    def __init__(self, task: str, horizon: int) -> None:
        self.task, self.horizon = task, horizon
        self.simulator = _simulator(task)
        self._scene = SCENES[task]
        state = gymnasium.spaces.Box(-np.inf, np.inf, (len(NAMES),), np.float32)
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Dict(
            {"state": state}
        )
        self.action_space: gymnasium.Space[Any] = gymnasium.spaces.Box(
            -1, 1, (_ACTION_SIZE,), np.float32
        )
        self._steps = horizon

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts the episode of ``options["variation"]``, in a newly built scene.

        In a scene that is only reset, PhysX keeps contacts of earlier episodes.
        """
        variation = int((options or {})["variation"])
        info = self.simulator.reset(seed=variation, options={"reconfigure": True})[1]
        self._steps = 0
        return self._observation(), {"success": bool(info["success"][0])}

    def step(
        self, action: Any
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes a step; actions are clipped to [-1, 1].

        Raises:
            ResetNeeded: If no episode is running.
        """
        if self._steps >= self.horizon:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        info = self.simulator.step(_RIGHT_HANDED * np.clip(action, -1, 1))[4]
        self._steps += 1
        success = bool(info["success"][0])
        truncated = self._steps == self.horizon
        return (
            self._observation(),
            float(success),
            False,
            truncated,
            {"success": success},
        )

    def close(self) -> None:
        """Closes ManiSkill's env."""
        self.simulator.close()

    def _observation(self) -> dict[str, Any]:
        env, scene = self.simulator, self._scene
        hand = _pose(env.agent.tcp)
        moved, target = (
            _pose(getattr(env, scene.moved)),
            _pose(getattr(env, scene.target)),
        )
        left, right = env.agent.robot.get_qpos()[0, -2:].tolist()
        state = [
            hand,
            [left, -right],
            moved,
            moved[:3] - hand[:3],
            target,
            target[:3] - moved[:3],
        ]
        return {"state": np.concatenate(state).astype(np.float32)}


def make(task: str, horizon: int = 100) -> ManiSkillEnv:
    """Makes an env of a task."""
    return ManiSkillEnv(task, horizon)
