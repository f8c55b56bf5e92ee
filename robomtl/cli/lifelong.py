"""``robomtl lifelong``: tasks learned one after the other, and what is forgotten."""

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
    """Learns a stream of tasks by each method and writes what it forgets."""

    stream: tyro.conf.Positional[str] = "cw10"
    """Stream: cw10, cw20, stream-10, or a suite, whose training tasks are one."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the suite in the order in which they are learned."""
    methods: tuple[str, ...] = USUAL
    """Methods; LABEL=METHOD adds a method again with other settings."""
    settings: tuple[str, ...] = ()
    """Settings of methods, such as replay.buffer=20; every.NAME for all."""


def main(arguments: Sequence[str]) -> None:
    """Learns as the arguments say."""
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
    """The suite and the experiment that flags describe.

    Raises:
        InputError: If a word of methods or settings has another form, or a label or the
            stream is unknown.
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
