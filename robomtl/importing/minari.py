"""Reads Minari data sets.

Verified against Minari's main branch at commit 1880118a (``dataset/minari_storage.py``,
``_storages/hdf5_storage.py``, ``serialization.py``, ``docs/content/dataset_standards.md``).
A data set is a folder with a folder ``data``, which contains:

* ``metadata.json``: numbers of episodes and steps, the format, and the spaces of
  observations and actions, each as a string of JSON.
* The episodes, in HDF5 or Arrow: ``observations``, ``actions``, ``rewards``,
  ``terminations``, ``truncations`` and ``infos`` of each.

There is one more observation than there are actions; the last one is left out here. Infos
have one more entry, too; the first one, from the reset, is left out. Images of at least 32
pixels a side are stored as JPEG, unless ``jpeg_encoding`` is false.
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
from robomtl.files.untrusted import read_json
from robomtl.importing.minari_arrow import ArrowStorage
from robomtl.importing.minari_spaces import Leaf, leaves, parse_python_json
from robomtl.importing.minari_storage import INFOS, MAIN, Hdf5Storage, Storage
from robomtl.importing.pixels import decoded
from robomtl.importing.source import (
    About,
    Column,
    Episode,
    by_short_name,
    check_length,
    in_words,
)

METADATA = "metadata.json"
_OBSERVATIONS, _ACTIONS = "observations", "actions"
_SUCCESS = ("infos/success", "infos/is_success")

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
        InputError: If the data set is damaged or contradictory, or its storage is unknown.
    """

    def __init__(self, path: Path) -> None:
        self._folder = data_folder(path)
        within = str(self._folder.relative_to(path))
        where = inside(path, f"{within}/{METADATA}")
        self._metadata = read_json(where, _Metadata)
        self._storage = self._stored(path, within)
        self._spaces: dict[str, Leaf] = {}
        for root, text in (
            (_OBSERVATIONS, self._metadata.observation_space),
            (_ACTIONS, self._metadata.action_space),
        ):
            self._spaces |= leaves(
                text, where=f"{where}: the space of {root}", root=root
            )
        self._lengths = self._listed()
        self.about = self._about()
        """Metadata of the data set."""

    def _stored(self, path: Path, within: str) -> Storage:
        kind = self._metadata.data_format
        if kind == "hdf5":
            return Hdf5Storage(inside(path, f"{within}/{MAIN}"))
        if kind in ("arrow", "parquet"):
            return ArrowStorage(self._folder, kind)
        raise InputError(
            f"{self._folder / METADATA}: the data_format is {kind[:40]}; robomtl imports"
            " hdf5, arrow and parquet."
        )

    def _listed(self) -> list[int]:
        """Number of steps of each episode."""
        lengths, metadata = self._storage.lengths(), self._metadata
        for name, count, declared in (
            ("episodes", len(lengths), metadata.total_episodes),
            ("steps", sum(lengths), metadata.total_steps),
        ):
            if count != declared:
                raise InputError(
                    f"{self._folder} has {count} {name}, {METADATA} declares {declared}."
                )
        if not lengths:
            raise InputError(f"{self._folder} has no episodes.")
        return lengths

    def _about(self) -> About:
        """Metadata from ``metadata.json`` and the first episode."""
        columns = {n: leaf.column for n, leaf in self._spaces.items() if leaf.column}
        wrong = {n: leaf.reason for n, leaf in self._spaces.items() if leaf.reason}
        for name, found in self._storage.further().items():
            if isinstance(found, Column):
                columns[name] = found
            else:
                wrong[name] = found
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
        found = {name: self._column(number, name) for name in columns}
        return Episode(in_words(self._env), found)

    def check_images(self, number: int, columns: Sequence[str]) -> None:
        """Refuses an episode whose images differ in number from its frames."""
        for name in columns:
            self._rows(number, name, self._storage.rows(number, name))

    def _column(self, number: int, name: str) -> NDArray[Any]:
        leaf = self._spaces.get(name)
        if leaf and leaf.column and leaf.encoded and self._metadata.jpeg_encoding:
            pictures = self._storage.pictures(number, name)
            kept = pictures[self._rows(number, name, len(pictures))]
            where = f"{self._folder}: episode {number}, '{name}', row"
            shape = leaf.column.shape
            return np.stack(
                [decoded(e, f"{where} {i}", shape) for i, e in enumerate(kept)]
            )
        values = self._storage.numbers(number, name)
        values = values[self._rows(number, name, len(values))]
        if leaf and leaf.column:
            expected = leaf.column.shape
            if values[0].size != np.prod(expected):
                raise InputError(
                    f"{self._folder}: episode {number}: '{name}' has the shape"
                    f" {values.shape[1:]} per frame, and {METADATA} declares {expected}."
                )
            return values.reshape(len(values), *expected)
        return values[:, None] if values.ndim == 1 else values

    def _rows(self, number: int, name: str, length: int) -> slice:
        """Slice of the rows of a column that belong to steps."""
        steps, root = self._lengths[number], name.split("/")[0]
        if length == steps + 1 and root == INFOS:
            return slice(1, None)
        more = int(root == _OBSERVATIONS or self._storage.padded)
        where = f"{self._folder}: episode {number}"
        check_length(where, name, length, steps + more)
        return slice(steps)


def data_folder(path: Path) -> Path:
    """The folder ``data`` of a data set, or the path itself if it is that folder."""
    return path / "data" if (path / "data" / METADATA).exists() else path


def _usual(columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    seen = [name for name in columns if name.split("/")[0] == _OBSERVATIONS]
    # In envs with goals, the achieved goal repeats a part of the observation.
    vectors = tuple(
        name
        for name in seen
        if columns[name].kind == "vector" and not name.endswith("/achieved_goal")
    )
    usual = {"state": vectors} if vectors else {}
    images = (name for name in seen if columns[name].kind == "image")
    usual |= by_short_name({n: n.rsplit("/", 1)[-1] for n in images}, columns)
    if _ACTIONS in columns:
        usual["action"] = (_ACTIONS,)
    if "rewards" in columns:
        usual["reward"] = ("rewards",)
    success = [name for name in _SUCCESS if name in columns][:1]
    return usual | ({"success": tuple(success)} if success else {})
