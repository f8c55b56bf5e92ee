"""``robomtl lifelong``: trains on tasks in sequence, and measures forgetting."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import tyro

from robomtl.cli.compute_flags import ComputeFlags
from robomtl.cli.flags import RecordingFlags, SuiteFlags, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_experiment
from robomtl.experiments.lifelong import LifelongRequest, lifelong
from robomtl.experiments.lifelong.lifelong_design import USUAL, Design
from robomtl.experiments.lifelong.lifelong_experiment import NOISE
from robomtl.experiments.lifelong.lifelong_report import lifelong_report
from robomtl.experiments.lifelong.streams import stream_of
from robomtl.experiments.settings import EVERY, by_label, parsed


@own_first
@dataclass(frozen=True, kw_only=True)
class Lifelong(SuiteFlags, ComputeFlags, RecordingFlags, Design):
    """Trains on a stream of tasks by each method, and reports success and forgetting."""

    stream: tyro.conf.Positional[str] = "cw10"
    """Stream: cw10, cw20, stream-10, or a suite, for the stream of its training tasks."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the suite, in the order in which they are learned."""
    methods: tuple[str, ...] = USUAL
    """Methods to compare; LABEL=METHOD adds a method again, for other settings."""
    settings: tuple[str, ...] = ()
    """Settings of methods, such as replay.buffer=20; every.NAME for all methods."""


def main(arguments: Sequence[str]) -> None:
    """Runs the experiment for the given arguments."""
    flags = tyro.cli(Lifelong, args=arguments, prog="robomtl lifelong")
    name, request = request_from(flags)
    suite = flags.make(name)
    with run_directory(flags.out, "lifelong", flags.stream, flags=flags) as out:
        found = lifelong(
            suite,
            request,
            out=out,
            data=flags.data,
            noise=flags.noise_or(NOISE),
            compute=flags.compute,
        )
    show_experiment(lifelong_report(found), out)


def request_from(flags: Lifelong) -> tuple[str, LifelongRequest]:
    """The name of the suite, and the experiment for the flags.

    Raises:
        InputError: If a method or a setting is malformed, or a label or the stream is
            unknown.
    """
    name, tasks = stream_of(flags.stream, flags.tasks)
    methods = by_label(flags.methods)
    labels = {**methods, EVERY: EVERY}
    request = LifelongRequest(
        methods=methods,
        settings=parsed(flags.settings, labels, example="replay.buffer=20"),
        stream=tasks,
        **{each.name: getattr(flags, each.name) for each in fields(Design)},
    )
    return name, request
