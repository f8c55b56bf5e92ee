"""What envs of MuJoCo's simulators have in common that draw pictures by cameras."""

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
    """Takes pictures of one env."""

    paint: Callable[[Any], None] | None
    """Changes the scene of a picture before it is drawn; None for nothing."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3) of its pictures [px]."""
        ...

    def picture(self) -> Picture:
        """What is seen now; (height, width, 3)."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


def pictured_space(
    state: int, own: int, observed: Mapping[str, Eye]
) -> gymnasium.Space[Any]:
    """The space of observations of a state, with pictures and ``proprioception`` or not.

    Args:
        state: Length of the state.
        own: Length of ``proprioception``, which is observed with pictures alone.
        observed: Take the pictures, by the name of their feature; empty for none.
    """
    box, spaces = gymnasium.spaces.Box, dict[str, gymnasium.Space[Any]]()
    spaces[STATE] = box(-np.inf, np.inf, (state,), np.float32)
    if observed:
        spaces[PROPRIOCEPTION] = box(-np.inf, np.inf, (own,), np.float32)
    for name, eye in observed.items():
        spaces[name] = box(0, 255, eye.shape, np.uint8)
    return gymnasium.spaces.Dict(spaces)


class PicturedEnv(gymnasium.Env[Observation, Action]):
    """An env that draws by an eye for ``render``, and by others for its observations."""

    task: str
    """Name of the task, for messages."""
    eye: Eye | None
    """Takes the pictures of ``render``; None where there are none."""
    observed: Mapping[str, Eye]
    """Take the pictures in observations, by the name of their feature."""

    def render(self) -> Picture:
        """What the eye sees now; (height, width, 3).

        Raises:
            InputError: If the env has no eye.
            ImportError: If no OpenGL library draws here.
        """
        if self.eye is None:
            raise InputError(
                f"{self.task} has no camera; make it by"
                " suite.with_camera(robomtl.Camera()) to see it."
            )
        return self.eye.picture()

    def pictures(self) -> Observation:
        """The pictures of an observation of now, by the names of their features."""
        return {name: eye.picture() for name, eye in self.observed.items()}

    alterations: Alterations | None = None
    """Alters the model; None where nothing does, or the env does it in another way."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Undoes what a shift changed, and begins an episode."""
        self.repaint(None)
        if self.alterations is not None:
            self.alterations.restore()
        return super().reset(seed=seed, options=options)

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes MuJoCo's model for the episode that was just reset; see ``Alterable``."""
        assert self.alterations is not None
        self.alterations.alter(change)

    def repaint(self, change: Callable[[Any], None] | None) -> None:
        """Changes the pictures of the episode that was just reset; see ``Repaintable``."""
        for eye in (*self.observed.values(), *filter(None, [self.eye])):
            eye.paint = change

    def close(self) -> None:
        """Closes the cameras and the env."""
        for eye in (*self.observed.values(), *filter(None, [self.eye])):
            eye.close()
        super().close()
