"""Families: trained policies that differ only by objective and seed.

A family is a folder of run directories ``OBJECTIVE/seed-NUMBER``. A single run directory is
a family of one policy, and may contain run directories of others.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.files.folder_kinds import POLICY
from robomtl.files.paths import located
from robomtl.files.run_record import read_record
from robomtl.names import file_name

PLAIN = "cloning"
"""Objective of the policies that methods adapt unless they require another one."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A policy of a family."""

    run: Path
    """The run directory of the policy."""
    trained: TrainedPolicy
    """The policy."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Policies by objective and seed."""

    folder: Path
    """Folder of the family."""
    members: Mapping[str, Mapping[int, Member]]
    """Policies by objective, then by seed of training."""

    def of(self, objective: str) -> Mapping[int, Member]:
        """The policies trained with an objective, by seed; empty if there are none."""
        return self.members.get(objective, {})

    @property
    def all_members(self) -> tuple[Member, ...]:
        """All policies, grouped by objective."""
        return tuple(it for some in self.members.values() for it in some.values())

    @property
    def prior(self) -> Path | None:
        """Folder ``demonstrations`` in the family's or a run's folder; None if missing."""
        runs = [member.run for member in self.all_members]
        paths = [folder / "demonstrations" for folder in (self.folder, *runs)]
        return next((path for path in paths if path.exists()), None)


def find_family(folder: Path | str | Family) -> Family:
    """The family in a folder; a ``Family`` is returned unchanged.

    Raises:
        InputError: If the folder has no policy, one is broken, or two have the same
            objective and seed.
    """
    if isinstance(folder, Family):
        return folder
    folder = located(folder)
    runs = [path.parent for path in _cards(folder)]
    if not runs:
        raise InputError(
            f"{folder} contains no policy: neither a {POLICY} nor folders such as"
            f" {PLAIN}/seed-0 with one. Name a run directory of `robomtl train`, or a"
            " folder of several."
        )
    members: dict[str, dict[int, Member]] = {}
    for run in runs:
        trained = checkpoint.load(run)
        some = members.setdefault(trained.card.objective, {})
        seed = _seed(run)
        if seed in some:
            raise InputError(
                f"{some[seed].run} and {run} were both trained with the objective"
                f" {trained.card.objective} and seed {seed}; give each seed once."
            )
        some[seed] = Member(run=run, trained=trained)
    return Family(folder=folder, members=members)


def first_member(family: Family) -> Member:
    """The policy of a family's first objective with the smallest seed."""
    some = next(iter(family.members.values()))
    return some[min(some)]


def seeds_of(
    family: Family, objectives: Mapping[str, str], count: int | None
) -> tuple[int, ...]:
    """The seeds of training, checked so that every method has a policy of each.

    Args:
        family: The family.
        objectives: Objective of the policies of each method, by label.
        count: Number of requested seeds; all if None.

    Raises:
        InputError: If a method lacks a policy of a seed; the message gives the command
            that trains it.
    """
    seeds = requested_seeds(family, {*objectives.values()}, count)
    for label, objective in objectives.items():
        for seed in seeds:
            if seed not in family.of(objective):
                raise InputError(_lacking(family, label, objective, seed))
    return tuple(seeds)


def requested_seeds(
    family: Family, objectives: Collection[str], count: int | None
) -> list[int]:
    """The requested number of seeds: those of existing policies, then the smallest others.

    Args:
        family: The family.
        objectives: Objectives of the policies.
        count: Number of seeds. If None, those of existing policies, or seed 0 if there are
            none.

    Raises:
        InputError: If ``count`` is below 1.
    """
    seeds = sorted({seed for each in objectives for seed in family.of(each)})
    if count is None:
        return seeds or [0]
    if count < 1:
        raise InputError(f"seeds is {count}; give at least 1.")
    more = (seed for seed in range(count + len(seeds)) if seed not in seeds)
    return [*seeds, *more][:count]


def _cards(folder: Path) -> list[Path]:
    """Files of all policies in a folder, its own and those of its run directories."""
    patterns = (POLICY, f"seed-*/{POLICY}", f"*/seed-*/{POLICY}")
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _seed(run: Path) -> int:
    """Seed of training that a run records; 0 without a record."""
    record = read_record(run)
    return 0 if record is None else record.seed


def _lacking(family: Family, label: str, objective: str, seed: int) -> str:
    known = ", ".join(
        f"{name} ({', '.join(map(str, some))})" for name, some in family.members.items()
    )
    data = family.prior or "DEMONSTRATIONS"
    return (
        f"The method {label} needs a policy trained with the objective {objective} and"
        f" seed {seed}; {family.folder} has objectives (seeds) {known}. Train it by:"
        f" robomtl train --data {data} --objective {objective} --seed {seed} --out"
        f" {family.folder / file_name(objective) / f'seed-{seed}'} with the settings of"
        " the others; or give --train."
    )
