"""Reads Minari data sets whose episodes lie in HDF5.

Verified against Minari's main branch at commit 1880118a (``dataset/minari_storage.py``,
``_storages/hdf5_storage.py``, ``serialization.py``, ``docs/content/dataset_standards.md``).
A data set is a folder with a folder ``data``, which holds:

* ``metadata.json``: numbers of episodes and steps, the format, and the spaces of
  observations and actions, each as JSON in a text.
* ``main_data.hdf5``: groups ``episode_N`` with ``observations``, ``actions``, ``rewards``,
  ``terminations``, ``truncations`` and ``infos``. Spaces of several parts are groups.

There is one observation more than actions, the last of which is left out here. Infos have
one entry more as well, the first of which is that of the reset. Images of 32 pixels and more
a side are stored as JPEG, unless ``jpeg_encoding`` is false.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from robomtl.demonstrations.files import inside
from robomtl.errors import InputError
from robomtl.importing import hdf5
from robomtl.importing.minari_spaces import Leaf, leaves, parse_python_json
from robomtl.importing.pixels import decoded
from robomtl.importing.source import About, Column, Episode, check_length, in_words
from robomtl.pictures import IMAGE
from robomtl.untrusted import read_json

METADATA, MAIN = "metadata.json", "main_data.hdf5"
_OBSERVATIONS, _ACTIONS, _INFOS = "observations", "actions", "infos"
_SUCCESS = ("infos/success", "infos/is_success")
_SCALARS = ("rewards", "terminations", "truncations")

_Count = Annotated[int, Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, kw_only=True)
class _Metadata:
    """The fields of ``metadata.json`` that are read."""

    total_episodes: _Count
    total_steps: _Count
    observation_space: str
    action_space: str
    data_format: str = "hdf5"
    env_spec: str | None = None
    jpeg_encoding: bool = True


class Minari:
    """Episodes of a Minari data set.

    Args:
        path: Folder of the data set, or its folder ``data``.

    Raises:
        InputError: If it is damaged or contradictory, or stored otherwise than in HDF5.
    """

    def __init__(self, path: Path) -> None:
        self._folder = data_folder(path)
        within = str(self._folder.relative_to(path))
        where = inside(path, f"{within}/{METADATA}")
        self._metadata = read_json(where, _Metadata)
        if self._metadata.data_format != "hdf5":
            raise InputError(
                f"{where}: the data_format is {self._metadata.data_format[:40]}; robomtl"
                " imports hdf5. Minari converts others: minari.load_dataset, and"
                " create_dataset_from_buffers(data_format='hdf5')."
            )
        self._file = inside(path, f"{within}/{MAIN}")
        self._spaces: dict[str, Leaf] = {}
        for root, text in (
            (_OBSERVATIONS, self._metadata.observation_space),
            (_ACTIONS, self._metadata.action_space),
        ):
            self._spaces |= leaves(
                text, where=f"{where}: the space of {root}", root=root
            )
        with hdf5.opened(self._file) as file:
            self._lengths = self._listed(file)
        self.about = self._about()
        """What the data set says besides its episodes."""

    def _listed(self, file: Any) -> list[int]:
        """Number of steps of each episode."""
        declared = self._metadata.total_episodes, self._metadata.total_steps
        count = sum(name.startswith("episode_") for name in hdf5.keys(file))
        if count != declared[0]:
            raise InputError(
                f"{self._file} holds {count} episodes, {METADATA} declares {declared[0]}."
            )
        if not count:
            raise InputError(f"{self._folder} holds no episode.")
        rewards = [hdf5.member(file, f"episode_{n}/rewards") for n in range(count)]
        lengths = [hdf5.rows(each) for each in rewards]
        if sum(lengths) != declared[1]:
            raise InputError(
                f"{self._file} holds {sum(lengths)} steps, {METADATA} declares"
                f" {declared[1]}."
            )
        return lengths

    def _about(self) -> About:
        """What ``metadata.json`` and the first episode say."""
        columns = {n: leaf.column for n, leaf in self._spaces.items() if leaf.column}
        wrong = {n: leaf.reason for n, leaf in self._spaces.items() if leaf.reason}
        with hdf5.opened(self._file) as file:
            episode = hdf5.member(file, "episode_0")
            for name, column in hdf5.columns_below(episode):
                if name in _SCALARS or name.startswith(f"{_INFOS}/"):
                    reason = hdf5.unusable(column)
                    if reason or column.ndim > 2:
                        wrong[name] = reason or f"has shape {column.shape[1:]} a frame"
                    else:
                        columns[name] = Column(
                            "vector", tuple(column.shape[1:]) or (1,)
                        )
        leaf = self._spaces.get(_ACTIONS)
        return About(
            format="Minari",
            columns=columns,
            usual=_usual(columns),
            lengths=self._lengths,
            robot=self._env,
            fps=None,
            unusable=wrong,
            filters={},
            bounds=leaf.bounds if leaf else None,
        )

    @cached_property
    def _env(self) -> str:
        """Id of the env; empty if it is not recorded."""
        if self._metadata.env_spec is None:
            return ""
        where = f"{self._folder / METADATA}: env_spec"
        found = parse_python_json(self._metadata.env_spec, where=where).get("id")
        return found if isinstance(found, str) else ""

    def read(self, number: int, columns: Sequence[str]) -> Episode:
        """The named columns of an episode; see ``Source``."""
        found = {}
        with hdf5.opened(self._file) as file:
            episode = hdf5.member(file, f"episode_{number}")
            for name in columns:
                found[name] = self._column(number, name, hdf5.member(episode, name))
        return Episode(in_words(self._env), found)

    def check_images(self, number: int, columns: Sequence[str]) -> None:
        """Refuses an episode whose images are not as many as its frames."""
        with hdf5.opened(self._file) as file:
            for name in columns:
                column = hdf5.member(file, f"episode_{number}/{name}")
                self._rows(number, name, hdf5.rows(column))

    def _column(self, number: int, name: str, column: Any) -> NDArray[Any]:
        leaf = self._spaces.get(name)
        rows = self._rows(number, name, hdf5.rows(column))
        if leaf and leaf.column and leaf.encoded and self._metadata.jpeg_encoding:
            pictures = hdf5.encoded_pictures(column)[rows]
            where, shape = f"{hdf5.at(column)}: row", leaf.column.shape
            each = [decoded(p, f"{where} {i}", shape) for i, p in enumerate(pictures)]
            return np.stack(each)
        values = hdf5.numbers(column)[rows]
        return values[:, None] if values.ndim == 1 else values

    def _rows(self, number: int, name: str, length: int) -> slice:
        """The rows of a column that belong to steps."""
        steps, root = self._lengths[number], name.split("/")[0]
        if length == steps + 1 and root == _INFOS:
            return slice(1, None)
        more = int(root == _OBSERVATIONS)
        check_length(f"{self._file}: episode_{number}", name, length, steps + more)
        return slice(steps)


def data_folder(path: Path) -> Path:
    """The folder ``data`` of a data set, or the path itself if it is that."""
    return path / "data" if (path / "data" / METADATA).exists() else path


def _usual(columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    seen = [name for name in columns if name.split("/")[0] == _OBSERVATIONS]
    # What was achieved repeats a part of what is observed, in envs with goals.
    vectors = tuple(
        name
        for name in seen
        if columns[name].kind == "vector" and not name.endswith("/achieved_goal")
    )
    usual = {"state": vectors} if vectors else {}
    for name in seen:
        if columns[name].kind == "image":
            usual[IMAGE + name.rsplit("/", 1)[-1]] = (name,)
    if _ACTIONS in columns:
        usual["action"] = (_ACTIONS,)
    if "rewards" in columns:
        usual["reward"] = ("rewards",)
    success = [name for name in _SUCCESS if name in columns][:1]
    return usual | ({"success": tuple(success)} if success else {})
