"""Training of the policies that a family lacks, with the settings of its members."""

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
    """Settings with which a policy was trained."""

    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Config of the policy."""
    conditioning: tuple[Kind, ...]
    """Kinds of conditioning, without what the objective infers."""
    config: TrainConfig
    """Training settings; device and threads are ``auto``, since machines differ."""
    data: str
    """Hash of the demonstrations."""


def recorded(run: Path) -> Recorded:
    """The settings with which the policy of a run directory was trained.

    Raises:
        InputError: If the folder has no record of them.
    """
    record = needed_record(run)
    return Recorded(
        policy=record.policy,
        policy_config=record.policy_config,
        conditioning=tuple(k for k in record.conditioning if k != "demonstration"),
        config=replace(
            config_of(record.training, where=f"{run / RUN}, training"),
            device="auto",
            threads="auto",
        ),
        data=record.data_hash,
    )


def train_missing(
    run: Path | str | Family,
    objectives: Collection[str],
    *,
    seeds: int | None = None,
    compute: Compute | None = None,
) -> Family:
    """Trains the policies that methods need and the family lacks; the complete family.

    They are trained on the family's demonstrations, with its settings except for objective
    and seed.

    Args:
        run: A run directory, or a folder of several.
        objectives: Objectives of the policies that methods need.
        seeds: Number of seeds of training; those of existing policies if None.
        compute: Processes or cluster, and the device of the training.

    Raises:
        ValueError: If the folder has no policy, or not the demonstrations that its policies
            were trained on.
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
    """A training with the settings of a family, except for objective and seed.

    An objective that requires a certain architecture has it as ``architecture``; its
    policy then has that architecture with the default config.
    """
    settings, trained = example(family), [*family.of(objective).values()]
    config = settings.config
    if objective != PLAIN:  # It samples tasks; these settings are for sampling frames.
        usual = TrainConfig()
        config = replace(config, sampling=usual.sampling, temperature=usual.temperature)
    policy = getattr(OBJECTIVES.get(objective), "architecture", settings.policy)
    return Training(
        out=out,
        policy=policy,
        policy_config=settings.policy_config if policy == settings.policy else {},
        conditioning=settings.conditioning,
        objective=objective,
        objective_config=trained[0].trained.card.objective_config if trained else {},
        config=replace(config, seed=seed, device=device),
    )


def example(family: Family) -> Recorded:
    """Settings of the family's first cloned policy, else of its first policy."""
    some = family.of(PLAIN) or next(iter(family.members.values()))
    return recorded(some[min(some)].run)


def demonstrations_of(family: Family) -> Demonstrations:
    """The demonstrations that a family was trained on.

    Raises:
        InputError: If the family has no folder ``demonstrations``, or it contains another
            data set.
    """
    if family.prior is None:
        raise InputError(
            f"{family.folder} has no folder demonstrations to train on; put the data set"
            " of its policies there, or train the missing policies by `robomtl train`."
        )
    demonstrations = Demonstrations(family.prior)
    if demonstrations.fingerprint != example(family).data:
        raise InputError(
            f"{family.prior} is not the data set of the policies beside it; train the"
            " missing policies by `robomtl train --data`."
        )
    return demonstrations
