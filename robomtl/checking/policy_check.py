"""Proves that a policy keeps its contract, and says in words where it does not."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robomtl import checkpoint
from robomtl.checking.violations import Problem, sentences
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.observing import EMBODIMENT
from robomtl.paths import located
from robomtl.plug_in import described
from robomtl.policy import POLICIES, Batch, Memory, Policy, Spec, actions_of, loss_of

ROWS = 6
_SIDE = 32  # [px]
_SEEING = Embodiment(
    name="robot",
    observation={
        "state": Feature(kind="state", shape=(6,)),
        "front": Feature(kind="image", shape=(_SIDE, _SIDE, 3), camera="front"),
    },
    action=ActionFeature(size=3),
)
SPECS = (
    Spec(state=6, action=3, embedding=4, tasks=3),
    Spec(embodiments=(_SEEING,), embedding=4, tasks=3),
)
"""Sizes for which a policy is built; the first that it does not refuse is used."""


class _Subject(NamedTuple):
    """A policy to check."""

    name: str
    spec: Spec
    build: Callable[[], Policy]
    card: Card


def check_policy(
    policy: str, *, config: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Every way found in which a policy breaks its contract; empty for a good one.

    Args:
        policy: Registered name, such as ``film``; or a run directory, whose trained
            policy is checked.
        config: Fields of its config that differ from the defaults; not of a run.

    Raises:
        InputError: If there is no such policy, or a method of adaptation makes it.
    """
    with torch.random.fork_rng(devices=[]):
        subject = _found(policy, dict(config or {}))
        if isinstance(subject, Problem):
            return [subject]
        found = dict.fromkeys(sentences(_CHECKS, subject))
    return [Problem(subject.name, sentence) for sentence in found]


def _found(name: str, config: dict[str, Any]) -> _Subject | Problem:
    if name not in POLICIES.names() and Path(name).is_dir():
        trained = checkpoint.load(located(name))
        return _Subject(
            trained.card.policy,
            trained.card.spec,
            lambda: checkpoint.load(located(name)).policy,
            trained.card,
        )
    architecture: Any = POLICIES.get(name)
    fault = _class_fault(architecture)
    if fault:
        return Problem(name, fault)
    if not architecture.trainable:
        raise InputError(
            f"'{name}' is made by a method of adaptation, not trained from a"
            " specification; check a trained run of it, or a policy that is trainable."
        )
    refusal = ""
    for spec in SPECS:
        card = _card(name, config, spec)

        def build(card: Card = card) -> Policy:
            torch.manual_seed(0)
            return checkpoint.build(card)

        try:
            architecture.check(spec)
            build()
        except InputError as error:
            refusal = str(error)
            continue
        except Exception as error:  # Plug-ins raise anything.
            refusal = f"it met a {described(error)}"
            continue
        return _Subject(name, spec, build, card)
    return Problem(name, f"It cannot be built for {SPECS[0]}: {refusal}.")


def _class_fault(architecture: Any) -> str:
    if not isinstance(architecture, type) or not issubclass(architecture, Policy):
        return f"It is {architecture!r}; expected a subclass of robomtl.policy.Policy."
    config: Any = getattr(architecture, "Config", None)
    if not is_dataclass(config) or not config.__dataclass_params__.frozen:  # type: ignore[union-attr]
        return (
            f"Its Config is {config!r}; give it a frozen dataclass, whose fields are the"
            " flags --architecture.NAME."
        )
    needed = [
        each.name
        for each in fields(config)
        if each.default is MISSING and each.default_factory is MISSING
    ]
    if needed:
        return (
            f"Its Config has no default for {', '.join(needed)}; give each field one."
        )
    return ""


def _card(name: str, config: dict[str, Any], spec: Spec) -> Card:
    settings = checkpoint.configure(name, config)
    return Card(
        policy=name,
        config={each.name: getattr(settings, each.name) for each in fields(settings)},
        spec=spec,
        conditioning=Conditioning(
            kinds=("one_hot",), tasks=tuple("abcd"[: spec.embedding])
        ),
        suite="",
        suite_options={},
        step=0,
    )


