"""Base class of MuJoCo envs that render images."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np

from robomtl.camera import Picture
from robomtl.envs.mujoco_alterations import Alterations
from robomtl.errors import InputError
from robomtl.features import STATE
from robomtl.pictures import PROPRIOCEPTION
from robomtl.task import Action, Observation


class Eye(Protocol):
    """Camera of an env."""

    paint: Callable[[Any], None] | None
    """Function that changes the scene before it is rendered; None for none."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (height, width, 3) of the images [px]."""
        ...

    def picture(self) -> Picture:
        """Image of the current state; (height, width, 3)."""
        ...

    def close(self) -> None:
        """Releases the camera's resources."""
        ...


def pictured_space(
    state: int, own: int, observed: Mapping[str, Eye]
) -> gymnasium.Space[Any]:
    """Observation space of a state and, with images, ``proprioception`` and the images.

    Args:
        state: Length of the state.
        own: Length of ``proprioception``, which is observed only together with images.
        observed: Cameras of the images, by name of the feature; empty for none.
    """
    box, spaces = gymnasium.spaces.Box, dict[str, gymnasium.Space[Any]]()
    spaces[STATE] = box(-np.inf, np.inf, (state,), np.float32)
    if observed:
        spaces[PROPRIOCEPTION] = box(-np.inf, np.inf, (own,), np.float32)
    for name, eye in observed.items():
        spaces[name] = box(0, 255, eye.shape, np.uint8)
    return gymnasium.spaces.Dict(spaces)


class PicturedEnv(gymnasium.Env[Observation, Action]):
    """Env with a camera for ``render``, and others for its observations."""

    task: str
    """Name of the task, for messages."""
    eye: Eye | None
    """Camera of ``render``; None for none."""
    observed: Mapping[str, Eye]
    """Cameras of the observed images, by name of the feature."""

    def render(self) -> Picture:
        """Image of the current state; (height, width, 3).

        Raises:
            InputError: If the env has no camera.
            ImportError: If no OpenGL library works on this machine.
        """
        if self.eye is None:
            raise InputError(
                f"{self.task} has no camera; make the env with"
                " suite.with_camera(robomtl.Camera()) to render."
            )
        return self.eye.picture()

    def pictures(self) -> Observation:
        """Images of the current observation, by name of the feature."""
        return {name: eye.picture() for name, eye in self.observed.items()}

    alterations: Alterations | None = None
    """Alterations of the model; None if the env has none, or overrides ``alter``."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Undoes the changes of a shift, and begins an episode."""
        self.repaint(None)
        if self.alterations is not None:
            self.alterations.restore()
        return super().reset(seed=seed, options=options)

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes MuJoCo's model for the episode that has just begun; see ``Alterable``."""
        assert self.alterations is not None
        self.alterations.alter(change)

    def repaint(self, change: Callable[[Any], None] | None) -> None:
        """Changes the images of the episode that has just begun; see ``Repaintable``."""
        for eye in (*self.observed.values(), *filter(None, [self.eye])):
            eye.paint = change

    def close(self) -> None:
        """Closes the cameras and the env."""
        for eye in (*self.observed.values(), *filter(None, [self.eye])):
            eye.close()
        super().close()
