"""``robomtl train``: trains one policy on the demonstrations of many tasks."""

import dataclasses
import io
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from robomtl.checkpoint import (
    TrainedPolicy,
    check_head_choice,
    configure,
    configure_objective,
)
from robomtl.cli.flags import SuiteFlags, flags_of, given, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.conditioning import Kind
from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture
from robomtl.demonstrations.collect_missing import (
    check_suite,
    collect_parts,
    data_sets_in,
)
from robomtl.demonstrations.contents import Failed
from robomtl.demonstrations.mixture import Data
from robomtl.demonstrations.reading import Beyond
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device
from robomtl.files.paths import as_word
from robomtl.files.request import plain
from robomtl.imports import import_flags
from robomtl.training import TrainConfig, train
from robomtl.training.before_collecting import check_observable
from robomtl.training.objective import trains_actions
from robomtl.training.processes import follows, launched
from robomtl.training.start import Model, Resolved, Start, loaded, resolved
from robomtl.training.trainable import check_trainable


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """Settings by which recorded data sets are read."""

    beyond: Beyond = "refuse"
    """Whether actions of the data set beyond [-1, 1] are refused or clipped."""
    failed: Failed = "omit"
    """Whether episodes that the data set marks as failed are omitted or cloned."""
    observe: tuple[str, ...] | None = None
    """Features that the policy observes: image.CAMERA, proprioception, state, or further
    vectors; by default images and proprioception if the data has both, otherwise state."""


