"""Measurements that need a GPU, which can be resumed: `scripts/benchmark gpu OUT`.

- trials: tests that an evaluation has the same outcomes with 1, 2 and 16 workers.
- steps: training steps per second, compared with the same network on a fixed batch, replayed
  as one CUDA graph of forward, backward and AdamW; on the CPU, with a bare loop.
- objective, method: tests that each objective and each adaptation method can take a step.

Finished measurements are kept in OUT/gpu.json; ``--device cpu`` tests the script without a
GPU.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

import robomtl
from robomtl import checkpoint
from robomtl.adaptation.method import METHODS
from robomtl.checkpoint import Card
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine, Precision, check_device
from robomtl.files.durable import write_json
from robomtl.policy import Batch, Policy
from robomtl.suites import suite
from robomtl.training import TrainConfig
from robomtl.training.config import LearnerKind
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.learner import Learner, learner_for
from robomtl.training.loop import take_steps
from robomtl.training.material import materials, spec_for
from robomtl.training.objective import OBJECTIVES, Cloning, Draws

_POINTS = "points/ML4"
_FEW_SHOT = "reach-ball"  # A held-out task of that suite.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the measurements."""

    out: tyro.conf.Positional[Path]
    """Folder of the results, demonstrations and policies; an existing one is resumed."""
    device: str = "cuda"
    """Torch device."""
    suite: str = "metaworld/MT10"
    """Suite of the trials and of the steps."""
    policy: str = "film"
    """Architecture of the steps."""
    steps: int = 200
    """Number of timed steps."""
    trials: int = 5
    """Trials of each task."""


def main(benchmark: Benchmark) -> None:
    """Runs the missing measurements and prints their results."""
    check_device(benchmark.device)
    path = benchmark.out / "gpu.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name, measure in _pieces(benchmark):
        if name not in found:
            begun = time.perf_counter()
            found[name] = measure()
            write_json(path, found)
            taken = time.perf_counter() - begun
            print(f"{name}: {found[name]} ({taken:.0f} s)", flush=True)
    different = {str(found[f"trials/{n}"]) for n in _WORKERS}
    print(f"Trials are {'equal' if len(different) == 1 else 'NOT equal'}. All: {path}")


_WORKERS = (1, 2, 16)
_LEARNERS: tuple[LearnerKind, ...] = ("joined", "module")
_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def _pieces(benchmark: Benchmark) -> Iterator[tuple[str, Callable[[], Any]]]:
    for workers in _WORKERS:
        yield f"trials/{workers}", partial(_trials, benchmark, workers)
    for precision in _PRECISIONS:
        yield f"steps/{precision}", partial(_steps, benchmark, precision)
    for name in OBJECTIVES.built_in():
        yield f"objective/{name}", partial(_objective, benchmark, name)
    for name in METHODS.built_in():
        yield f"method/{name}", partial(_method, benchmark, name)


def _data(benchmark: Benchmark, name: str) -> Demonstrations:
    """Demonstrations of a suite's training tasks, collected once."""
    return collect(
        suite(name),
        benchmark.out / name,
        config=CollectionConfig(episodes=5),
        compute=Compute(workers=2),
    )


def _trials(benchmark: Benchmark, workers: int) -> dict[str, Any]:
    """Outcomes of an evaluation, which must be equal for all numbers of workers."""
    run = benchmark.out / "policy"
    config = TrainConfig(steps=1_000, device=benchmark.device)
    robomtl.train(_data(benchmark, benchmark.suite), out=run, config=config)
    with robomtl.serve(robomtl.PolicyAgent(run), device=benchmark.device) as agent:
        results = robomtl.evaluate(
            agent,
            suite(benchmark.suite),
            out=benchmark.out / f"trials-{workers}",
            config=robomtl.EvaluationConfig(episodes=benchmark.trials),
            compute=robomtl.Compute(workers=workers),
        )
    steps = [each.first_success_step for each in results.records]
    return {"task_mean": results.task_mean, "first_success_steps": steps}


