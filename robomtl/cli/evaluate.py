"""``robomtl evaluate``: measures the success of a policy, task by task."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tyro

from robomtl.acting.actor import Agent
from robomtl.acting.agent import PolicyAgent
from robomtl.cli.agents import named_agent, suite_for
from robomtl.cli.compute_flags import ServingFlags
from robomtl.cli.flags import (
    SuiteFlags,
    VideoFlags,
    changed,
    flags_of,
    own_first,
    warn_of_goals,
)
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show
from robomtl.errors import InputError
from robomtl.evaluation import (
    EvaluationConfig,
    Film,
    Results,
    film,
    success_table,
)
from robomtl.evaluation.protocols import protocol
from robomtl.evaluation.video import VIDEOS, check_filming, check_number, find_videos
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor
from robomtl.execution.serving import placed
from robomtl.experiments.evaluating import evaluate
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.resumed_evaluation import resume_evaluation, serving_device
from robomtl.task import Suite
from robomtl.terminal import say


@own_first
@dataclass(frozen=True, kw_only=True)
class Evaluate(SuiteFlags, VideoFlags, ServingFlags):
    """Runs trials of a policy and writes results.json, trials.parquet, report.html."""

    run: tyro.conf.Positional[str | None] = None
    """Run directory of a policy, or 'expert' for the suite's own experts."""
    suite: str | None = None
    """Suite, such as metaworld/MT50; by default the one the policy was trained on."""
    protocol: str | None = None
    """Protocol, which sets variations, episodes and horizon: official, fresh, lerobot or
    strict."""
    tasks: tuple[str, ...] | None = None
    """Tasks to evaluate; all training tasks by default."""
    variations: str | None = None
    """Split of variations: fresh (default), train, or another split of the suite."""
    episodes: int | None = None
    """Trials per task; 50 by default, unless the protocol sets another number."""
    instructions: str = "canonical"
    """Kind of instruction: canonical, train, paraphrased, held-out, shuffled, wrong, none,
    or a JSON file of wordings by task."""
    until: Literal["horizon", "success"] = "horizon"
    """Whether a trial ends at its horizon or at its first success."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default."""
    execute: int | None = None
    """Number of actions of a predicted chunk to execute before the next prediction; by
    default as set in training."""
    ensemble: float | None = None
    """Temporal ensembling of overlapping chunks, with weights exp(-ENSEMBLE * i); by default
    as set in training."""
    other_pictures: tyro.conf.FlagCreatePairsOff[bool] = False
    """Allow pictures of another --profile than the one the policy was trained on."""
    seed: int = 0
    """Seed of the assignment of other tasks' instructions (shuffled)."""
    resume: Path | None = None
    """Resume the evaluation in this folder with its own settings. Only --workers, --limit,
    and the flags --ray and --device, and the policy's new path if it moved, are accepted."""


_WITH_RESUME = ("run", "workers", "limit", "device", "ray", "resume")


class _Done(NamedTuple):
    results: Results
    folder: Path
    films: tuple[Film, ...] | None = None
    """Videos of trials; None if none was requested."""


def main(arguments: Sequence[str]) -> None:
    """Runs the evaluation for the given arguments, and prints the results."""
    flags = tyro.cli(Evaluate, args=arguments, prog="robomtl evaluate")
    play = _begin if flags.resume is None else _resume
    done = play(flags, flags.executor)
    show(success_table(done.results))
    _tell_errors(done.results)
    print(f"Report: {done.folder / 'report.html'}")
    if done.films is not None:
        _tell(done.films, done.folder)
    if all(record.error is not None for record in done.results.records):
        say("Every trial ended in an error, so there is no success rate.", stderr=True)
        sys.exit(1)


def _begin(flags: Evaluate, executor: Executor) -> _Done:
    if flags.run is None:
        raise InputError(
            "Name the run directory of a policy, or 'expert'; or give --resume FOLDER."
        )
    flags.check_video()
    agent = named_agent(flags.run, _acting(flags))
    suite = suite_for(agent, flags.suite, flags, **_horizon(flags))
    if flags.video is not None:
        check_number(flags.video)
        check_filming(suite, flags.make_camera())
    warn_of_goals(agent, suite, flags.tasks)
    device = None if flags.ray else serving_device(agent, flags.device, flags.out)
    with (
        placed(agent, device) as acting,
        run_directory(flags.out, "evaluate", suite.name, flags=flags) as out,
    ):
        results = evaluate(
            acting,
            suite,
            out=out,
            config=EvaluationConfig(
                protocol=flags.protocol,
                tasks=flags.tasks,
                variations=flags.variations,
                episodes=flags.episodes,
                instructions=flags.instructions,
                until=flags.until,
                seed=flags.seed,
                other_pictures=flags.other_pictures,
            ),
            compute=Compute(executor=executor),
            provenance=_provenance(agent),
        )
        if flags.video is None:
            return _Done(results, out)
        films = _film(flags, acting, suite, out, executor)
        videos = find_videos(out, results)
        page = out / "report.html"
        write_report(page, results, provenance=_provenance(agent), videos=videos)
        return _Done(results, out, films)


def _film(
    flags: Evaluate, agent: Agent, suite: Suite, folder: Path, executor: Executor
) -> tuple[Film, ...]:
    assert flags.video is not None
    return film(
        agent,
        suite,
        folder,
        trials=flags.video,
        camera=flags.make_camera(),
        compute=Compute(executor=executor),
    )


def _acting(flags: Evaluate) -> dict[str, Any]:
    """The actor settings that were given as flags."""
    acting = {"execute": flags.execute, "ensemble": flags.ensemble}
    return {name: value for name, value in acting.items() if value is not None}


def _provenance(agent: Agent) -> dict[str, Any] | None:
    return agent.settings if isinstance(agent, PolicyAgent) else None


def _horizon(flags: Evaluate) -> dict[str, int]:
    """The suite option ``horizon``, if the protocol sets it."""
    horizon = None if flags.protocol is None else protocol(flags.protocol).horizon
    return {} if horizon is None else {"horizon": horizon}


def _resume(flags: Evaluate, executor: Executor) -> _Done:
    others = [name for name in changed(flags) if name not in _WITH_RESUME]
    if others:
        raise InputError(
            f"--resume takes its settings from {flags.resume}; leave out"
            f" {flags_of(others)}."
        )
    assert flags.resume is not None
    with run_directory(flags.resume, "evaluate", "", flags=flags) as folder:
        results = resume_evaluation(
            folder,
            run=flags.run,
            device=flags.named_device,
            compute=Compute(executor=executor),
        )
    return _Done(results, folder)


def _tell_errors(results: Results) -> None:
    """Prints the last error of each task in which trials ended in an error."""
    last = {each.task: each for each in results.records if each.error is not None}
    for each in last.values():
        trial = f"variation {each.variation}, repeat {each.repeat}"
        say(
            f"A trial of {each.task} ended in an error, {trial}: {each.error}",
            stderr=True,
        )


def _tell(films: Sequence[Film], out: Path) -> None:
    """Prints the folder of the videos, and the reason for each missing video."""
    missing = [film for film in films if film.fault is not None]
    print(f"Videos: {len(films) - len(missing)} in {out / VIDEOS}")
    for each in missing:
        record = each.record
        trial = f"{record.task}, variation {record.variation}, repeat {record.repeat}"
        say(f"No video of {trial}: {each.fault}")