def batch_for(spec: Spec, chunk: int, *, seed: int = 0, rows: int = ROWS) -> Batch:
    """A batch of random numbers of a policy's sizes, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    time = (spec.history,) if spec.history > 1 else ()
    observation = {
        name: torch.randn(rows, *time, size, generator=generator)
        for name, size in spec.states.items()
    }
    for name, feature in spec.images.items():
        shape = (rows, *time, *feature.shape)
        observation[name] = torch.randint(0, 256, shape, generator=generator).byte()
    for name, feature in spec.goals.items():
        shape = (rows, *feature.shape)
        observation[name] = torch.randint(0, 256, shape, generator=generator).byte()
    if len(spec.embodiments) > 1:
        observation[EMBODIMENT] = torch.arange(rows) % len(spec.embodiments)
    task_embedding = torch.randn(rows, spec.embedding, generator=generator)
    task_embedding[:, : spec.text] = 97.0  # A letter.
    action = torch.rand(rows, chunk, spec.action, generator=generator) * 2 - 1
    return Batch(
        observation=observation,
        action=action,
        mask=torch.ones(rows, chunk),
        task_embedding=task_embedding,
        task=torch.arange(rows) % spec.tasks,
    )


def _loss(subject: _Subject) -> Iterator[str]:
    """The loss is one finite number a sample, of which gradients follow."""
    policy = subject.build().train()
    policy.requires_grad_(True)
    loss = loss_of(policy, batch_for(subject.spec, policy.chunk))
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
        yield "No gradient follows from the loss; do not detach it, nor use no_grad."
        return
    loss.per_sample.mean().backward()  # type: ignore[no-untyped-call]
    gradients = [it.grad for it in policy.parameters() if it.grad is not None]
    if not gradients or not all(each.isfinite().all() for each in gradients):
        yield "The gradient of the loss is missing or not finite in some parameters."


def _mask(subject: _Subject) -> Iterator[str]:
    """Steps past the end of an episode do not count."""
    policy = subject.build().train()
    if policy.chunk < 2:
        return
    batch = batch_for(subject.spec, policy.chunk)
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


def _acting(subject: _Subject) -> Iterator[str]:
    """Action chunks have the shape of the specification and lie within [-1, 1]."""
    policy = subject.build().eval()
    batch = batch_for(subject.spec, policy.chunk)
    before = {name: it.clone() for name, it in policy.state_dict().items()}
    actions, memory = _act(policy, batch)
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
            "act changed the policy's parameters or buffers; what is kept of a trial is"
            " returned as memory."
        )
    yield from _memory_faults(memory)


def _memory_faults(memory: Any) -> Iterator[str]:
    if memory is None:
        return
    if not isinstance(memory, Memory):
        yield f"act returned {type(memory).__name__} as memory; expected a Memory or None."
        return
    for name, tensor in memory.tensors.items():
        if tensor.shape[:1] != (ROWS,):
            yield (
                f"memory.tensors['{name}'] has the shape {tuple(tensor.shape)} after a batch"
                f" of {ROWS}; its first axis is the trial."
            )


def _repeats(subject: _Subject) -> Iterator[str]:
    """The same seed and observations give the same actions, whatever came before."""
    policy = subject.build().eval()
    batch, other = (batch_for(subject.spec, policy.chunk, seed=s) for s in (0, 1))
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
    if memory is not None:  # A second step goes on with it.
        _act(policy, other, memory)


def _rows(subject: _Subject) -> Iterator[str]:
    """What is returned of a sample depends on that sample alone."""
    policy = subject.build().eval()
    batch, other = (batch_for(subject.spec, policy.chunk, seed=s) for s in (0, 1))
    mixed = _joined(batch, other)
    rows = slice(0, ROWS // 2)
    first, memory = _act(policy, batch)
    beside, mixed_memory = _act(policy, mixed)
    if memory is not None and mixed_memory is not None:
        first = torch.cat([first, _act(policy, batch, memory)[0]], 1)
        beside = torch.cat([beside, _act(policy, mixed, mixed_memory)[0]], 1)
    if not torch.allclose(first[rows], beside[rows], atol=1e-5):
        yield (
            "The actions of a trial depend on the other trials of the batch; beware of"
            " batch normalisation and of means over the first axis."
        )


def _joined(first: Batch, second: Batch) -> Batch:
    """The first half of a batch, then the second half of another."""

    def join(left: Tensor, right: Tensor) -> Tensor:
        return torch.cat([left[: ROWS // 2], right[ROWS // 2 :]])

    observation = {n: join(it, second.observation[n]) for n, it in first[0].items()}
    rest = (
        join(left, right) for left, right in zip(first[1:], second[1:], strict=True)
    )
    return Batch(observation, *rest)


def _round_trip(subject: _Subject) -> Iterator[str]:
    """A checkpoint restores the policy."""
    policy = subject.build().eval()
    batch = batch_for(subject.spec, policy.chunk)
    if subject.spec.states:
        policy.fit(_latest(batch.observation, subject.spec))
    before = _act(policy, batch)[0]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), policy, subject.card)
        try:
            loaded = checkpoint.load(folder).policy
        except InputError as error:
            yield (
                f"Its checkpoint cannot be loaded: {error} Parameters and buffers follow"
                " from config and spec alone."
            )
            return
        if not torch.equal(before, _act(loaded, batch)[0]):
            yield (
                "It acts otherwise after its checkpoint was saved and loaded; hold what"
                " is fitted in parameters or buffers (register_buffer)."
            )


def _latest(observation: Mapping[str, Tensor], spec: Spec) -> dict[str, Tensor]:
    """The latest observations of histories."""
    if spec.history == 1:
        return dict(observation)
    return {n: it[:, -1] if n in spec.states else it for n, it in observation.items()}


def _devices(subject: _Subject) -> Iterator[str]:
    """All tensors follow the policy to another device."""
    policy = subject.build().eval()
    for path, module in policy.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                where = f"{path}.{name}" if path else name
                yield (
                    f"'{where}' is a tensor but no parameter or buffer, so that it stays"
                    " behind on the CPU; use register_buffer."
                )
    batch = batch_for(subject.spec, policy.chunk)
    try:
        # What is made without naming a device lands on this one, as it would on the CPU
        # while the policy is on a GPU.
        with torch.device("meta"):
            made = [_act(policy, batch)[0], loss_of(policy, batch).per_sample]
    except NotImplementedError:
        return  # A tensor was moved after it was made, which is allowed.
    except RuntimeError as error:
        if "device" not in str(error):
            return
        made = [torch.empty(0, device="meta")]
    if any(tensor.is_meta for tensor in made):
        yield (
            "It makes a tensor without naming the device, which fails on a GPU; pass"
            " device=self.device."
        )


def _act(
    policy: Policy, batch: Batch, memory: Memory | None = None
) -> tuple[Tensor, Memory | None]:
    torch.manual_seed(0)
    with torch.no_grad():
        return actions_of(policy, batch.observation, batch.task_embedding, memory)


_CHECKS = (_loss, _mask, _acting, _repeats, _rows, _round_trip, _devices)
