"""Training that continues from a trained policy, or from some of its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.errors import InputError
from robomtl.policy import POLICIES, Policy
from robomtl.training.parameter_groups import check_parts, parts_of, within

NORMALISER = "normaliser"
_FRESH = "meta"  # Belongs to an objective, which a start need not share.


@dataclass(frozen=True, kw_only=True)
class Start:
    """A policy that training continues from."""

    policy: TrainedPolicy | Path | str
    """The trained policy, or its run directory."""
    parts: tuple[str, ...] = ()
    """Parts whose weights are taken, such as ``encoder``, ``trunk`` or ``trunk.0``; all,
    with the normaliser, if empty. The others are initialised afresh."""

    @property
    def trained(self) -> TrainedPolicy:
        """The policy, which is read if it is a run directory.

        Raises:
            InputError: If the folder holds no policy, or a broken one.
        """
        if isinstance(self.policy, TrainedPolicy):
            return self.policy
        return checkpoint.load(self.policy)


@dataclass(frozen=True, kw_only=True)
class Model:
    """An architecture, and how it is trained; None stands for that of the start."""

    policy: str | None = None
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the start, or from the defaults."""
    conditioning: Sequence[Kind] | None = None
    """What the policy is conditioned on."""
    objective: str | None = None
    """Registered name of what is minimised."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the start, or from the defaults."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An architecture and its objective, without anything left open."""

    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of its config that differ from the defaults."""
    conditioning: Sequence[Kind]
    """What the policy is conditioned on."""
    objective: str
    """Registered name of what is minimised."""
    objective_config: Mapping[str, Any]
    """Settings of the objective that differ from the defaults."""


_FROM_SCRATCH = Resolved(
    policy="film",
    policy_config={},
    conditioning=("language",),
    objective="cloning",
    objective_config={},
)


def loaded(start: Start | TrainedPolicy | Path | str | None) -> Start | None:
    """The start with its policy in memory; None for training from scratch.

    Raises:
        InputError: If the folder holds no policy, or a broken one.
    """
    if start is None:
        return None
    given = start if isinstance(start, Start) else Start(policy=start)
    return replace(given, policy=given.trained)


def resolved(model: Model, start: Start | None) -> Resolved:
    """The model with the values of the start, or the defaults, where none are given."""
    usual = _FROM_SCRATCH if start is None else _of(start)
    policy, objective = model.policy or usual.policy, model.objective or usual.objective
    config = usual.policy_config if policy == usual.policy else {}
    settings = usual.objective_config if objective == usual.objective else {}
    kinds = usual.conditioning if model.conditioning is None else model.conditioning
    return Resolved(
        policy=policy,
        policy_config={**config, **model.policy_config},
        conditioning=kinds,
        objective=objective,
        objective_config={**settings, **model.objective_config},
    )


def _of(start: Start) -> Resolved:
    """What a start was trained as; its objective adds what it infers by itself."""
    card = start.trained.card
    return Resolved(
        policy=card.policy,
        policy_config=card.config,
        conditioning=[k for k in card.conditioning.kinds if k != "demonstration"],
        objective=card.objective,
        objective_config=card.objective_config,
    )


def usual_history(policy: str, start: Start | None) -> int:
    """Number of observations that a policy reads where none is given.

    Args:
        policy: Registered name of the architecture.
        start: What the training continues from.
    """
    if start is not None and start.trained.card.policy == policy:
        return start.trained.card.spec.history
    return POLICIES.get(policy).usual_history


def identity(start: Start | None) -> dict[str, Any] | None:
    """What of a start decides the outcome of a training, as JSON holds it."""
    if start is None:
        return None
    return {"sha256": start.trained.fingerprint, "parts": list(start.parts)}


def take_weights(policy: Policy, start: Start) -> None:
    """Copies the weights of a start's parts into a policy.

    Args:
        policy: Freshly built.
        start: Its policy is in memory.

    Raises:
        InputError: If there is no such part, or one does not fit; names those that do.
    """
    trained = start.trained.policy
    check_parts(trained, start.parts)
    here, there = policy.state_dict(), trained.state_dict()
    every = dict.fromkeys([*parts_of(policy), *parts_of(trained)])
    if _misfit(here, there, _FRESH):  # Nor is one taken that the objective lacks.
        every.pop(_FRESH, None)
    parts = start.parts or tuple(every)
    for part in parts:
        if misfit := _misfit(here, there, part):
            fitting = [each for each in every if not _misfit(here, there, each)]
            raise InputError(_refusal(start, part, misfit, fitting))
    taken = {n: v for n, v in there.items() if any(within(n, part) for part in parts)}
    policy.load_state_dict(taken, strict=False)


def takes_normaliser(start: Start | None) -> bool:
    """Whether the statistics of the start are kept, and not fitted on the new data."""
    return start is not None and (not start.parts or NORMALISER in start.parts)


def _misfit(here: Mapping[str, Tensor], there: Mapping[str, Tensor], part: str) -> str:
    """The first tensor of a part that differs in shape or is not in both; else empty."""
    for name in sorted({*here, *there}):
        if within(name, part) and _size(here, name) != _size(there, name):
            return f"{name} is {_size(there, name)} there and {_size(here, name)} here"
    return "" if any(within(name, part) for name in here) else f"there is no {part}"


def _size(tensors: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "missing"


def _refusal(start: Start, part: str, misfit: str, fitting: Sequence[str]) -> str:
    parts = ", ".join(fitting)
    advice = f"parts that fit: {parts} (start_parts)" if fitting else "another start"
    return (
        f"The start, a policy '{start.trained.card.policy}', does not fit at part"
        f" '{part}': {misfit}. Give {advice}, or train from scratch."
    )
