"""Reads robomimic's HDF5 files, and those of LIBERO, which have the same layout.

Verified against robomimic's main branch at commit d309eae (``docs/datasets/overview.md``,
``scripts/dataset_states_to_obs.py``, ``scripts/get_dataset_info.py``) and LIBERO's
``scripts/create_dataset.py``. A file contains:

* ``data/demo_N``: an episode, with the attribute ``num_samples``; in it ``actions``,
  ``rewards``, ``dones``, ``states`` and ``obs/KEY``, one row per step.
* The attribute ``env_args`` of ``data``: JSON with ``env_name`` and ``env_kwargs``.
* ``mask/KEY``: names of the episodes of a subset.
* Task sentences: the attribute ``problem_info`` of ``data`` (LIBERO), ``ep_meta`` of an
  episode (RoboCasa), or ``env_lang`` among ``env_kwargs``; each in JSON.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from robomtl.demonstrations.files import inside
from robomtl.errors import InputError
from robomtl.files.untrusted import parse_json
from robomtl.importing import hdf5
from robomtl.importing.source import (
    COMPONENTS,
    About,
    Column,
    Episode,
    by_short_name,
    check_length,
    in_words,
)
from robomtl.nearest import unknown
from robomtl.pictures import PROPRIOCEPTION

_DEMO = re.compile(r"demo_(\d{1,9})")
_OWN = (
    ("obs/robot0_eef_pos", "obs/robot0_eef_quat", "obs/robot0_gripper_qpos"),
    ("obs/ee_states", "obs/gripper_states"),
)
"""Columns of proprioception, as robomimic and as LIBERO name them."""
_OBJECT = "obs/object"
_CAMERA = re.compile(r"_(image|rgb)$")


_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class _EnvArgs:
    """The fields of ``env_args`` that are read."""

    env_name: str = ""
    env_kwargs: Mapping[str, Any] | None = None

    @property
    def robot(self) -> str | None:
        """Name of the first robot; None if it is not recorded."""
        robots = (self.env_kwargs or {}).get("robots")
        robot = robots[0] if isinstance(robots, list) and robots else robots
        return robot if isinstance(robot, str) else None

    @property
    def fps(self) -> float | None:
        """Control steps a second; None if they are not recorded."""
        rate = (self.env_kwargs or {}).get("control_freq")
        return float(rate) if isinstance(rate, int | float) and rate > 0 else None


class _Demo(NamedTuple):
    file: Path
    name: str
    length: int
    samples: int | None
    """Length that ``num_samples`` declares; None if it is missing."""
    instruction: str


class Robomimic:
    """Episodes of one file, or of all files in a folder.

    Args:
        path: The file, or a folder of files with the same robot, rate and features.
        filter_key: Subset of ``mask`` that is read; None for all episodes.

    Raises:
        InputError: If a file has another layout, or lacks the subset, or files differ in
            their robot or rate.
    """

    def __init__(self, path: Path, filter_key: str | None = None) -> None:
        self._files = files_in(path)
        self._filters: dict[str, int] = {}
        self._envs: dict[Path, _EnvArgs] = {}
        self._demos: list[_Demo] = []
        for file in self._files:
            with hdf5.opened(file) as root:
                self._demos += self._listed(root, file, filter_key)
        if not self._demos:
            raise InputError(f"{path} has no episodes, such as data/demo_0.")
        self.about = self._about()
        """Metadata of the data set."""

    def _listed(self, root: Any, file: Path, key: str | None) -> Iterator[_Demo]:
        """The episodes of a file, in the order of their numbers."""
        data = hdf5.member(root, "data")
        args = _json(data, "env_args")
        env = parse_json(args, _EnvArgs, where=_where(data, "env_args"))
        self._envs[file] = env
        whole = _instruction(data, "problem_info", "language_instruction")
        whole = whole or _sentence((env.env_kwargs or {}).get("env_lang"))
        masks = self._masks(root)
        if key is not None and key not in masks:
            raise InputError(f"{file}: {unknown('filter key', key, masks)}")
        names = [name for name in hdf5.keys(data) if _DEMO.fullmatch(name)]
        for name in sorted(names, key=lambda each: int(each.removeprefix("demo_"))):
            if key is None or name in masks[key]:
                demo = hdf5.member(data, name)
                length = hdf5.rows(hdf5.member(demo, "actions"))
                instruction = _instruction(demo, "ep_meta", "lang") or whole
                instruction = instruction or in_words(env.env_name)
                samples = hdf5.count(demo, "num_samples")
                yield _Demo(file, name, length, samples, instruction)

    def _masks(self, root: Any) -> dict[str, set[str]]:
        if "mask" not in hdf5.keys(root):
            return {}
        masks = dict(hdf5.columns_below(hdf5.member(root, "mask")))
        found = {name: set(hdf5.names(column)) for name, column in masks.items()}
        for name, demos in found.items():
            self._filters[name] = self._filters.get(name, 0) + len(demos)
        return found

    def _about(self) -> About:
        """Metadata of the files, with the columns of the first episode."""
        columns, wrong = dict[str, Column](), dict[str, str]()
        with hdf5.opened(self._demos[0].file) as root:
            demo = hdf5.member(root, f"data/{self._demos[0].name}")
            for name, column in hdf5.columns_below(demo):
                if name.startswith("next_obs/"):
                    continue
                reason = hdf5.unusable(column) or _fault(column)
                if reason:
                    wrong[name] = reason
                else:
                    columns[name] = _column(column)
        robot = _common("robot", {file: env.robot for file, env in self._envs.items()})
        pairs = dict.fromkeys((demo.file, demo.instruction) for demo in self._demos)
        instructions = [instruction for _, instruction in pairs]
        return About(
            format="robomimic",
            columns=columns,
            usual=_usual(columns),
            lengths=[demo.length for demo in self._demos],
            robot=robot or next(iter(self._envs.values())).env_name,
            fps=_common("fps", {file: env.fps for file, env in self._envs.items()}),
            unusable=wrong,
            duplicated=[
                each for i, each in enumerate(instructions) if each in instructions[:i]
            ],
            filters=self._filters,
        )

    def read(self, number: int, columns: Sequence[str]) -> Episode:
        """The named columns of an episode; see ``Source``."""
        file, name, length, samples, instruction = self._demos[number]
        where = f"{file}: data/{name}"
        if samples is not None:
            check_length(where, "actions", length, samples)
        found = {}
        with hdf5.opened(file) as root:
            demo = hdf5.member(root, f"data/{name}")
            for column in columns:
                values = hdf5.numbers(hdf5.member(demo, column))
                check_length(where, column, len(values), length)
                found[column] = values[:, None] if values.ndim == 1 else values
        return Episode(instruction, found)

    def check_images(self, number: int, columns: Sequence[str]) -> None:
        """Refuses an episode whose images differ in number from its frames."""
        file, name, length, *_ = self._demos[number]
        with hdf5.opened(file) as root:
            for column in columns:
                rows = hdf5.rows(hdf5.member(root, f"data/{name}/{column}"))
                check_length(f"{file}: data/{name}", column, rows, length)


def files_in(path: Path) -> list[Path]:
    """The path itself if it is a file, else the HDF5 files in the folder."""
    if not path.is_dir():
        return [path]
    found = sorted(p for e in ("hdf5", "h5") for p in path.glob(f"*.{e}"))
    return [inside(path, each.name) for each in found if each.name[0] != "."]


def _common(name: str, recorded: Mapping[Path, _T | None]) -> _T | None:
    """The value that files record of a property of their env; None if none does.

    Raises:
        InputError: If files record different values, which one data set cannot have.
    """
    known = [(value, file) for file, value in recorded.items() if value is not None]
    for value, file in known[1:]:
        first, where = known[0]
        if value != first:
            raise InputError(
                f"{name} is {first} in {where} and {value} in {file}; import each file"
                " separately, and train on both data sets."
            )
    return known[0][0] if known else None


def _usual(columns: Mapping[str, Column]) -> dict[str, tuple[str, ...]]:
    vectors = tuple(
        name
        for name, column in columns.items()
        if name.startswith("obs/") and column.kind == "vector"
    )
    own = next((o for o in _OWN if all(each in columns for each in o)), ())
    usual = {"state": vectors}
    if own:
        seen = (_OBJECT,) if _OBJECT in columns else ()
        usual |= {"state": own + seen, PROPRIOCEPTION: own}
    images = (n for n in columns if n.startswith("obs/") and n not in vectors)
    short = {name: _CAMERA.sub("", name.removeprefix("obs/")) for name in images}
    usual |= by_short_name(short, columns)
    usual["action"] = ("actions",)
    for feature, name in (("reward", "rewards"), ("success", "rewards")):
        if name in columns:
            usual[feature] = (name,)
    return usual


def _fault(column: Any) -> str:
    """The reason why numbers are neither vectors nor images; empty if they are."""
    shape = column.shape
    if len(shape) <= 2 and all(0 < each <= COMPONENTS for each in shape[1:]):
        return ""
    picture = len(shape) == 4 and shape[3] == 3 and column.dtype == "uint8"
    if picture and all(0 < each <= 8192 for each in shape[1:3]):
        return ""
    return f"has {column.dtype} of shape {shape[1:]} per frame"


def _column(column: Any) -> Column:
    shape = tuple(int(each) for each in column.shape[1:])
    return Column("image" if len(shape) == 3 else "vector", shape or (1,))


def _where(group: Any, name: str) -> str:
    return f"{hdf5.at(group)}: the attribute '{name}'"


def _json(group: Any, name: str) -> str:
    return hdf5.text(group, name) or "{}"


def _instruction(group: Any, attribute: str, field: str) -> str:
    """A task sentence in a JSON attribute; empty if there is none."""
    content = parse_json(
        _json(group, attribute), dict[str, Any], where=_where(group, attribute)
    )
    return _sentence(content.get(field))


def _sentence(value: object) -> str:
    if isinstance(value, list):  # Parts of a sentence, in LIBERO.
        value = "".join(each for each in value if isinstance(each, str))
    return " ".join(value.split()) if isinstance(value, str) else ""
