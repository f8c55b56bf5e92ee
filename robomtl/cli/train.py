"""``robomtl train``: one policy on the demonstrations of many tasks."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from robomtl.cli.flags import SuiteFlags, given, run_directory
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, collect
from robomtl.demonstrations.contents import Failed
from robomtl.demonstrations.obtaining import check_suite
from robomtl.demonstrations.reading import Beyond
from robomtl.errors import InputError
from robomtl.machine import check_device
from robomtl.registry import OBJECTIVES, POLICIES
from robomtl.request import plain
from robomtl.training import TrainConfig, train
from robomtl.training.trainable import check_trainable


@dataclass(frozen=True, kw_only=True)
class Train(SuiteFlags, TrainConfig):
    """Clones demonstrations; give --data, or --suite to collect them first."""

    suite: str | None = None
    """Suite to collect from where no data is given, such as metaworld/MT10."""
    data: Path | None = None
    """Data set to clone."""
    beyond: Beyond = "refuse"
    """Whether actions of the data set beyond [-1, 1] are refused or clipped."""
    failed: Failed = "omit"
    """Whether episodes that the data set marks as failed are omitted or cloned."""
    episodes: int | None = None
    """Successful episodes per task to collect; as many as ``collect`` if None."""
    noise: float | None = None
    """Noise on the experts' actions while collecting; that of ``collect`` if None."""
    policy: str = "film"
    """Architecture; its own settings are the flags --architecture.*"""
    conditioning: tuple[Kind, ...] = ("language",)
    """What the policy is conditioned on; ``none`` for no conditioning."""
    objective: str = "cloning"
    """What is minimised; its own settings are the flags --meta.*"""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default."""
    workers: int = 2
    """Processes that collect."""


def main(arguments: Sequence[str]) -> None:
    """Trains as the arguments say."""
    flags = tyro.cli(_flags(arguments), args=arguments, prog="robomtl train")
    _check(flags)
    with run_directory(flags.out, "train", flags.policy) as out:
        trained = train(
            _demonstrations(flags, out),
            out=out,
            policy=flags.policy,
            policy_config=vars(flags.architecture),
            conditioning=flags.conditioning,
            objective=flags.objective,
            objective_config=plain(flags.meta),
            config=TrainConfig(**{f.name: getattr(flags, f.name) for f in _FIELDS}),
        )
    print(f"{trained.policy.num_parameters:,} parameters in {out}")


_FIELDS = dataclasses.fields(TrainConfig)
_RECORDING = ("episodes", "noise")


def _flags(arguments: Sequence[str]) -> type[Any]:
    """The flags, with those of the architecture and the objective that are named."""
    policy = given(arguments, "--policy") or Train.policy
    objective = given(arguments, "--objective") or Train.objective
    kinds = {
        "architecture": POLICIES.get(policy).Config,
        "meta": OBJECTIVES.get(objective),
    }
    own = [(n, k, dataclasses.field(default_factory=k)) for n, k in kinds.items()]
    return dataclasses.make_dataclass(
        "Train", own, bases=(Train,), frozen=True, kw_only=True
    )


def _check(flags: Train) -> None:
    check_trainable(flags.policy)
    check_device(flags.device)
    if flags.data is None and flags.suite is None:
        raise InputError("Give --data DIR to clone, or --suite NAME to collect from.")
    for name in ("beyond", "failed"):
        if flags.data is None and getattr(flags, name) != getattr(Train, name):
            raise InputError(
                f"--{name} is about a data set; give --data DIR, or leave it out."
            )
    recording = [name for name in _RECORDING if getattr(flags, name) is not None]
    superfluous = [*flags.given, *recording]
    if flags.data is not None and superfluous:
        told = ", ".join(f"--{name.replace('_', '-')}" for name in superfluous)
        raise InputError(
            f"{flags.data} is recorded already, so {told} would do nothing; leave out "
            f"either that or --data."
        )


def _demonstrations(flags: Train, out: Path) -> Demonstrations:
    if flags.data is None:
        assert flags.suite is not None
        settings = {name: getattr(flags, name) for name in _RECORDING}
        return collect(
            flags.make(flags.suite),
            out / "demonstrations",
            seed=flags.seed,
            workers=flags.workers,
            **{name: value for name, value in settings.items() if value is not None},
        )
    recorded = Demonstrations(flags.data, beyond=flags.beyond, failed=flags.failed)
    if flags.suite is not None:
        check_suite(recorded, flags.suite, "leave --suite out, or give data of it")
    return recorded
