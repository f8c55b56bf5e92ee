"""What envs of MuJoCo's simulators have in common that draw pictures by cameras."""

from collections.abc import Mapping
from typing import Protocol

import gymnasium

from robomtl.camera import Picture
from robomtl.errors import InputError
from robomtl.task import Action, Observation


class Eye(Protocol):
    """Takes pictures of one env."""

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

    def close(self) -> None:
        """Closes the cameras and the env."""
        for eye in (*self.observed.values(), *filter(None, [self.eye])):
            eye.close()
        super().close()
