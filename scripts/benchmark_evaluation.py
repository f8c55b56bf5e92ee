#!/usr/bin/env python
"""Benchmark of evaluation: trials per minute of robomtl and of Meta-World's own harness.

Both run the 50 official goals of each task once, up to 500 steps, end a trial at its first
success, and use one policy that is conditioned on the first instruction of each task:

- *sync* and *async* are ``metaworld.evaluation`` on the vector env of ``make_mt_envs``,
  unmodified, with one env per task; goals are used in turn (``task_select="pseudorandom"``)
  rather than drawn with replacement, so that trials are the same. The policy acts for all
  envs in one batch. As in Meta-World's loop, tasks that have finished their goals continue
  until the last task has: these trials are not counted, but their steps are.
- *robomtl* is ``robomtl.evaluate`` with 1 and 2 workers, which also writes its journal,
  results and report.

Every harness runs once in every round; medians over the rounds are printed, with and without
the time to start and end (making envs, starting processes and their imports; imports of this
process are never included). Without it, Meta-World's time begins at its first reset, and
robomtl's when each worker has finished its first chunk of trials. *A core* is trials per
minute of processor time, including start and end. It does not show the benefit of parallel
work, and is the most reliable rate when other programs keep the cores busy.

The table of tasks has the processor time of a trial after the start: the env's steps and
resets, and its fraction of the policy's time; Meta-World's is measured in *sync*.
"""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium
import metaworld
import numpy as np
import torch
import tyro
from metaworld.evaluation import evaluation
from numpy.typing import NDArray

import robomtl
from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import PolicyAgent
from robomtl.execution.executor import LocalExecutor
from robomtl.task import Suite

Strategy = Literal["sync", "async"]

_SEED = 42  # Draws the goals that ``official`` holds.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy that predicts one action at a time."""
    suite: Literal["metaworld/MT10", "metaworld/MT25", "metaworld/MT50"] = (
        "metaworld/MT10"
    )
    """Suite of the tasks."""
    episodes: int = 50
    """Trials of each task; below 50, the goals of Meta-World's harness may differ."""
    rounds: int = 3
    """Number of rounds, in each of which every harness runs all trials."""


class Played(NamedTuple):
    """Measurements of a harness in one round."""

    trials: int
    """Number of counted trials."""
    steps: int
    """Number of env steps, including those of trials that are not counted."""
    success: float
    """Mean success over the tasks."""
    whole: float
    """Wall time from start to results [s]."""
    cores: float
    """Processor time of this process and its children [s]."""
    under_way: float
    """Trials per minute after the start [1/min]."""
    tasks: dict[str, float]
    """Processor time for a trial of each task [s]; empty if it is not measured."""


def processor_time() -> float:
    """Processor time of this process and of its finished children [s]."""
    uses = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return sum(use.ru_utime + use.ru_stime for use in uses)


