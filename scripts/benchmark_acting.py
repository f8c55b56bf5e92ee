"""Milliseconds that a policy takes to act once, from state, on one core.

Policies at default sizes, not trained, act on random observations of a language-conditioned
Meta-World suite: a single trial, and a batch as large as evaluation fills. Rounds alternate
between the policies, which act some steps of a trial in each; the median of the processor
time of a step counts, so that other processes on the machine disturb little. Parameters, and
processor time of a training step, stand beside.
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

_STEPS = 10  # Of a trial, in a round.
_OWN: Mapping[str, Mapping[str, Any]] = {
    "flow": {"sampling_steps": 4},
    "diffusion": {"sampling_steps": 10},
}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is timed."""

    policies: tyro.conf.Positional[tuple[str, ...]] = (
        *("film", "mlp", "transformer", "act", "flow", "diffusion", "octo"),
    )
    """Architectures."""
    rounds: int = 30
    """Rounds, in each of which a policy acts ten times and is trained for a step."""
    batch_size: int = 128
    """Samples in a step of training."""
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
        history=architecture.usual_history,
    )
    made: Policy = architecture(architecture.Config(**_OWN.get(name, {})), spec)
    return made


def _jobs(policy: Policy, benchmark: Benchmark) -> dict[str, Callable[[], float]]:
    """What is timed of a policy, by name; each returns its processor time [s]."""
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
