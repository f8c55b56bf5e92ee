"""Suite of PushT (Florence et al. 2021; Chi et al. 2023): push a T-shaped block to its goal.

gym-pusht's env is wrapped like any Gymnasium env. States have the corners of the block,
which are continuous, unlike its angle. Differences from gym-pusht:

1. Images do not show the last action, which gym-pusht draws as a cross, at the start of an
   episode that of the previous one.
2. The observation space is unbounded, as corners may exceed the bounds of gym-pusht.
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


class _Corrected(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Wrapper of gym-pusht's env with the differences of the module."""

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
        """Image of the scene from above; (height, width, 3)."""
        env: Any = self.env.unwrapped
        env._last_action = None
        return env.render()


def make(render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Makes gym-pusht's env; states are the pusher's position and the block's corners.

    Args:
        render_mode: ``rgb_array`` for images; None for none.

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
    return _Corrected(env)


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
    """Suite of PushT: push the T-shaped block to its goal, in the plane.

    Args:
        variant: Must be empty, as the suite has no variants.
        cameras: ``render`` to observe images as ``image.render``.
        size: Width and height of these images [px]; 84 by default.

    Raises:
        InputError: If a variant is given, or the camera is unknown.
    """
    return _SUITE(variant, cameras=cameras, size=size)
