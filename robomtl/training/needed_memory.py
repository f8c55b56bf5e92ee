"""Memory that the training of a policy needs, compared with that of the machine."""

import math

import torch

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.errors import InputError
from robomtl.execution.locks import GENERATOR
from robomtl.execution.machine import memory
from robomtl.files.weights import TooLargeError, on_meta

_MOST_TENSORS = 2_000  # Most tensors of a network that is trained.
# Bytes per trained parameter: the value, its gradient, two moments and its EMA.
_TRAINED_BYTES = 20


def check_batch(card: Card, batch_size: int) -> None:
    """Checks that a batch fits into memory.

    Args:
        card: Card of the policy to be trained.
        batch_size: Samples in a batch.

    Raises:
        InputError: If its observations and actions alone do not.
    """
    spec = card.spec
    states = sum(spec.states.values()) * spec.history
    pictures = sum(math.prod(each.shape) for each in spec.images.values())
    actions = spec.action * int(card.config.get("chunk", 1))
    needed = batch_size * (4 * (states + actions) + pictures * spec.history)
    if needed > memory():
        raise InputError(
            f"batch_size is {batch_size}: a batch takes {needed / 1e9:,.0f} GB of memory,"
            f" and this machine has {memory() / 1e9:,.0f} GB. Give a smaller batch_size."
        )


def count_parameters(card: Card) -> int:
    """Number of parameters of a policy to be trained, counted without allocating them.

    Raises:
        InputError: If the policy has too many tensors, training it needs more memory than
            the machine has, or the objective does not fit it.
    """
    settings = ", ".join(f"{name}={value}" for name, value in card.config.items())
    try:
        with GENERATOR, torch.random.fork_rng(devices=[]):  # A plug-in may draw.
            policy = on_meta(lambda: checkpoint.build(card), _MOST_TENSORS)
        count = sum(each.numel() for each in policy.parameters())
        needed, available = count * _TRAINED_BYTES, memory()
        if needed > available:
            raise TooLargeError(
                f"training its {count:,} parameters takes {needed / 1e9:,.0f} GB of"
                f" memory, and this machine has {available / 1e9:,.0f} GB"
            )
    except TooLargeError as error:
        raise InputError(
            f"Policy '{card.policy}' with {settings} is too large: {error}. Give a smaller"
            " architecture."
        ) from error
    return count
