"""Steps a second of training against a bare PyTorch loop, side by side.

The bare loop trains the same network with the same optimiser on one batch that lies in
memory: forward, loss, backward, step. Training adds the drawing of batches, clipping,
schedule, averaged weights and the check for losses that are not finite. Blocks of steps
alternate between the two, and the ratio is the median over pairs of blocks.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from robomtl.conditioning import Conditioning, Wordings
from robomtl.demonstrations import Demonstrations
from robomtl.policy import Policy, Spec
from robomtl.registry import POLICIES, suite
from robomtl.task import find_task
from robomtl.training import TrainConfig
from robomtl.training.learner import Learner
from robomtl.training.samples import Sampler, frames


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is timed."""

    data: tyro.conf.Positional[Path]
    """Demonstrations of a suite."""
    policy: str = "film"
    """Architecture."""
    steps: int = 50
    """Steps in a block."""
    pairs: int = 20
    """Pairs of blocks."""
    threads: int = 2
    """Threads of torch."""


def main(benchmark: Benchmark) -> None:
    """Prints steps a second of both and the median ratio."""
    torch.set_num_threads(benchmark.threads)
    config = TrainConfig(threads=benchmark.threads)
    sampler, spec = _sampler(Demonstrations(benchmark.data), config)
    learner = Learner(_policy(benchmark.policy, spec), config)
    bare = _bare_step(_policy(benchmark.policy, spec), sampler, config)

    def ours() -> None:
        learner.update(sampler.batch(learner.step, config.batch))

    pairs = [
        (_rate(ours, benchmark.steps), _rate(bare, benchmark.steps))
        for _ in range(benchmark.pairs + 1)
    ][1:]  # The first pair warms up.
    rates = [statistics.median(column) for column in zip(*pairs, strict=True)]
    ratios = sorted(one / other for one, other in pairs)
    print(f"training {rates[0]:.1f} steps/s, bare loop {rates[1]:.1f} steps/s")
    print(
        f"ratio {statistics.median(ratios):.3f} "
        f"(from {ratios[0]:.3f} to {ratios[-1]:.3f} over {len(ratios)} pairs)"
    )


def _sampler(
    demonstrations: Demonstrations, config: TrainConfig
) -> tuple[Sampler, Spec]:
    assert demonstrations.suite is not None
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    conditioning = Conditioning(kinds=("language",), tasks=demonstrations.tasks)
    instructions = [find_task(made, name).instructions for name in demonstrations.tasks]
    sampler = Sampler(
        frames(demonstrations, range(len(demonstrations)), torch.device("cpu")),
        Wordings(conditioning, instructions, config.augmentation),
        conditioning,
        chunk=1,
        temperature=config.temperature,
        seed=config.seed,
    )
    spec = Spec(
        state=demonstrations.state.shape[1],
        action=demonstrations.action.shape[1],
        embedding=conditioning.size,
    )
    return sampler, spec


def _policy(name: str, spec: Spec) -> Policy:
    torch.manual_seed(0)
    architecture = POLICIES.get(name)
    made: Policy = architecture(architecture.Config(), spec)
    return made


def _bare_step(
    policy: Policy, sampler: Sampler, config: TrainConfig
) -> Callable[[], None]:
    batch = sampler.batch(0, config.batch)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = policy.loss(batch).per_sample.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _rate(step: Callable[[], None], steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
