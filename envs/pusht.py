"""PushT (Florence et al. 2021; Chi et al. 2023): a T-shaped block is pushed onto its place.

gym-pusht's env is read as any Gymnasium env. Of its kinds of observation, states hold the
corners of the block, which have no jump where an angle has one. What differs from it:

1. Pictures do not show the last action, which gym-pusht draws as a cross, at the start of
   an episode that of the one before.
2. The observation space has no bounds, for corners come to lie beyond those of gym-pusht.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np

from robomtl.envs.pusht_expert import push
from robomtl.extras import library
from robomtl.gymnasium_factory import from_gymnasium
from robomtl.gymnasium_suite import GymnasiumSuite
from robomtl.task import Task
from robomtl.versions import installed_versions

HORIZON = 300
"""Number of steps of an episode, as in all published results."""

TASK = Task(
    name="push-t",
    instructions=(
        "push the T onto its place",
        "push the T-shaped block to the green outline",
        "move the block until it covers the green T",
        "bring the T to the target by pushing it",
        "slide and turn the block so that it lies on the green shape",
        "shove the grey T over the green one",
        "the T should lie exactly on its target",
        "use the round pusher to bring the block to the goal",
        "push the block around until it fits the outline",
        "align the T with the green area",
        "please push the T to where it belongs",
        "the block has to be pushed onto the green T",
    ),
    held_out_instructions=(
        "cover the green region with the T",
        "steer the tee into its slot",
        "nudge the grey piece until both shapes coincide",
        "get the T to match the goal pose",
    ),
)


class _Mended(gymnasium.Wrapper[Any, Any, Any, Any]):
    """PushT with the changes of the module."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        inside: Any = env.observation_space
        self.observation_space = gymnasium.spaces.Dict(
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, part.shape, part.dtype)
                for name, part in inside.spaces.items()
            }
        )

    def render(self) -> Any:
        """A picture of the scene from above; (height, width, 3)."""
        env: Any = self.env.unwrapped
        env._last_action = None
        return env.render()


def make(render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """The env of gym-pusht, whose states are the pusher's position and the block's corners.

    Args:
        render_mode: ``rgb_array`` for pictures; None for none.

    Raises:
        MissingExtraError: If the extra ``pusht`` is missing.
    """
    need = "The suite pusht needs gym-pusht"
    upstream = library("gym_pusht.envs.pusht", extra="pusht", need=need)
    size = 384
    env = upstream.PushTEnv(
        obs_type="environment_state_agent_pos",
        render_mode=render_mode,
        visualization_width=size,
        visualization_height=size,
    )
    return _Mended(env)


_READ = from_gymnasium(
    "pusht",
    envs={TASK.name: make},
    instructions={TASK.name: TASK.instructions},
    horizon=HORIZON,
    success="is_success",
    experts={TASK.name: push},
)
_SUITE = replace(
    _READ,
    train_tasks=(TASK,),
    versions=installed_versions("gym-pusht", "pymunk"),
)


def pusht(
    variant: str = "", *, cameras: str | Sequence[str] = (), size: int | None = None
) -> GymnasiumSuite:
    """Push the T-shaped block onto its place, in the plane.

    Args:
        variant: None.
        cameras: ``render`` for observations that hold pictures, as ``image.render``.
        size: Width and height of these pictures, 84 unless given [px].

    Raises:
        InputError: If there is a variant, or no such camera.
    """
    return _SUITE(variant, cameras=cameras, size=size)