def _steps(benchmark: Benchmark, precision: Precision) -> dict[str, float]:
    """Training steps per second of each learner and of the bare loop [1/s]."""
    data = _data(benchmark, benchmark.suite)
    config = TrainConfig(
        steps=benchmark.steps, device=benchmark.device, precision=precision
    )
    conditioning = conditioning_for(data, ("language",), Cloning())
    card = Card(
        policy=benchmark.policy,
        config={},
        spec=spec_for(data, conditioning, config),
        conditioning=conditioning,
        suite="",
        suite_options={},
        step=0,
        objective="cloning",
        objective_config={},
    )
    policy = checkpoint.build(card).to(benchmark.device)
    material, _ = materials(data, conditioning, config, chunk=policy.chunk)
    policy.fit_blocks(material.observations(0))
    draws = Cloning().draws(material, config)
    bare = _bare(policy, draws.batch(0, config.batch_size), precision)
    yardstick = _rate(lambda: [bare() for _ in range(benchmark.steps)], benchmark)
    found = {"yardstick": yardstick}
    for kind in _LEARNERS:
        fresh = checkpoint.build(card).to(benchmark.device)
        chosen = replace(config, learner=kind)
        learner = learner_for(fresh, chosen, Cloning(), conditioning.tasks)
        found[kind] = _rate(partial(_train, learner, draws, chosen), benchmark)
    return {**found, "ratio": found["joined"] / yardstick}


def _train(learner: Learner, draws: Draws, config: TrainConfig) -> None:
    learner.step = 0
    take_steps(learner, draws, config, seed=0)


def _bare(policy: Policy, batch: Batch, precision: Precision) -> Callable[[], None]:
    """A training step on a fixed batch on the device; on CUDA, replayed as a graph."""
    kind, mixed = policy.device.type, precision == "bfloat16"
    optimiser = torch.optim.AdamW(
        policy.parameters(), lr=1e-3, capturable=kind == "cuda"
    )

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(kind, torch.bfloat16, enabled=mixed, cache_enabled=False):
            loss = policy.loss(batch).per_sample.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    if kind != "cuda":
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # Warms up, as a capture must not allocate.
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _rate(work: Callable[[], Any], benchmark: Benchmark) -> float:
    """Steps per second, the best of three rounds [1/s]."""
    wait = (
        torch.cuda.synchronize if "cuda" in benchmark.device else torch.cpu.synchronize
    )
    taken = []
    for _ in range(3):
        wait()
        before = time.perf_counter()
        work()
        wait()
        taken.append(time.perf_counter() - before)
    return benchmark.steps / min(taken)


def _objective(benchmark: Benchmark, name: str) -> str:
    """Trains a policy by one step of an objective."""
    robomtl.train(
        _data(benchmark, _POINTS),
        out=benchmark.out / "objectives" / name,
        policy=getattr(OBJECTIVES.get(name), "architecture", "film"),
        objective=name,
        config=TrainConfig(steps=1, batch_size=24, device=benchmark.device),
    )
    return "a step"


def _method(benchmark: Benchmark, name: str) -> str:
    """Adapts a policy by one step of a method."""
    objective = METHODS.get(name).objective or "cloning"
    shown = collect(
        suite(_POINTS),
        benchmark.out / "shown",
        config=CollectionConfig(tasks=[_FEW_SHOT], episodes=2),
        compute=Compute(workers=1),
    )
    budget = robomtl.Budget(
        steps=1, batch_size=8, machine=Machine(device=benchmark.device)
    )
    prior = _data(benchmark, _POINTS)
    robomtl.adapt(
        benchmark.out / "objectives" / objective,
        robomtl.Support(demonstrations=shown, prior=prior),
        method=name,
        budget=budget,
    )
    return "a step"


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
