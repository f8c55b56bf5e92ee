"""Check that a policy keeps its contract; each violation is a sentence."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.checking.policy_subject import Subject, subject_of
from robomtl.checking.violations import Problem, sentences
from robomtl.errors import InputError
from robomtl.execution.locks import GENERATOR
from robomtl.policy import Batch, Memory, Policy, Spec
from robomtl.policy_contract import actions_of, loss_of
from robomtl.random_batch import ROWS, random_batch


@checked
def check_policy(
    policy: str, *, config: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Checks a policy; returns its violations of the contract, empty for a valid one.

    Args:
        policy: Registered name, such as ``film``; or a run directory, whose trained
            policy is checked.
        config: Fields of its config that differ from the defaults; ignored for a run.

    Raises:
        InputError: If there is no such policy, or only a method of adaptation builds it.
    """
    with GENERATOR, torch.random.fork_rng(devices=[]):
        subject = subject_of(policy, dict(config or {}))
        if isinstance(subject, Problem):
            return [subject]
        found = dict.fromkeys(sentences(_CHECKS, subject))
    return [Problem(subject.name, sentence) for sentence in found]


def _loss(subject: Subject) -> Iterator[str]:
    """Checks that the loss is finite for each sample and has finite gradients."""
    policy = subject.build().train()
    policy.requires_grad_(True)
    loss = loss_of(policy, random_batch(subject.spec, policy.chunk))
    if not loss.per_sample.isfinite().all():
        yield (
            f"loss returned {loss.per_sample.tolist()}, which is not finite; look for"
            " divisions by 0 and logarithms of 0."
        )
        return
    for name, value in loss.metrics.items():
        if not isinstance(value, Tensor) or value.ndim or value.requires_grad:
            yield (
                f"loss returned metrics['{name}'] as {type(value).__name__}; expected a"
                " tensor without dimensions, detached: value.mean().detach()."
            )
    if not loss.per_sample.requires_grad:
        yield "The loss has no gradient; do not detach it or compute it under no_grad."
        return
    loss.per_sample.mean().backward()  # type: ignore[no-untyped-call]
    gradients = [it.grad for it in policy.parameters() if it.grad is not None]
    if not gradients or not all(each.isfinite().all() for each in gradients):
        yield "The gradient of the loss is missing or not finite in some parameters."


def _mask(subject: Subject) -> Iterator[str]:
    """Checks that masked steps, past the end of an episode, do not affect the loss."""
    policy = subject.build().train()
    if policy.chunk < 2:
        return
    batch = random_batch(subject.spec, policy.chunk)
    half = policy.chunk // 2
    mask, other = batch.mask.clone(), batch.action.clone()
    mask[:, half:], other[:, half:] = 0, 0.123
    losses: list[Tensor] = []
    for action in (batch.action, other):
        torch.manual_seed(0)
        losses.append(loss_of(policy, batch._replace(mask=mask, action=action))[0])
    first, second = losses
    if not torch.allclose(first, second, atol=1e-6):
        yield (
            "The loss depends on actions where mask is 0, past the end of an episode;"
            " multiply the loss of each step by the mask."
        )


def _acting(subject: Subject) -> Iterator[str]:
    """Checks that action chunks have the specified shape and lie within [-1, 1]."""
    policy = subject.build().eval()
    batch = random_batch(subject.spec, policy.chunk)
    before = {name: it.clone() for name, it in policy.state_dict().items()}
    actions, _ = _act(policy, batch)
    if actions.shape[1] != policy.chunk:
        yield (
            f"act returned chunks of {actions.shape[1]}, but Config.chunk is"
            f" {policy.chunk} (1 if there is none); return as many actions."
        )
    if not actions.isfinite().all():
        yield "act returned numbers that are not finite."
    elif actions.abs().max() > 1:
        yield (
            f"act returned {float(actions.abs().max()):.3g}; actions lie within [-1, 1]:"
            " clamp them."
        )
    if any(not torch.equal(it, before[n]) for n, it in policy.state_dict().items()):
        yield (
            "act changed the policy's parameters or buffers; return what is to be kept"
            " during a trial as memory."
        )


