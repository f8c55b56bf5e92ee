"""Storage of the episodes of a Minari data set: the interface, and HDF5.

``main_data.hdf5`` contains a group ``episode_N`` for each episode, in which spaces of
several parts are groups.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from robomtl.importing import hdf5
from robomtl.importing.source import Column

MAIN = "main_data.hdf5"
REWARDS, INFOS = "rewards", "infos"
SCALARS = (REWARDS, "terminations", "truncations")


class Storage(Protocol):
    """The columns of each episode, by their paths in it."""

    padded: bool
    """Whether every column, like observations, has one more row than there are steps."""

    def lengths(self) -> list[int]:
        """Number of steps of each episode."""
        ...

    def further(self) -> Mapping[str, Column | str]:
        """Columns besides observations and actions, or the reason not to read them."""
        ...

    def numbers(self, number: int, name: str) -> NDArray[Any]:
        """A column of numbers of an episode."""
        ...

    def pictures(self, number: int, name: str) -> Sequence[bytes]:
        """A column of encoded images of an episode."""
        ...

    def rows(self, number: int, name: str) -> int:
        """Number of rows of a column of an episode."""
        ...


class Hdf5Storage:
    """Episodes in one HDF5 file.

    Args:
        path: The file.
    """

    padded = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def lengths(self) -> list[int]:
        """Number of steps of each episode; see ``Storage``."""
        with hdf5.opened(self._path) as file:
            count = sum(name.startswith("episode_") for name in hdf5.keys(file))
            every = (hdf5.member(file, f"episode_{n}/{REWARDS}") for n in range(count))
            return [hdf5.rows(each) for each in every]

    def further(self) -> Mapping[str, Column | str]:
        """Columns of the first episode besides its spaces; see ``Storage``."""
        found = dict[str, Column | str]()
        with hdf5.opened(self._path) as file:
            for name, column in hdf5.columns_below(hdf5.member(file, "episode_0")):
                if name not in SCALARS and not name.startswith(f"{INFOS}/"):
                    continue
                reason = hdf5.unusable(column)
                if not reason and column.ndim > 2:
                    reason = f"has shape {column.shape[1:]} per frame"
                shape = tuple(column.shape[1:])
                found[name] = reason or Column("vector", shape or (1,))
        return found

    def numbers(self, number: int, name: str) -> NDArray[Any]:
        """A column of numbers of an episode; see ``Storage``."""
        with hdf5.opened(self._path) as file:
            return hdf5.numbers(hdf5.member(file, f"episode_{number}/{name}"))

    def pictures(self, number: int, name: str) -> Sequence[bytes]:
        """A column of encoded images of an episode; see ``Storage``."""
        with hdf5.opened(self._path) as file:
            return hdf5.encoded_pictures(hdf5.member(file, f"episode_{number}/{name}"))

    def rows(self, number: int, name: str) -> int:
        """Number of rows of a column of an episode; see ``Storage``."""
        with hdf5.opened(self._path) as file:
            return hdf5.rows(hdf5.member(file, f"episode_{number}/{name}"))