class UpstreamAgent:
    """Adapter of a policy to ``metaworld.evaluation``; one row for each env."""

    def __init__(self, run: Path, suite: Suite) -> None:
        trained = checkpoint.load(run)
        if trained.policy.chunk != 1:
            raise ValueError(
                f"The policy predicts {trained.policy.chunk} actions at once; Meta-World's"
                " loop asks at every step. Give a policy with a chunk of 1."
            )
        self._policy, self._conditioning = trained.policy, trained.card.conditioning
        self._fixed = self._conditioning.fixed(
            [TaskInfo(task.name, task.instructions[0]) for task in suite.train_tasks]
        )
        self.steps, self.seconds = 0, 0.0

    @torch.inference_mode()
    def eval_action(self, observations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions for all envs; (env, 39) -> (env, 4)."""
        start = time.perf_counter()
        state = torch.from_numpy(observations.astype(np.float32))
        embedding = self._conditioning.embedding(self._fixed, state)
        chunk, _ = self._policy.act({"state": state}, embedding, None)
        actions: NDArray[np.float64] = chunk[:, 0].double().numpy()
        self.steps += len(actions)
        self.seconds += time.perf_counter() - start
        return actions

    def reset(self, env_mask: NDArray[np.bool_]) -> None:
        """Does nothing, as the policy has no memory."""


class Timed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds up the time in an env and counts its episodes."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.seconds, self.episodes = 0.0, 0

    def step(self, action: Any) -> Any:
        """A step of the env."""
        start = time.perf_counter()
        stepped = self.env.step(action)
        self.seconds += time.perf_counter() - start
        self.episodes += stepped[2] or stepped[3]
        return stepped

    def reset(self, **options: Any) -> Any:
        """A reset of the env."""
        start = time.perf_counter()
        begun = self.env.reset(**options)
        self.seconds += time.perf_counter() - start
        return begun


def play_upstream(benchmark: Benchmark, suite: Suite, strategy: Strategy) -> Played:
    """Runs all trials with Meta-World's harness."""
    begun, spent = time.perf_counter(), processor_time()
    agent = UpstreamAgent(benchmark.run, suite)
    envs: Any = metaworld.make_mt_envs(
        benchmark.suite.removeprefix("metaworld/"),
        seed=_SEED,
        vector_strategy=strategy,
        task_select="pseudorandom",
    )
    envs.call("toggle_sample_tasks_on_reset", True)
    if strategy == "sync":
        envs.envs = tuple(Timed(env) for env in envs.envs)
    started = time.perf_counter()
    success, *_ = evaluation(agent, envs, num_episodes=benchmark.episodes)
    ended = time.perf_counter()
    tasks = _upstream_tasks(agent, suite, envs) if strategy == "sync" else {}
    envs.close()
    trials = benchmark.episodes * len(suite.train_tasks)
    whole = time.perf_counter() - begun
    cores = processor_time() - spent
    rate = 60 * trials / (ended - started)
    return Played(trials, agent.steps, success, whole, cores, rate, tasks)


def _upstream_tasks(agent: UpstreamAgent, suite: Suite, envs: Any) -> dict[str, float]:
    acting = agent.seconds / len(envs.envs)
    return {
        task.name: (env.seconds + acting) / max(1, env.episodes)
        for task, env in zip(suite.train_tasks, envs.envs, strict=True)
    }


@dataclass(frozen=True)
class Clocked:
    """A local executor that records when chunks of trials finish."""

    local: LocalExecutor
    finished: list[tuple[float, int]] = field(default_factory=list)
    """Time of completion [s] and number of trials of each chunk."""

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return self.local.workers

    def map(
        self, work: Any, items: Sequence[Any], kind: Callable[[Any], Hashable] = type
    ) -> Iterator[tuple[int, Any]]:
        """The executor's results as they come."""
        for index, result in self.local.map(work, items, kind):
            self.finished.append((time.perf_counter(), len(items[index].trials)))
            yield index, result

    def under_way(self) -> float:
        """Trials per minute after every worker has finished a chunk [1/min]."""
        (start, _), *rest = self.finished[self.local.workers - 1 :]
        if not rest:
            return float("nan")
        return 60 * sum(trials for _, trials in rest) / (rest[-1][0] - start)


def play_robomtl(benchmark: Benchmark, suite: Suite, workers: int) -> Played:
    """Runs all trials with robomtl."""
    begun, spent = time.perf_counter(), processor_time()
    clocked = Clocked(LocalExecutor(workers=workers))
    with tempfile.TemporaryDirectory() as out:
        results = robomtl.evaluate(
            PolicyAgent(benchmark.run),
            suite,
            out=out,
            config=robomtl.EvaluationConfig(
                variations="official", episodes=benchmark.episodes, until="success"
            ),
            compute=robomtl.Compute(executor=clocked),
        )
    whole, cores = time.perf_counter() - begun, processor_time() - spent
    steps = sum(record.length or 0 for record in results.records)
    tasks = {
        task.name: statistics.mean(
            record.seconds for record in results.records if record.task == task.name
        )
        for task in suite.train_tasks
    }
    return Played(
        len(results.records),
        steps,
        results.task_mean or 0.0,
        whole,
        cores,
        clocked.under_way(),
        tasks,
    )


def print_overall(rounds: dict[str, list[Played]]) -> None:
    """Prints a line for each harness."""
    for name, played in rounds.items():
        whole = [60 * each.trials / each.whole for each in played]
        started = statistics.median(each.under_way for each in played)
        cores = statistics.median(60 * each.trials / each.cores for each in played)
        steps = statistics.median(each.steps / each.whole for each in played)
        print(
            f"{name:18s} {statistics.median(whole):6.0f} trials/min"
            f" {started:6.0f} once started {cores:6.0f} a core"
            f" {steps:6.0f} env-steps/s, success {played[-1].success:.1%}"
            f"  (rounds: {' '.join(f'{rate:.0f}' for rate in whole)})"
        )


def print_ratios(rounds: dict[str, list[Played]]) -> None:
    """Prints ratios of trials per minute, as medians over the rounds."""
    pairs = [
        ("robomtl, 2 workers", "sync"),
        ("robomtl, 2 workers", "async"),
        ("robomtl, 1 worker", "sync"),
        ("robomtl, 2 workers", "robomtl, 1 worker"),
    ]
    for one, other in pairs:
        both = list(zip(rounds[one], rounds[other], strict=True))
        whole = statistics.median(b.whole / a.whole for a, b in both)
        started = statistics.median(a.under_way / b.under_way for a, b in both)
        cores = statistics.median(b.cores / a.cores for a, b in both)
        print(
            f"{one} / {other}: {whole:.2f} x, once started {started:.2f} x,"
            f" a core {cores:.2f} x"
        )


def print_tasks(rounds: dict[str, list[Played]], suite: Suite) -> None:
    """Prints the processor time of a trial of each task."""
    for task in suite.train_tasks:
        theirs, ours = (
            statistics.median(played.tasks[task.name] for played in rounds[name])
            for name in ("sync", "robomtl, 1 worker")
        )
        print(
            f"{task.name:30s} {1000 * theirs:7.1f} {1000 * ours:7.1f} ms a trial"
            f"  {theirs / ours:.2f} x"
        )


def main(benchmark: Benchmark) -> None:
    """Runs the rounds, and prints rates and ratios."""
    # As in robomtl's workers; more threads are slower for small batches.
    torch.set_num_threads(1)
    suite = robomtl.suite(benchmark.suite)
    harnesses: dict[str, Callable[[], Played]] = {
        "sync": lambda: play_upstream(benchmark, suite, "sync"),
        "async": lambda: play_upstream(benchmark, suite, "async"),
        "robomtl, 1 worker": lambda: play_robomtl(benchmark, suite, 1),
        "robomtl, 2 workers": lambda: play_robomtl(benchmark, suite, 2),
    }
    rounds: dict[str, list[Played]] = {name: [] for name in harnesses}
    for number in range(benchmark.rounds):
        for name, play in harnesses.items():
            print(f"round {number + 1}: {name}", flush=True)
            rounds[name].append(play())
    print_overall(rounds)
    print_ratios(rounds)
    print_tasks(rounds, suite)


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
