"""Starts of a training: a trained policy, or some of its parts, to continue from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.layers.vision import Vision
from robomtl.policy import POLICIES
from robomtl.ranges import check_types, settings
from robomtl.training.objective import continued_by
from robomtl.training.parameter_groups import within


@settings
@dataclass(frozen=True, kw_only=True)
class Start:
    """A policy that training continues from."""

    policy: TrainedPolicy | Path | str
    """The trained policy, or its run directory."""
    parts: tuple[str, ...] = ()
    """Parts whose weights are copied, such as ``encoder``, ``trunk`` or ``trunk.0``. If
    empty, all that fit, with the normaliser. The other parts are newly initialised."""

    def __post_init__(self) -> None:
        """Checks the types.

        Raises:
            InputError: If a value is of another type.
        """
        check_types(self)

    @property
    def trained(self) -> TrainedPolicy:
        """The policy, loaded from its run directory if one was given.

        Raises:
            InputError: If the folder has no policy, or a damaged one.
        """
        if isinstance(self.policy, TrainedPolicy):
            return self.policy
        return checkpoint.load(self.policy)


@dataclass(frozen=True, kw_only=True)
class Model:
    """An architecture and its objective as requested; None to use those of the start."""

    policy: str | None = None
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the start, or from the defaults."""
    conditioning: Sequence[Kind] | None = None
    """Kinds of the policy's conditioning."""
    objective: str | None = None
    """Registered name of the objective."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the start, or from the defaults."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An architecture and its objective, with all values resolved."""

    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of its config that differ from the defaults."""
    conditioning: Sequence[Kind]
    """Kinds of the policy's conditioning."""
    objective: str
    """Registered name of the objective."""
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
        InputError: If the folder has no policy, or a damaged one.
    """
    if start is None:
        return None
    whole = start if isinstance(start, Start) else Start(policy=start)
    return replace(whole, policy=whole.trained)


def resolved(model: Model, start: Start | None) -> Resolved:
    """The model completed by the values of the start, or by defaults without a start."""
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
    """The model of a start's policy, without the conditioning that is inferred."""
    card = start.trained.card
    following = continued_by(card.objective)
    settings = card.objective_config if following == card.objective else {}
    return Resolved(
        policy=card.policy,
        policy_config=card.config,
        conditioning=[k for k in card.conditioning.kinds if k != "demonstration"],
        objective=following,
        objective_config=settings,
    )


def usual_vision(given: Vision, start: Start | None) -> Vision:
    """Image encoder of a policy: the given one, or that of a start with its encoders.

    Args:
        given: Settings as given; the start's replace the defaults only.
        start: Policy that the training starts from, if any.
    """
    if start is None or given != Vision():
        return given
    taken = not start.parts or any(within(each, "observer") for each in start.parts)
    return start.trained.card.spec.vision if taken else given


def usual_history(policy: str, start: Start | None) -> int:
    """Number of observations that a policy reads if ``history`` is not given.

    Args:
        policy: Registered name of the architecture.
        start: Policy that the training starts from, if any.
    """
    if start is not None and start.trained.card.policy == policy:
        return start.trained.card.spec.history
    return POLICIES.get(policy).default_history


def identity(start: Start | None) -> dict[str, Any] | None:
    """The fields of a start that determine the trained policy, as JSON values."""
    if start is None:
        return None
    return {"sha256": start.trained.fingerprint, "parts": list(start.parts)}
