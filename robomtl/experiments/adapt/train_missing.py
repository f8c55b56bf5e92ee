"""Trains what a family of policies lacks, as its members were trained."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from robomtl.conditioning.conditioning import Kind
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.family import PLAIN, Family, find_family, requested_seeds
from robomtl.experiments.adapt.pretraining import Training, train_all
from robomtl.files.run_record import RUN, needed_record
from robomtl.names import file_name
from robomtl.training.config import TrainConfig, config_of
from robomtl.training.objective import OBJECTIVES


class Recorded(NamedTuple):
    """How a policy was trained."""

    policy: str
    """Registered name of its architecture."""
    policy_config: Mapping[str, Any]
    conditioning: tuple[Kind, ...]
    """Kinds; without what its objective infers."""
    config: TrainConfig
    """Settings; device and threads are ``auto``, since machines differ."""
    data: str
    """Hash of the demonstrations."""


def recorded(run: Path) -> Recorded:
    """How the policy of a run directory was trained.

    Raises:
        InputError: If the folder does not say.
    """
    said = needed_record(run)
    return Recorded(
        policy=said.policy,
        policy_config=said.policy_config,
        conditioning=tuple(k for k in said.conditioning if k != "demonstration"),
        config=replace(
            config_of(said.training, where=f"{run / RUN}, training"),
            device="auto",
            threads="auto",
        ),
        data=said.data_hash,
    )


def train_missing(
    run: Path | str | Family,
    objectives: Collection[str],
    *,
    seeds: int | None = None,
    compute: Compute | None = None,
) -> Family:
    """The family, after those policies were trained that methods need and it lacks.

    They are trained on the same demonstrations as the others, with the same settings but
    for objective and seed.

    Args:
        run: A run directory, or a folder of several.
        objectives: What methods need policies to be trained with.
        seeds: Seeds of training; those that are there if None.
        compute: Processes or cluster, and the device that they train on.

    Raises:
        ValueError: If the folder has no policy, or the demonstrations it was trained on
            are not beside it.
    """
    family, compute = find_family(run), compute or Compute()
    missing = [
        like(
            family,
            family.folder / file_name(objective) / f"seed-{seed}",
            objective=objective,
            seed=seed,
            device=compute.machine.device,
        )
        for objective in sorted({*objectives})
        for seed in requested_seeds(family, objectives, seeds)
        if seed not in family.of(objective)
    ]
    if not missing:
        return family
    train_all(demonstrations_of(family), missing, compute=compute)
    return find_family(family.folder)


def like(
    family: Family, out: Path, *, objective: str, seed: int, device: str = "auto"
) -> Training:
    """How to train a policy with the settings of a family, but for objective and seed.

    An objective that fits one architecture only names it as ``architecture``.
    """
    settings, alike = example(family), [*family.of(objective).values()]
    config = settings.config
    if objective != PLAIN:  # It draws problems, where these settings are of frames.
        usual = TrainConfig()
        config = replace(config, sampling=usual.sampling, temperature=usual.temperature)
    own = getattr(OBJECTIVES.get(objective), "architecture", settings.policy)
    return Training(
        out=out,
        policy=own,
        policy_config=settings.policy_config if own == settings.policy else {},
        conditioning=settings.conditioning,
        objective=objective,
        objective_config=alike[0].trained.card.objective_config if alike else {},
        config=replace(config, seed=seed, device=device),
    )


def example(family: Family) -> Recorded:
    """How a family is trained: as its first cloned policy was, or its first."""
    some = family.of(PLAIN) or next(iter(family.members.values()))
    return recorded(some[min(some)].run)


def demonstrations_of(family: Family) -> Demonstrations:
    """The demonstrations that a family was trained on.

    Raises:
        InputError: If they are not beside it, or are others.
    """
    if family.prior is None:
        raise InputError(
            f"{family.folder} has no folder demonstrations to train on; put the data set"
            " there that its policies were trained on, or train what is missing by"
            " `robomtl train`."
        )
    found = Demonstrations(family.prior)
    if found.fingerprint != example(family).data:
        raise InputError(
            f"{family.prior} is not what the policies beside it were trained on; train"
            " what is missing by `robomtl train --data`."
        )
    return found
