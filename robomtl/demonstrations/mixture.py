"""Mixtures: several data sets that are trained on together."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import checked
from robomtl.demonstrations.contents import PerTask
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.layout import observed
from robomtl.errors import InputError
from robomtl.joint import joint_name, joint_options
from robomtl.nearest import check_known


class _Key(NamedTuple):
    """Key of a task; tasks of two data sets with equal keys are one task."""

    suite: str
    """Name of the suite; empty if a data set names none."""
    name: str
    instruction: str


class Mixture:
    """Several data sets that training samples from.

    Tasks of one suite that share their name and instruction are one task. If the data sets
    have several suites, the name of the suite precedes that of the task, as in
    ``robomtl.joint``. Other tasks that share a name are distinguished by the name of their
    data set's folder.

    Args:
        sets: At least one data set, each once.
        weights: Weight of each data set, to which its fraction of the samples is
            proportional; within a data set, tasks are sampled as from it alone. None
            samples tasks as from one data set with all episodes.

    Raises:
        InputError: If there is no data set or one is given twice, or the weights are not
            one number above 0 for each.
    """

    @checked
    def __init__(
        self,
        sets: Sequence[Demonstrations],
        weights: Sequence[float] | None = None,
    ) -> None:
        self.sets: tuple[Demonstrations, ...] = tuple(sets)
        self.weights = None if weights is None else tuple(map(float, weights))
        self._check()
        keys = [key for each in self.sets for key in _keys(each)]
        self._names = _named(
            keys, [each.path for each in self.sets for _ in each.tasks]
        )

    def _check(self) -> None:
        if not self.sets:
            raise InputError("The mixture has no data set; give at least 1.")
        paths = [each.path for each in self.sets]
        twice = [path for path in paths if paths.count(path) > 1]
        if twice:
            raise InputError(
                f"The mixture has {twice[0]} twice; give it once, with a greater weight."
            )
        if self.weights is None:
            return
        if len(self.weights) != len(self.sets):
            raise InputError(
                f"There are {len(self.weights)} weights for {len(self.sets)} data sets;"
                " give one for each."
            )
        for path, weight in zip(paths, self.weights, strict=True):
            if not (math.isfinite(weight) and weight > 0):
                raise InputError(
                    f"The weight of {path} is {weight:g}; give a number above 0, or leave"
                    " the data set out."
                )

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of their first data set."""
        return tuple(dict.fromkeys(self._names.values()))

    @property
    def instructions(self) -> Mapping[str, str]:
        """The canonical instruction of each task, by its name."""
        return {name: key.instruction for key, name in self._names.items()}

    def task_indices(self, number: int) -> NDArray[np.int64]:
        """Index among all tasks of each task of a data set; (task,)."""
        keys = _keys(self.sets[number])
        return np.array([self.tasks.index(self._names[key]) for key in keys], np.int64)

    @property
    def path(self) -> Path:
        """Folder of the first data set."""
        return self.sets[0].path

    @property
    def suite(self) -> str | None:
        """Name of the suite of all data sets, a joint one if they have several.

        None if a data set names none, or two name one suite with different options.
        """
        return self._suite[0]

    @property
    def suite_options(self) -> Mapping[str, Any]:
        """Options of the suite of all data sets; empty if there is no such suite."""
        return self._suite[1]

    @property
    def _suite(self) -> tuple[str | None, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for each in self.sets:
            name, options = each.suite, each.suite_options
            if name is None or found.setdefault(name, options) != options:
                return None, {}
        if len(found) == 1:
            return next(iter(found.items()))
        return joint_name(found), joint_options(found)

    def select(
        self, tasks: Sequence[str] | None = None, per_task: PerTask = None
    ) -> "Data":
        """The first episodes of some tasks; see ``Demonstrations.select``.

        Args:
            tasks: Names of the tasks in the mixture; None for all.
            per_task: Number of episodes of every task in each data set, or numbers by task;
                None for all.

        Returns:
            A data set, with its own task names, if all tasks are of one data set;
            otherwise a mixture.

        Raises:
            InputError: If a task is unknown, or has fewer episodes.
        """
        for name in tasks or ():
            check_known("task of the mixture", name, self.tasks)
        kept, weights = list[Demonstrations](), list[float]()
        for number, each in enumerate(self.sets):
            names = [self.tasks[index] for index in self.task_indices(number)]
            own = {
                task: name
                for task, name in zip(each.tasks, names, strict=True)
                if tasks is None or name in tasks
            }
            if isinstance(per_task, Mapping):
                counts: PerTask = {
                    k: per_task[v] for k, v in own.items() if v in per_task
                }
            else:
                counts = per_task
            if own:
                kept.append(each.select([*own], counts))
                weights += [] if self.weights is None else [self.weights[number]]
        if len(kept) == 1:
            return kept[0]
        return Mixture(kept, weights or None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what training does not use; empty if it uses everything."""
        return tuple(note for each in self.sets for note in each.notes)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all training data and of the weights."""
        parts = [each.fingerprint for each in self.sets]
        return hashlib.sha256(json.dumps([parts, self.weights]).encode()).hexdigest()

    def succeeded(self) -> "Mixture":
        """The episodes that training clones, see ``Demonstrations.succeeded``."""
        return Mixture([each.succeeded() for each in self.sets], self.weights)

    def __len__(self) -> int:
        """Number of episodes."""
        return sum(map(len, self.sets))

    def __repr__(self) -> str:
        weights = self.weights or [""] * len(self.sets)
        parts = (
            f"{weight:g} x {each!r}" if weight else repr(each)
            for weight, each in zip(weights, self.sets, strict=True)
        )
        return f"Mixture({', '.join(parts)})"


Data = Demonstrations | Mixture
"""Training data of a policy: one data set or a mixture."""


def observed_by_choice(data: Data) -> tuple[str, ...]:
    """Names of the features that policies read; empty if they read all recorded ones."""
    recorded = {name for each in data.sets for name in observed(each.columns).values()}
    read = dict.fromkeys(name for each in data.sets for name in each.observes)
    return () if {*read} == recorded else tuple(read)


def described(data: Data) -> dict[str, Any]:
    """Description of training data for ``run.json``."""
    whole: dict[str, Any] = {"episodes": len(data), "sha256": data.fingerprint}
    if chosen := observed_by_choice(data):
        whole["observe"] = list(chosen)
    if isinstance(data, Demonstrations):
        return whole
    weights = data.weights or [None] * len(data.sets)
    return {
        **whole,
        "sets": [
            {
                "episodes": len(each),
                "sha256": each.fingerprint,
                "suite": each.suite,
                "weight": weight,
            }
            for each, weight in zip(data.sets, weights, strict=True)
        ],
    }


def _keys(data: Demonstrations) -> list[_Key]:
    """The key of each task of a data set."""
    words = data.instructions
    return [_Key(data.suite or "", name, words[name]) for name in data.tasks]


def _named(keys: Sequence[_Key], paths: Sequence[Path]) -> dict[_Key, str]:
    """A unique name for each task: its own, or with that of its suite or folder."""
    first = dict(reversed(list(zip(keys, paths, strict=True))))
    several = len({key.suite for key in keys} - {""}) > 1
    named: dict[_Key, str] = {}
    for key in dict.fromkeys(keys):
        others = [(other.suite, other.name) for other in first]
        if several and key.suite and others.count((key.suite, key.name)) == 1:
            named[key] = f"{key.suite}/{key.name}"
        elif [name for _, name in others].count(key.name) == 1:
            named[key] = key.name
        else:
            named[key] = f"{first[key].name}/{key.name}"
    # Folders of one name are distinguished by their whole path.
    taken = list(named.values())
    return {
        key: name if taken.count(name) == 1 else f"{first[key]}/{key.name}"
        for key, name in named.items()
    }
