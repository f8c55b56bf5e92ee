"""Imports a data set of another tool: reads it once for a report, and once to write it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import checked
from robomtl.demonstrations import layout, writing
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.writing import Header, Recorded
from robomtl.errors import InputError
from robomtl.files.durable import write_json
from robomtl.files.paths import located
from robomtl.files.request import plain, refuse_other
from robomtl.files.untrusted import read_json
from robomtl.importing.formats import open_source
from robomtl.importing.import_report import ASSUMED_FPS, Report, report_of
from robomtl.importing.import_request import ImportConfig
from robomtl.importing.imported_features import (
    ACTION,
    REWARD,
    STATE,
    SUCCESS,
    Features,
    chosen_features,
)
from robomtl.importing.scaling import Scale, needed_scale
from robomtl.importing.source import Source
from robomtl.importing.survey import Survey, joined, read_episode, survey

IMPORT = "meta/import.json"
"""File of an imported data set with its source, its settings, and the bounds of actions."""
REPORT = "report.json"
"""File with the report on the source, in the folder of the imported data set."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Settings that determine an imported data set."""

    source: Path
    config: ImportConfig

    @property
    def tasks(self) -> tuple[str, ...]:
        return ()

    def plain(self) -> dict[str, Any]:
        settings: dict[str, Any] = plain(self.config)
        return {"source": str(self.source), **settings}


class _Found(NamedTuple):
    """Result of reading a data set once."""

    source: Source
    config: ImportConfig
    features: Features
    survey: Survey
    scale: Scale | None

    @property
    def success_known(self) -> bool:
        """Whether the column of successes shows which episodes succeeded."""
        return any(self.survey.succeeded.values()) and not self.survey.odd_success

    def report(self) -> Report:
        about, config = self.source.about, self.config
        return report_of(
            about, self.features, self.survey, fps=config.fps, scale=self.scale
        )


@checked
def check_source(source: Path | str, config: ImportConfig | None = None) -> Report:
    """The report on a data set of another tool; nothing is written.

    Args:
        source: File or folder of the data set.
        config: Settings of the import; the defaults if None.

    Raises:
        InputError: If the data set is damaged, of an unknown format, or lacks a named
            column.
        MissingExtraError: If a library that reads it is missing.
    """
    return _read(located(source), config or ImportConfig()).report()


@checked
def import_data(
    source: Path | str, out: Path | str, config: ImportConfig | None = None
) -> Demonstrations:
    """Imports a data set of another tool.

    The new data set is written into a hidden folder inside ``out`` and moved when it is
    complete. After an interruption, the same call starts again; once the data set is
    complete, the same call returns it.

    Args:
        source: File or folder of the data set.
        out: Folder for the new data set.
        config: Settings of the import; the defaults if None.

    Returns:
        The imported demonstrations.

    Raises:
        InputError: If the data set is damaged, of an unknown format, lacks a named column,
            or has broken episodes that are not to be omitted, or if ``out`` contains
            something else.
        MissingExtraError: If a library that reads it is missing.
    """
    plan = _Plan(source=located(source), config=config or ImportConfig())
    staging = Staging(located(out), plan)
    if not _whole(staging.out, plan):
        with staging.opened():
            found = _read(plan.source, plan.config)
            _check(found)
            write_json(staging.out / REPORT, found.report())
            _write(found, staging.fresh_folder(), plan)
            staging.publish()
    staging.remove()  # Left if the process was killed while it published.
    return Demonstrations(staging.out)


def _whole(out: Path, plan: _Plan) -> bool:
    """Whether the data set is complete already.

    Raises:
        InputError: If the folder contains another data set.
    """
    if not (out / layout.INFO).exists():
        return False
    if not (out / IMPORT).exists():
        raise InputError(
            f"{out} is a data set that robomtl did not import; give a new folder."
        )
    recorded = read_json(out / IMPORT, dict[str, Any]).get("request")
    refuse_other(out, recorded if isinstance(recorded, dict) else {}, plan.plain())
    return True


