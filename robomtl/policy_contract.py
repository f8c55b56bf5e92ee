"""Checks of the losses, actions and memories that plug-in policies return."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import OutOfMemoryError, Tensor

from robomtl.errors import InputError
from robomtl.plug_in import calling_method
from robomtl.policy import Batch, Loss, Memory, Policy
from robomtl.returned_values import kind_of


def loss_of(policy: Policy, batch: Batch) -> Loss:
    """The policy's loss for a batch, checked, in at least float32.

    Raises:
        InputError: If the policy returns anything but a loss per sample; the message has
            the policy, the returned value and the expected one.
    """
    loss = policy.loss(batch)
    check_loss(policy, loss, len(batch.action))
    if loss.per_sample.dtype == torch.float32:
        return loss
    weights = next(policy.parameters(), loss.per_sample).dtype
    kind = torch.promote_types(weights, torch.float32)
    return loss._replace(per_sample=loss.per_sample.to(kind))


def check_loss(source: object, loss: Any, rows: int) -> None:
    """Checks that a policy or an objective returned one loss per sample.

    Args:
        source: Policy or objective whose ``loss`` was called.
        loss: Returned value.
        rows: Number of samples.

    Raises:
        InputError: If it returned anything else; the message has the source, the returned
            value and the expected one.
    """
    name = f"{type(source).__name__}.loss"
    if not isinstance(loss, Loss):
        raise InputError(
            f"{name} returned {_kind(loss)}; expected a Loss with a tensor of shape"
            f" {(rows,)} and a dict of metrics."
        )
    per_sample: Any = loss.per_sample
    fits = isinstance(per_sample, Tensor) and per_sample.is_floating_point()
    if not fits or per_sample.shape != (rows,):
        raise InputError(
            f"{name} returned per_sample as {_kind(loss.per_sample)}; expected one loss per"
            f" sample, of shape {(rows,)}, not their mean, and of a floating type."
        )
    _check_metrics(name, loss.metrics)


def _check_metrics(source: str, metrics: Any) -> None:
    named = metrics.items() if isinstance(metrics, Mapping) else [("metrics", metrics)]
    for name, value in named:
        single = isinstance(value, Tensor) and value.numel() == 1
        if not single and not isinstance(value, int | float):
            raise InputError(
                f"{source} returned {name} as {_kind(value)}; expected a dict of metrics,"
                " each a number or a tensor of one element."
            )


def actions_of(
    policy: Policy,
    observation: Mapping[str, Tensor],
    task_embedding: Tensor,
    memory: Memory | None,
) -> tuple[Tensor, Memory | None]:
    """The policy's action chunk, in float32, and its memory, checked.

    Raises:
        InputError: If the policy returns anything else; the message has the policy, the
            returned value and the expected one.
        PlugInError: If the policy is a plug-in and raises an exception.
    """
    with calling_method(policy, "act", but=(FloatingPointError, OutOfMemoryError)):
        returned: Any = policy.act(observation, task_embedding, memory)
    rows, size = len(task_embedding), policy.spec.action
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise InputError(
            f"{type(policy).__name__}.act returned {_kind(returned)}; expected an action"
            " chunk and the memory to keep, or None."
        )
    chunk, kept = returned
    fits = isinstance(chunk, Tensor) and chunk.is_floating_point() and chunk.ndim == 3
    if not fits or chunk.shape[::2] != (rows, size) or not chunk.shape[1]:
        raise InputError(
            f"{type(policy).__name__}.act returned {_kind(chunk)}; expected an action chunk"
            f" of shape ({rows}, chunk, {size}), with at least 1 action."
        )
    if not _has_values(chunk):
        raise InputError(
            f"{type(policy).__name__}.act returned {_kind(chunk)}; expected a dense tensor"
            " with values."
        )
    if kept is not None and not _is_memory(kept, rows):
        raise InputError(
            f"{type(policy).__name__}.act returned {_memory_kind(kept)} as its memory;"
            f" expected None, or a robomtl.policy.Memory of tensors by name, each of {rows}"
            " rows."
        )
    return chunk.to(task_embedding.device, torch.float32), kept


def _has_values(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type != "meta"


def _is_memory(kept: Any, rows: int) -> bool:
    return (
        isinstance(kept, Memory)
        and isinstance(kept.tensors, Mapping)
        and all(
            isinstance(it, Tensor) and _has_values(it) and it.shape[:1] == (rows,)
            for it in kept.tensors.values()
        )
    )


def _memory_kind(kept: Any) -> str:
    if not isinstance(kept, Memory) or not isinstance(kept.tensors, Mapping):
        return kind_of(kept)
    return ", ".join(f"'{name}' as {_kind(it)}" for name, it in kept.tensors.items())


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        sort = f"{str(value.layout).removeprefix('torch.')} tensor"
        if _has_values(value):
            sort = "tensor"
        elif value.is_meta:
            sort = "tensor without values (device meta)"
        return f"a {sort} of shape {tuple(value.shape)} and type {dtype}"
    return kind_of(value)
