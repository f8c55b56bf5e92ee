"""Report on a data set of another tool, as plain data and as sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
from msgspec import Meta

from robomtl.importing.imported_features import (
    ACTION,
    STATE,
    SUCCESS,
    Features,
)
from robomtl.importing.scaling import Scale
from robomtl.importing.source import About
from robomtl.importing.survey import Survey

_EARLY = 0.5
"""Fraction of the median length of its task below which an episode ends early."""
ASSUMED_FPS = 20.0
"""Frames per second where neither the data set nor the caller gives them [1/s]."""
_LEFT = "not chosen"
_SHOWN = 5  # Entries of a list that a sentence shows.


class FeatureReport(TypedDict):
    """Report on a feature: its columns in the source, its shape and its values."""

    columns: Annotated[list[str], Meta(min_length=1)]
    shape: Annotated[list[int], Meta(min_length=1)]
    low: NotRequired[list[float | None]]
    high: NotRequired[list[float | None]]
    constant: NotRequired[list[int]]
    not_finite: NotRequired[int]


class ActionReport(TypedDict):
    """Report on the actions, before they are scaled or clipped."""

    size: int
    low: list[float | None]
    high: list[float | None]
    frames_beyond_1: int
    scaled_from: dict[str, list[float | None]] | None


class Report(TypedDict):
    """Report on a data set; ``sentences`` explains its fields."""

    format: str
    episodes: int
    frames: int
    fps: float | None
    robot: str | None
    filter_keys: dict[str, int]
    tasks: dict[str, int]
    duplicated_instructions: list[list[str]]
    features: dict[str, FeatureReport]
    not_imported: dict[str, str]
    state_dimension: int
    action: ActionReport | None
    ending_early: list[int]
    success_recorded: bool
    odd_success: str
    failed: list[int]
    broken: dict[str, str]


def report_of(
    about: About,
    features: Features,
    found: Survey,
    *,
    fps: float | None,
    scale: Scale | None,
) -> Report:
    """The report on a data set, as JSON types.

    Args:
        about: Metadata of the data set.
        features: Columns that are imported, by feature.
        found: Survey of the episodes.
        fps: Frames per second [1/s] that replace those of the data set; None for its own.
        scale: Scaling of the actions; None if they are not scaled.
    """
    known = any(found.succeeded.values()) and not found.odd_success
    failed = [n for n, succeeded in found.succeeded.items() if not succeeded]
    return {
        "format": about.format,
        "episodes": len(found.lengths),
        "frames": int(sum(found.lengths)),
        "fps": fps or about.fps,
        "robot": about.robot,
        "filter_keys": dict(about.filters),
        "tasks": _tasks(found),
        "duplicated_instructions": _duplicated(about, found),
        "features": {name: _feature(name, features, found, about) for name in features},
        "not_imported": _others(about, features),
        "state_dimension": len(found.ranges[STATE].low) if STATE in found.ranges else 0,
        "action": _action(found, scale),
        "ending_early": _ending_early(found),
        "success_recorded": known,
        "odd_success": found.odd_success,
        "failed": failed if known else [],
        "broken": {str(number): each for number, each in found.broken.items()},
    }


def sentences(report: Report) -> Iterator[str]:
    """The sentences of a report: facts first, then warnings."""
    fps = f"{report['fps']:g}" if report["fps"] else f"{ASSUMED_FPS:g} (assumed)"
    yield (
        f"{report['format']}: {report['episodes']} episodes of {report['frames']} frames,"
        f" {len(report['tasks'])} tasks, {fps} frames a second, robot"
        f" {report['robot'] or 'unknown'}."
    )
    for name, each in report["features"].items():
        yield f"{name}: {' + '.join(each['columns'])}, {_shaped(each)}."
    if report["not_imported"]:
        others = report["not_imported"].items()
        named = (f"{n} ({why})" if why != _LEFT else n for n, why in others)
        yield f"Not imported: {', '.join(named)}."
    if report["action"]:
        yield _about_action(report["action"])
    if report["filter_keys"]:
        keys = (f"{name} ({n} episodes)" for name, n in report["filter_keys"].items())
        yield f"Filter keys: {', '.join(keys)}."
    yield from _warnings(report)


def _warnings(report: Report) -> Iterator[str]:
    if "" in report["tasks"]:
        yield f"{report['tasks']['']} episodes have no task sentence; give --instruction."
    for group in report["duplicated_instructions"]:
        yield f"Duplicated instructions: {_listed([repr(each) for each in group])}."
    for name, each in report["features"].items():
        if constant := each.get("constant"):
            yield f"Constant in every frame: components {_listed(constant)} of {name}."
        if not_finite := each.get("not_finite"):
            yield f"Not finite: {name} in {not_finite} frames."
    early = report["ending_early"]
    if early:
        yield (
            f"{len(early)} episodes end early, after less than half of the median length"
            f" of their task: {_listed(early)}."
        )
    success = report["features"].get(SUCCESS)
    if report["odd_success"] and success:
        column = success["columns"][0]
        yield (
            f"Success counts as not recorded: {column} is {report['odd_success']}, neither"
            " 0 nor 1."
        )
    elif not report["success_recorded"]:
        yield "No episode is marked as successful, so success counts as not recorded."
    if report["failed"]:
        yield f"{len(report['failed'])} episodes failed: {_listed(report['failed'])}."
    if report["broken"]:
        yield f"{len(report['broken'])} episodes are broken: {_listed(report['broken'])}."
        yield from [*report["broken"].values()][:_SHOWN]


def _tasks(found: Survey) -> dict[str, int]:
    """Number of episodes of each instruction."""
    tasks = dict[str, int]()
    for instruction in found.instructions.values():
        tasks[instruction] = tasks.get(instruction, 0) + 1
    return tasks


def _duplicated(about: About, found: Survey) -> list[list[str]]:
    """Instructions that occur twice, or differ only in capitals, dots and spaces."""
    groups = dict[str, list[str]]()
    for instruction in dict.fromkeys(found.instructions.values()):
        plain = "".join(each for each in instruction.lower() if each.isalnum())
        groups.setdefault(plain, []).append(instruction)
    twice = [[each, each] for each in about.duplicated]
    return twice + [group for group in groups.values() if len(group) > 1]


def _feature(
    name: str, features: Features, found: Survey, about: About
) -> FeatureReport:
    columns = [*features[name]]
    if name not in found.ranges:
        return {"columns": columns, "shape": [*about.columns[columns[0]].shape]}
    range_ = found.ranges[name]
    return {
        "columns": columns,
        "shape": [len(range_.low)],
        "low": _numbers(range_.low),
        "high": _numbers(range_.high),
        "constant": np.flatnonzero(range_.low == range_.high).tolist(),
        "not_finite": range_.not_finite,
    }


def _action(found: Survey, scale: Scale | None) -> ActionReport | None:
    if ACTION not in found.ranges:
        return None
    range_ = found.ranges[ACTION]
    scaled = None
    if scale:
        scaled = {"low": _numbers(scale.low), "high": _numbers(scale.high)}
    return {
        "size": len(range_.low),
        "low": _numbers(range_.low),
        "high": _numbers(range_.high),
        "frames_beyond_1": range_.beyond,
        "scaled_from": scaled,
    }


def _about_action(action: ActionReport) -> str:
    ends = [each for each in (*action["low"], *action["high"]) if each is not None]
    if not ends:
        return "No action is finite."
    text = f"Actions of {action['size']} numbers from {min(ends):g} to {max(ends):g}"
    if action["scaled_from"]:
        return (
            f"{text}, of which components beyond [-1, 1] are scaled to it by their range;"
            " meta/import.json keeps the bounds."
        )
    if action["frames_beyond_1"]:
        return f"{text}, clipped to [-1, 1]."
    return f"{text}, stored as they are."


def _ending_early(found: Survey) -> list[int]:
    """Numbers of episodes that are much shorter than the median of their task."""
    of_task = dict[str, list[int]]()
    for number, instruction in found.instructions.items():
        of_task.setdefault(instruction, []).append(number)
    early = list[int]()
    for numbers in of_task.values():
        median = float(np.median([found.lengths[number] for number in numbers]))
        early += [n for n in numbers if found.lengths[n] < _EARLY * median]
    return sorted(early)


def _others(about: About, features: Features) -> dict[str, str]:
    used = {each for columns in features.values() for each in columns}
    left = {name: _LEFT for name in about.columns if name not in used}
    return {**left, **about.unusable}


def _numbers(values: Any) -> list[float | None]:
    return [float(each) if np.isfinite(each) else None for each in values]


def _shaped(feature: FeatureReport) -> str:
    shape = feature["shape"]
    if len(shape) == 1:
        return f"{shape[0]} numbers"
    return f"images of {shape[0]} x {shape[1]}"


def _listed(entries: Sequence[Any] | Mapping[str, Any]) -> str:
    some = [*entries]
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return ", ".join(map(str, some[:_SHOWN])) + more
