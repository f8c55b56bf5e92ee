"""Benchmark of image encoders: images per second, and number of parameters.

    scripts/benchmark encoders --size 84

Rates are per second of processor time of one thread, on which other work on the machine has
less influence; the best of a few tries is reported.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro

from robomtl.image_encoder import ENCODERS, TASK_WIDTH, ImageEncoder
from robomtl.layers.vision import IMAGENET, Vision
from robomtl.versions import processor

_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    size: int = 84
    """Side of an image [px]."""
    batch_size: int = 32
    """Images per step."""
    encoders: tuple[str, ...] = tuple(n for n in ENCODERS.built_in() if n != "timm")
    """Names of the encoders; vit needs image sides that are multiples of 14 px."""


def main(benchmark: Benchmark) -> None:
    """Prints a line for each encoder."""
    torch.set_num_threads(1)
    print(f"{processor()}, images of {benchmark.size} px, images per second")
    print("encoder, parameters, training float32, bfloat16, acting float32, bfloat16")
    for name in benchmark.encoders:
        kind = ENCODERS.get(name)
        weights = IMAGENET if kind.pretrained else ""
        shape = (benchmark.size, benchmark.size, 3)
        encoder = kind(Vision(encoder=name, weights=weights), shape)
        rates = [f"{rate:.0f}" for rate in _rates(encoder, benchmark)]
        count = sum(each.numel() for each in encoder.parameters())
        print(f"{name}, {count:,}, {', '.join(rates)}", flush=True)


def _rates(encoder: ImageEncoder, benchmark: Benchmark) -> list[float]:
    """Images per second, forward and backward, then forward only [1/s].

    Returns:
        Rates in float32 and bfloat16 of training, then of acting.
    """
    sides = benchmark.size, benchmark.size
    images = torch.randint(256, (benchmark.batch_size, *sides, 3), dtype=torch.uint8)
    task = torch.randn(benchmark.batch_size, TASK_WIDTH)
    rates = []
    for backward in (True, False):
        for precision in (torch.float32, torch.bfloat16):

            def step(
                backward: bool = backward, precision: torch.dtype = precision
            ) -> None:
                mixed = precision != torch.float32
                with (
                    torch.set_grad_enabled(backward),
                    torch.autocast("cpu", precision, enabled=mixed),
                ):
                    features = encoder(images, task)
                if backward:
                    features.float().square().mean().backward()

            rates.append(benchmark.batch_size / _fastest(step))
    return rates


def _fastest(action: Callable[[], None]) -> float:
    """Shortest processor time of a few tries [s]."""
    taken = []
    for _ in range(_TRIES + 1):
        before = time.process_time()
        action()
        taken.append(time.process_time() - before)
    return min(taken[1:])


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
