"""Robots of training data, and the action that they share if actions are aligned."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from robomtl.alignment import Alignment, action_of, aligned
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.features import Embodiment
from robomtl.suites import suite


def robots_of(data: Data) -> list[Embodiment]:
    """The robot of each data set; if it has no actions, the same robot of one that has."""
    acting = [each.embodiment for each in data.sets if each.has_actions]
    return [
        each.embodiment if each.has_actions else _acting(each.embodiment, acting)
        for each in data.sets
    ]


def _acting(robot: Embodiment, others: Sequence[Embodiment]) -> Embodiment:
    """The one of the others with the same name and observation; the robot if none has."""
    same = robot.name, robot.observation
    return next((r for r in others if (r.name, r.observation) == same), robot)


def distinct_robots(data: Data) -> tuple[Embodiment, ...]:
    """The distinct robots of data sets, in the order of their first data set.

    Raises:
        InputError: If data sets have different features of one robot.
    """
    distinct: list[Embodiment] = []
    paths: list[Path] = []
    for robot, each in zip(robots_of(data), data.sets, strict=True):
        if robot in distinct:
            continue
        names = [known.name for known in distinct]
        if robot.name in names:
            other = names.index(robot.name)
            raise InputError(
                f"The robot '{robot.name}' has {distinct[other].sizes} in {paths[other]},"
                f" and {robot.sizes} in {each.path}. Observe features that both have in"
                " one shape (--observe), or give data sets with the same cameras, size and"
                " actions."
            )
        distinct.append(robot)
        paths.append(each.path)
    return tuple(distinct)


def shared_action(data: Data) -> Alignment:
    """The alignment of the actions of the robots of data sets.

    Raises:
        InputError: If there is only one robot, or its action is not described; see
            ``aligned``.
    """
    robots = distinct_robots(data)
    if len(robots) < 2:
        raise InputError(
            f"alignment shares one action among several robots, and {data.path} is of one,"
            f" '{''.join(robot.name for robot in robots)}'; leave it out, or give --data of"
            " several."
        )
    described = []
    for robot in robots:
        first = next(each for each in data.sets if each.embodiment == robot)
        action = robot.action
        if first.suite is not None:
            made = suite(first.suite, **first.suite_options)
            action = action_of(made, first.tasks[0]) or action
        described.append(replace(robot, action=action))
    return aligned(described)
