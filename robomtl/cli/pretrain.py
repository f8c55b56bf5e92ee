"""``robomtl pretrain``: trains the features of a policy, before its actions."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.cli.flags import given, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.train import DataFlags, print_next, recorded, with_settings
from robomtl.conditioning import Kind
from robomtl.errors import InputError
from robomtl.execution.machine import check_device
from robomtl.files.request import plain
from robomtl.pretraining import pretrain
from robomtl.pretraining.objectives import pretrainings
from robomtl.pretraining.pretrain_run import check_pretraining
from robomtl.training import TrainConfig
from robomtl.training.start import Model, Start, loaded, resolved
from robomtl.training.trainable import check_trainable


@own_first
@dataclass(frozen=True, kw_only=True)
class Pretrain(DataFlags, TrainConfig):
    """Trains the encoders and the trunk of a policy, from which training can start."""

    data: tyro.conf.Positional[tuple[Path, ...]]
    """Data sets to train on; a folder of data sets selects all in it."""
    objective: str
    """Training objective: language_alignment, latent_actions, masked_trajectory,
    momentum_contrast or time_contrastive; its settings are the flags --meta.*"""
    start: Path | None = None
    """Run directory of a policy whose weights initialise the new one."""
    start_parts: tuple[str, ...] = ()
    """Parts of the start whose weights are used; all that fit by default."""
    policy: str | None = None
    """Architecture, film by default; its settings are the flags --architecture.*"""
    conditioning: tuple[Kind, ...] | None = None
    """Later conditioning of the policy, language by default; ``none`` for nothing."""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default."""


_FIELDS = dataclasses.fields(TrainConfig)


def main(arguments: Sequence[str]) -> None:
    """Pre-trains a policy for the given arguments."""
    policy, objective, start = (
        given(arguments, f"--{name}") for name in ("policy", "objective", "start")
    )
    if objective is None and not {"-h", "--help"} & {*arguments}:
        raise InputError(f"Give --objective, one of {', '.join(pretrainings())}.")
    check_pretraining(objective or pretrainings()[0])
    model = resolved(
        Model(policy=policy, objective=objective or pretrainings()[0]),
        loaded(None if start is None else Path(start)),
    )
    check_trainable(model.policy)
    kind = with_settings(Pretrain, model)
    flags = tyro.cli(kind, args=arguments, prog="robomtl pretrain")
    if not flags.data:
        raise InputError("Give the data sets to train on: robomtl pretrain DATA …")
    check_device(flags.device)
    with run_directory(flags.out, "pretrain", model.policy, flags=flags) as out:
        trained = pretrain(
            recorded(flags.data, flags),
            objective=flags.objective,
            out=out,
            policy=flags.policy,
            policy_config=vars(flags.architecture),
            conditioning=flags.conditioning,
            objective_config=plain(flags.meta),
            config=TrainConfig(**{f.name: getattr(flags, f.name) for f in _FIELDS}),
            start=flags.start and Start(policy=flags.start, parts=flags.start_parts),
        )
    print_next(trained, out, flags.data)