@own_first
@dataclass(frozen=True, kw_only=True)
class Train(DataFlags, SuiteFlags, TrainConfig):
    """Clones demonstrations; give --data, or --suite to collect them first."""

    suite: str | None = None
    """Suite to collect from if no data is given, such as metaworld/MT10."""
    data: tuple[Path, ...] = ()
    """Data sets to clone; a folder of data sets selects all in it."""
    weights: tuple[float, ...] | None = None
    """Weight of each data set, proportional to its fraction of the samples; by default tasks
    are sampled as from one data set."""
    episodes: int | None = None
    """Successful episodes per task to collect; by default as in ``collect``."""
    noise: float | None = None
    """Largest standard deviation of the noise on the experts' actions while collecting; by
    default as in ``collect``."""
    start: Path | None = None
    """Run directory of a policy to continue from, which also determines the default
    architecture, conditioning and objective."""
    start_parts: tuple[str, ...] = ()
    """Parts of the start whose weights are used, such as encoder trunk; all that fit by
    default. --train names the parts that are trained."""
    policy: str | None = None
    """Architecture, film by default; its settings are the flags --architecture.*"""
    conditioning: tuple[Kind, ...] | None = None
    """Conditioning of the policy, language by default; ``none`` for nothing."""
    objective: str | None = None
    """Training objective, cloning by default; its settings are the flags --meta.*"""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default."""
    workers: int = 2
    """Number of worker processes for collecting."""


def main(arguments: Sequence[str]) -> None:
    """Trains a policy for the given arguments; with several processes only one prints."""
    with ExitStack() as stack:
        if follows():
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(io.StringIO()))
        _train(arguments)


def _train(arguments: Sequence[str]) -> None:
    model = _model(arguments)
    check_trainable(model.policy)
    kind = with_settings(Train, model)
    flags = tyro.cli(kind, args=arguments, prog="robomtl train")
    _check(flags)
    config = TrainConfig(**{f.name: getattr(flags, f.name) for f in _FIELDS})
    with run_directory(flags.out, "train", model.policy, flags=flags) as out:
        if flags.suite is not None and not (flags.data or flags.start):
            check_observable(
                flags.make(flags.suite),
                policy=model.policy,
                conditioning=flags.conditioning or model.conditioning,
                config=config,
                observe=flags.observe,
                demonstration=flags.meta.demonstration,
            )
        trained = train(
            _demonstrations(flags, out),
            out=out,
            policy=flags.policy,
            policy_config=vars(flags.architecture),
            conditioning=flags.conditioning,
            objective=flags.objective,
            objective_config=plain(flags.meta),
            config=config,
            start=flags.start and Start(policy=flags.start, parts=flags.start_parts),
        )
    print_next(trained, out, flags.data)


def print_next(trained: TrainedPolicy, out: Path, data: Sequence[Path]) -> None:
    """Prints the size of a trained policy, and commands that use it or show its curves.

    Args:
        trained: Policy that was trained.
        out: Run directory of the policy.
        data: Data sets that it was trained on; empty if they were collected in ``out``.
    """
    run, logs = as_word(out), as_word(out / "tensorboard")
    print(f"{trained.policy.num_parameters:,} parameters in {out}")
    if trains_actions(trained.card.objective):
        known = "" if trained.card.suite else " --suite SUITE"
        print(f"Success per task:  robomtl evaluate {run}{known}{import_flags()}")
    else:
        read = " ".join(map(as_word, data or [out / "demonstrations"]))
        flags = f"--data {read}{import_flags()}"
        print(f"Probe of features: robomtl features {run} {flags}")
        print(f"Train from them:   robomtl train {flags} --start {run}")
    print(f"Curves of losses:  tensorboard --logdir {logs}")


_FIELDS = dataclasses.fields(TrainConfig)
_RECORDING = ("episodes", "noise")


def with_settings(kind: type[Any], model: Resolved) -> type[Any]:
    """A class of flags extended by the settings of the architecture and the objective."""
    settings = {
        "architecture": configure(model.policy, model.policy_config),
        "meta": configure_objective(model.objective, model.objective_config),
    }
    own = [
        (name, type(it), dataclasses.field(default=it)) for name, it in settings.items()
    ]
    made: type[Any] = dataclasses.make_dataclass(
        kind.__name__,
        own,
        bases=(kind,),
        namespace={"__doc__": kind.__doc__},  # The help begins with it.
        frozen=True,
        kw_only=True,
    )
    # Restores the order of flags, which a derived dataclass does not inherit.
    made.__dataclass_fields__ = {
        name: made.__dataclass_fields__[name]
        for name in (*kind.__dataclass_fields__, *settings)
    }
    return made


def _model(arguments: Sequence[str]) -> Resolved:
    """The architecture, objective and default settings for the given arguments."""
    policy, objective, start = (
        given(arguments, f"--{name}") for name in ("policy", "objective", "start")
    )
    model = resolved(Model(policy=policy, objective=objective), loaded(start))
    if given(arguments, "--architecture.loss"):
        check_head_choice(model.policy, ["loss"])
    return model


def _check(flags: Train) -> None:
    if flags.start_parts and flags.start is None:
        raise InputError(
            "--start-parts needs a policy to start from; give --start RUN."
        )
    check_device(flags.device)
    if launched() and (flags.out is None or not flags.data):
        raise InputError(
            "A launcher has started several processes, which need one output folder and"
            " recorded demonstrations; give --out DIR and --data DIR, or give --processes"
            " in place of the launcher."
        )
    if not flags.data and flags.suite is None:
        raise InputError("Give --data DIR to clone, or --suite NAME to collect from.")
    for name in ("beyond", "failed", "weights"):
        if not flags.data and getattr(flags, name) != getattr(Train, name):
            raise InputError(
                f"--{name} applies to recorded data sets; give --data DIR, or leave it out."
            )
    recording = [name for name in _RECORDING if getattr(flags, name) is not None]
    own = ["suite_options"] if flags.suite_options else []
    superfluous = [*flags.given, *own, *recording]
    if flags.data and superfluous:
        raise InputError(
            f"{flags.data[0]} is recorded already, so {flags_of(superfluous)} would have"
            " no effect; leave it out, or leave out --data."
        )


def _demonstrations(flags: Train, out: Path) -> Data:
    if not flags.data:
        assert flags.suite is not None
        usual = CollectionConfig(seed=flags.seed)
        settings = {name: getattr(flags, name) for name in _RECORDING}
        given = {name: value for name, value in settings.items() if value is not None}
        collected = collect_parts(
            flags.make(flags.suite),
            out / "demonstrations",
            replace(usual, **given),
            compute=Compute(workers=flags.workers),
        )
        if flags.observe is not None:
            collected = [
                Demonstrations(each.path, observe=flags.observe) for each in collected
            ]
        return Mixture(collected) if len(collected) > 1 else collected[0]
    found = recorded(flags.data, flags, flags.weights)
    if flags.suite is not None:
        for each in found.sets:
            check_suite(
                each, flags.suite, "leave --suite out, or give data of that suite"
            )
    return found


def recorded(
    folders: Sequence[Path], flags: DataFlags, weights: Sequence[float] | None = None
) -> Data:
    """The data set of a folder, or the mixture of several data sets.

    Args:
        folders: Data sets, or folders of several data sets.
        flags: Settings by which data sets are read.
        weights: Weight of each data set; None to sample tasks as from one data set.

    Raises:
        InputError: If a data set is missing or damaged, or the number of weights differs.
    """
    found = [
        Demonstrations(
            path, beyond=flags.beyond, failed=flags.failed, observe=flags.observe
        )
        for folder in folders
        for path in data_sets_in(folder)
    ]
    mixture = Mixture(found, weights)
    return mixture if len(found) > 1 else found[0]
