"""The request for a collection of demonstrations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from robomtl.demonstrations.layout import Video
from robomtl.errors import InputError
from robomtl.ranges import check_seed, check_types, settings


@settings
@dataclass(frozen=True, kw_only=True)
class CollectionConfig:
    """Settings of a collection; see ``robomtl.collect``."""

    tasks: Sequence[str] | None = None
    """Names of the tasks, in the order of the data set; None for the suite's training
    tasks."""
    split: str = "train"
    """Split of the suite from which variations are taken, in order."""
    first: int = 0
    """Index in the split of the first variation that is used."""
    episodes: int = 50
    """Number of successful episodes of each task, or of episodes that a policy tries."""
    noise: float = 0.5
    """Largest standard deviation of the noise that is added to executed actions, not to
    recorded ones, from 0 to 1; each episode draws its own standard deviation. Action
    components that the suite leaves undisturbed get no noise."""
    seed: int = 0
    """Seed of the noise."""
    settle: int = 5
    """Number of steps recorded after the first successful one, so that a policy learns to
    stay at the goal."""
    video: Video | None = None
    """Encoding of images: ``h264`` is lossy and smaller, ``lossless`` is exact; None means
    lossless if the options of the suite name cameras, else ``h264``."""

    def __post_init__(self) -> None:
        """Checks the numbers and the tasks.

        Raises:
            InputError: If a number is out of range, or a task missing or named twice.
        """
        check_types(self)
        check_seed(self.seed)
        self._check_least(episodes=1, settle=0, first=0)
        if not (math.isfinite(self.noise) and 0 <= self.noise <= 1):
            raise InputError(f"noise is {self.noise:g}; give a number from 0 to 1.")
        if self.tasks is not None:
            self._check_tasks(names := tuple(self.tasks))
            object.__setattr__(self, "tasks", names)

    def _check_least(self, **least_of: int) -> None:
        for name, least in least_of.items():
            value = getattr(self, name)
            if value < least:
                raise InputError(f"{name} is {value}; give at least {least}.")

    def _check_tasks(self, names: tuple[str, ...]) -> None:
        if not names:
            raise InputError("tasks is empty; name at least 1.")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"Task '{twice[0]}' is named twice; name it once.")
