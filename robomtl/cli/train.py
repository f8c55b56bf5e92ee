"""``robomtl train``: one policy on the demonstrations of many tasks."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import tyro

from robomtl.cli.flags import SuiteFlags, dated
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, collect
from robomtl.registry import POLICIES
from robomtl.training import TrainConfig, train


@dataclass(frozen=True, kw_only=True)
class Train(SuiteFlags, TrainConfig):
    """Clones demonstrations; give --data, or --suite to collect them first."""

    suite: str | None = None
    """Suite to collect from where no data is given, such as metaworld/MT10."""
    data: Path | None = None
    """Data set to clone."""
    episodes: int = 50
    """Successful episodes a task to collect."""
    policy: str = "film"
    """Architecture; its own settings are the flags --architecture.*"""
    conditioning: tuple[Kind, ...] = ("language",)
    """How the policy is told its task; none when left empty."""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default."""
    workers: int = 2
    """Processes that collect."""


def main(arguments: Sequence[str]) -> None:
    """Trains as the arguments say."""
    flags = tyro.cli(_flags(arguments), args=arguments, prog="robomtl train")
    out = flags.out or dated("train", flags.policy)
    trained = train(
        _demonstrations(flags, out),
        out=out,
        policy=flags.policy,
        policy_config=vars(flags.architecture),
        conditioning=flags.conditioning,
        config=TrainConfig(**{f.name: getattr(flags, f.name) for f in _FIELDS}),
    )
    print(f"{trained.policy.num_parameters:,} parameters in {out}")


_FIELDS = dataclasses.fields(TrainConfig)


def _flags(arguments: Sequence[str]) -> type[Any]:
    """The flags, with those of the architecture that the arguments name."""
    name = Train.policy
    for word, following in pairwise([*arguments, ""]):
        if word == "--policy":
            name = following
        elif word.startswith("--policy="):
            name = word.partition("=")[2]
    config = POLICIES.get(name).Config
    field = ("architecture", config, dataclasses.field(default_factory=config))
    return dataclasses.make_dataclass(
        "Train", [field], bases=(Train,), frozen=True, kw_only=True
    )


def _demonstrations(flags: Train, out: Path) -> Demonstrations:
    if flags.data is None and flags.suite is None:
        raise ValueError("Give --data DIR to clone, or --suite NAME to collect from.")
    if flags.data is None:
        assert flags.suite is not None
        return collect(
            flags.make(flags.suite),
            out / "demonstrations",
            episodes=flags.episodes,
            seed=flags.seed,
            workers=flags.workers,
        )
    recorded = Demonstrations(flags.data)
    if flags.suite not in (None, recorded.suite):
        raise ValueError(
            f"{flags.data} was recorded in {recorded.suite}, not in {flags.suite}; "
            f"leave --suite out, or give data of that suite."
        )
    return recorded
