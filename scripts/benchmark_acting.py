"""Benchmark of the time of one prediction and one training step, from state, on one core [ms].

Untrained policies of default size act on random observations with the sizes of a
language-conditioned Meta-World suite: for a single trial, and for the batch of trials that an
evaluation uses. Rounds alternate between the policies; medians of processor time are
reported, so that other processes on the machine have little influence.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import tyro
from torch import Tensor

from robomtl.evaluation.trials import CHUNK
from robomtl.execution.machine import Precision
from robomtl.policy import POLICIES, Batch, Policy, Spec
from robomtl.versions import processor

_STEPS = 10  # Steps of a trial in each round.
_OWN: Mapping[str, Mapping[str, Any]] = {
    "flow": {"sampling_steps": 4},
    "diffusion": {"sampling_steps": 10},
}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    policies: tyro.conf.Positional[tuple[str, ...]] = (
        *("film", "mlp", "transformer", "act", "flow", "diffusion", "octo"),
    )
    """Architectures."""
    rounds: int = 30
    """Number of rounds, each with ten predictions and one training step per policy."""
    batch_size: int = 128
    """Samples per training step."""
    precision: Precision = "float32"
    """Arithmetic of training."""


def main(benchmark: Benchmark) -> None:
    """Prints a line for each policy."""
    torch.set_num_threads(1)
    made = {name: _policy(name) for name in benchmark.policies}
    jobs = {
        (name, job): work
        for name, policy in made.items()
        for job, work in _jobs(policy, benchmark).items()
    }
    found: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    for number in range(benchmark.rounds + 2):  # Two rounds warm up.
        for key, work in jobs.items():
            taken = work()
            if number > 1:
                found[key].append(taken)
    print(f"{processor()}, one thread, medians of {benchmark.rounds}, in ms")
    print(
        f"policy        parameters  act of 1  of {CHUNK}  step of {benchmark.batch_size}"
    )
    for name, policy in made.items():
        one, many, step = (
            1e3 * statistics.median(found[name, job]) for job in ("one", "many", "step")
        )
        print(
            f"{name:12} {policy.num_parameters:11,} {one:9.2f} {many:6.2f} {step:12.1f}"
        )


def _policy(name: str) -> Policy:
    torch.manual_seed(0)
    architecture = POLICIES.get(name)
    spec = Spec(
        state=39,
        action=4,
        embedding=384,
        tasks=10,
        history=architecture.default_history,
    )
    made: Policy = architecture(architecture.Config(**_OWN.get(name, {})), spec)
    return made


def _jobs(policy: Policy, benchmark: Benchmark) -> dict[str, Callable[[], float]]:
    """The timed functions of a policy, by name; each returns its processor time [s]."""
    one, many = (_batch(policy, rows) for rows in (1, CHUNK))
    batch = _batch(policy, benchmark.batch_size)
    mixed = benchmark.precision == "bfloat16"
    optimiser = torch.optim.AdamW(policy.parameters(), lr=1e-3, fused=True)

    def act(given: Batch) -> float:
        policy.eval()
        memory, times = None, []
        with torch.inference_mode():
            for _ in range(_STEPS):
                before = time.process_time()
                _, memory = policy.act(given.observation, given.task_embedding, memory)
                times.append(time.process_time() - before)
        return statistics.median(times)

    def step() -> float:
        before = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = policy.train().loss(batch).per_sample.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return time.process_time() - before

    return {"one": lambda: act(one), "many": lambda: act(many), "step": step}


def _batch(policy: Policy, rows: int) -> Batch:
    spec, chunk = policy.spec, policy.chunk
    times = (spec.history,) if spec.history > 1 else ()
    observation: dict[str, Tensor] = {"state": torch.randn(rows, *times, spec.state)}
    return Batch(
        observation=observation,
        action=torch.rand(rows, chunk, spec.action) * 2 - 1,
        mask=torch.ones(rows, chunk),
        task_embedding=torch.randn(rows, spec.embedding),
        task=torch.arange(rows) % spec.tasks,
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark, description=__doc__))