def _repeats(subject: Subject) -> Iterator[str]:
    """Checks that actions follow from seed, observations and memory alone."""
    policy = subject.build().eval()
    batch, other = (random_batch(subject.spec, policy.chunk, seed=s) for s in (0, 1))
    first, memory = _act(policy, batch)
    again = _act(policy, batch)[0]
    if not torch.equal(first, again):
        yield (
            "act returned other actions for the same observations and the same"
            " torch.manual_seed; draw from torch's default generator alone, and keep"
            " nothing between calls but the memory."
        )
        return
    _act(policy, other)
    if not torch.equal(first, _act(policy, batch)[0]):
        yield (
            "act returned other actions after another trial; keep nothing between calls"
            " but the memory."
        )
    if memory is not None:  # A second step must accept it.
        _act(policy, other, memory)


def _rows(subject: Subject) -> Iterator[str]:
    """Checks that the actions of a row do not depend on the other rows of the batch."""
    policy = subject.build().eval()
    batch, other = (random_batch(subject.spec, policy.chunk, seed=s) for s in (0, 1))
    mixed = _joined(batch, other)
    rows = slice(0, ROWS // 2)
    first, memory = _act(policy, batch)
    beside, mixed_memory = _act(policy, mixed)
    if memory is not None and mixed_memory is not None:
        first = torch.cat([first, _act(policy, batch, memory)[0]], 1)
        beside = torch.cat([beside, _act(policy, mixed, mixed_memory)[0]], 1)
    if not torch.allclose(first[rows], beside[rows], atol=1e-5):
        yield (
            "The actions of a trial depend on the other trials of the batch; avoid"
            " batch normalisation and means over the first axis."
        )


def _joined(first: Batch, second: Batch) -> Batch:
    """Batch of the first half of one batch and the second half of another."""

    def join(left: Tensor, right: Tensor) -> Tensor:
        return torch.cat([left[: ROWS // 2], right[ROWS // 2 :]])

    observation = {n: join(it, second.observation[n]) for n, it in first[0].items()}
    rest = (
        join(left, right) for left, right in zip(first[1:], second[1:], strict=True)
    )
    return Batch(observation, *rest)


def _round_trip(subject: Subject) -> Iterator[str]:
    """Checks that a policy acts the same after its checkpoint was saved and loaded."""
    policy = subject.build().eval()
    batch = random_batch(subject.spec, policy.chunk)
    if subject.spec.states:
        policy.fit(_latest(batch.observation, subject.spec))
    before = _act(policy, batch)[0]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), policy, subject.card)
        try:
            loaded = checkpoint.load(folder).policy
        except InputError as error:
            yield (
                f"Its checkpoint cannot be loaded: {error} Parameters and buffers must"
                " follow from config and spec alone."
            )
            return
        if not torch.equal(before, _act(loaded, batch)[0]):
            yield (
                "It acts differently after its checkpoint was saved and loaded; store"
                " fitted values in parameters or buffers (register_buffer)."
            )


def _latest(observation: Mapping[str, Tensor], spec: Spec) -> dict[str, Tensor]:
    """Observation with only the latest step of each state's history."""
    if spec.history == 1:
        return dict(observation)
    return {n: it[:, -1] if n in spec.states else it for n, it in observation.items()}


def _devices(subject: Subject) -> Iterator[str]:
    """Checks that all tensors follow the policy to another device."""
    policy = subject.build().eval()
    for path, module in policy.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                where = f"{path}.{name}" if path else name
                yield (
                    f"'{where}' is a tensor but not a parameter or buffer, so that it stays"
                    " behind on the CPU; use register_buffer."
                )
    batch = random_batch(subject.spec, policy.chunk)
    try:
        # A tensor made without naming a device lands on this one, as it would land on
        # the CPU while the policy is on a GPU.
        with torch.device("meta"):
            made = [_act(policy, batch)[0], loss_of(policy, batch).per_sample]
    except NotImplementedError:
        return  # Moving a tensor after it was made is allowed.
    except RuntimeError as error:
        if "device" not in str(error):
            return
        made = [torch.empty(0, device="meta")]
    if any(tensor.is_meta for tensor in made):
        yield (
            "It creates a tensor without naming the device, which fails on a GPU; pass"
            " device=self.device."
        )


def _act(
    policy: Policy, batch: Batch, memory: Memory | None = None
) -> tuple[Tensor, Memory | None]:
    torch.manual_seed(0)
    with torch.no_grad():
        return actions_of(policy, batch.observation, batch.task_embedding, memory)


_CHECKS = (_loss, _mask, _acting, _repeats, _rows, _round_trip, _devices)