def _read(path: Path, config: ImportConfig) -> _Found:
    """Reads a data set once.

    Raises:
        InputError: If a named column of successes has other values than 0 and 1; see also
            ``check_source``.
    """
    source = open_source(path, config.format, config.filter_key)
    features = chosen_features(config.features, source.about)
    found = survey(source, features, config.instruction)
    named = any(word.startswith(f"{SUCCESS}=") for word in config.features)
    if named and found.odd_success:
        raise InputError(
            f"{path}: '{features[SUCCESS][0]}' is {found.odd_success}, neither 0 nor 1;"
            f" name a column of successes, or none: {SUCCESS}="
        )
    scale = None
    if config.beyond == "scale" and ACTION in found.ranges:
        scale = needed_scale(found.ranges[ACTION], source.about.bounds)
    return _Found(source, config, features, found, scale)


def _check(found: _Found) -> None:
    broken, count = found.survey.broken, len(found.survey.lengths)
    instructions = found.survey.instructions
    blank = [number for number, sentence in instructions.items() if not sentence]
    if blank:
        raise InputError(
            f"{len(blank)} of {count} episodes have no task sentence, the first is episode"
            f" {blank[0]}; give one for all: --instruction 'put the cube into the bin'."
        )
    if not broken:
        return
    number, first = next(iter(broken.items()))
    if len(broken) == count:
        raise InputError(
            f"All {count} episodes are broken. Of episode {number}: {first}"
        )
    if found.config.broken == "refuse":
        raise InputError(
            f"{len(broken)} of {count} episodes are broken. Of episode {number}: {first}"
            " To import the others, omit these: --broken omit."
        )


def _write(found: _Found, folder: Path, plan: _Plan) -> None:
    about, config = found.source.about, found.config
    instructions = [*dict.fromkeys(found.survey.instructions.values())]
    header = Header(
        instructions=instructions,
        sizes=_sizes(found),
        robot_type=config.robot or about.robot or plan.source.stem,
        robomtl={},
    )
    kept = len(found.survey.instructions)
    writing.write_shown(folder, header, _recorded(found, instructions), kept)
    scale = found.scale
    bounds = scale and {"low": scale.low.tolist(), "high": scale.high.tolist()}
    record = {"request": plan.plain(), "action_bounds": bounds}
    write_json(folder / IMPORT, record)


def _sizes(found: _Found) -> Sizes:
    about, ranges = found.source.about, found.survey.ranges
    shapes = {
        name: about.columns[columns[0]].shape
        if name not in ranges
        else (len(ranges[name].low),)
        for name, columns in found.features.items()
    }
    known = {layout.REWARD: REWARD in shapes, layout.SUCCESS: found.success_known}
    return Sizes(
        state=shapes[STATE][0],
        action=shapes[ACTION][0],
        fps=max(round(found.config.fps or about.fps or ASSUMED_FPS), 1),
        others=tuple(
            (name, shape)
            for name, shape in sorted(shapes.items())
            if name not in (STATE, ACTION, REWARD, SUCCESS)
        ),
        video=found.config.video,
        marks=tuple(name for name, recorded in known.items() if recorded),
    )


def _recorded(found: _Found, instructions: list[str]) -> Iterator[Recorded]:
    """The episodes that are imported, in the form in which they are written."""
    every = [*dict.fromkeys(each for c in found.features.values() for each in c)]
    task = {instruction: index for index, instruction in enumerate(instructions)}
    for number, instruction in found.survey.instructions.items():
        episode = read_episode(found.source, number, every)
        values = joined(episode, found.features)
        yield _as_recorded(task[instruction], values, found.scale)


def _as_recorded(
    task: int, values: Mapping[str, NDArray[Any]], scale: Scale | None
) -> Recorded:
    action = values[ACTION]
    absent = np.zeros((len(action), 1), np.float32)
    own = (STATE, ACTION, REWARD, SUCCESS)
    return Recorded(
        task=task,
        variation=-1,
        state=values[STATE],
        action=scale(action) if scale else np.clip(action, -1, 1),
        reward=values.get(REWARD, absent)[:, 0],
        success=values.get(SUCCESS, absent)[:, 0] == 1,
        others={name: each for name, each in values.items() if name not in own},
    )
