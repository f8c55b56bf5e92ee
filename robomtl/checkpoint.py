"""Checkpoints of trained policies: weights in safetensors, and a card in JSON."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch.nn.parameter import is_lazy

from robomtl.acting.actor_settings import ActorSettings
from robomtl.arguments import checked
from robomtl.conditioning import Conditioning
from robomtl.earlier import present_card, present_tensors
from robomtl.errors import InputError
from robomtl.execution.locks import GENERATOR
from robomtl.files.durable import replacing, write_json
from robomtl.files.folder_kinds import POLICY, holding
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.files.untrusted import converted, read_json
from robomtl.files.weights import (
    check_finite,
    digest_of,
    on_meta,
    read_header,
    read_tensors,
)
from robomtl.policy import POLICIES, Policy, Spec
from robomtl.ranges import check_names, made_of, typed_fields
from robomtl.training.objective import OBJECTIVES

_FORMAT = 1
_LARGEST = 2**31  # Largest size of a network; torch itself fails beyond 64 bits.
_WEIGHTS = "policy.safetensors"


@dataclass(frozen=True, kw_only=True)
class Card:
    """Metadata of a policy, stored beside its weights."""

    policy: str
    """Registered name of the architecture."""
    config: Mapping[str, Any]
    """Fields of the architecture's config."""
    spec: Spec
    """Sizes of the observations, the task embedding and the actions."""
    conditioning: Conditioning
    """Conditioning of the policy."""
    suite: str
    """Name of the training suite; empty for data without one."""
    suite_options: Mapping[str, Any]
    """Options of the training suite."""
    step: int
    """Number of gradient steps taken."""
    objective: str = "cloning"
    """Registered name of the training objective."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective."""
    acting: ActorSettings = field(default_factory=ActorSettings)
    """Settings by which action chunks are executed."""


@dataclass(frozen=True, kw_only=True)
class TrainedPolicy:
    """A policy with the metadata that it needs to act."""

    policy: Policy
    """The network, in evaluation mode, on the CPU."""
    card: Card
    """Metadata of the policy."""
    fingerprint: str
    """sha256 of weights and card."""


def configure(policy: str, fields: Mapping[str, Any]) -> Any:
    """The config of an architecture, with the given fields in place of the defaults.

    Raises:
        InputError: If the architecture or a field is unknown, or a value has the wrong
            type or is refused by the config.
    """
    check_head_choice(policy, fields)
    return _configured(f"Policy '{policy}'", POLICIES.get(policy).Config, fields)


def check_head_choice(policy: str, names: Collection[str]) -> None:
    """Refuses ``loss`` for an architecture whose action head cannot be chosen.

    Args:
        policy: Registered name of the architecture.
        names: Names of the fields that are given.

    Raises:
        InputError: If ``loss`` is given, and the architecture is unknown or has no such
            field.
    """
    if "loss" not in names:
        return
    config = POLICIES.get(policy).Config
    if not is_dataclass(config):
        return  # ``configure`` refuses it.
    if "loss" not in [each.name for each in dataclasses.fields(config)]:
        raise InputError(
            f"The policy '{policy}' does not let its action head be chosen; leave loss"
            " (--architecture.loss) out, or choose another policy, such as transformer."
        )


def configure_objective(name: str, fields: Mapping[str, Any]) -> Any:
    """An objective, with the given settings in place of the defaults.

    Raises:
        InputError: If the objective or a setting is unknown, or a value has the wrong
            type or is refused by the objective.
    """
    return _configured(f"Objective '{name}'", OBJECTIVES.get(name), fields)


def _configured(what: str, config: Any, fields: Mapping[str, Any]) -> Any:
    if not is_dataclass(config):
        raise InputError(
            f"{what}: its settings, {config.__qualname__}, are not a dataclass; decorate"
            " the class by @dataclass(frozen=True, kw_only=True)."
        )
    try:
        check_names(config, fields)
        return made_of(config, typed_fields(config, fields))
    except InputError as error:
        raise InputError(f"{what}: {str(error).removesuffix('.')}.") from error


def build(card: Card) -> Policy:
    """An untrained policy of the card's architecture and sizes.

    Raises:
        InputError: If the architecture, the objective or one of their fields is unknown,
            or the policy has lazy layers.
    """
    config = configure(card.policy, card.config)
    made: Policy = POLICIES.get(card.policy)(config, card.spec)
    made.meta = configure_objective(card.objective, card.objective_config).meta(made)
    _refuse_lazy(made)
    return made


def _refuse_lazy(policy: Policy) -> None:
    """Refuses lazy layers, whose weights can be neither counted nor loaded."""
    lazy = [name for name, it in policy.named_parameters() if is_lazy(it)]
    if lazy:
        raise InputError(
            f"{type(policy).__name__} has lazy parameters without shapes:"
            f" {', '.join(lazy)}; replace lazy layers, such as nn.LazyLinear, by layers"
            " whose sizes follow from the spec."
        )


def save(folder: Path, policy: Policy, card: Card) -> None:
    """Writes the weights, then the card, so that a folder with a card is complete."""
    weights = _weights(policy)
    with replacing(folder / _WEIGHTS) as temporary:
        temporary.write_bytes(weights)
    write_json(folder / POLICY, _values(weights, card))


def packed(policy: Policy, card: Card) -> TrainedPolicy:
    """The trained policy that ``load`` would return after ``save``, without writing it."""
    values = _values(_weights(policy), card)
    return TrainedPolicy(
        policy=policy.eval().requires_grad_(False),
        card=card,
        fingerprint=_fingerprint(values),
    )


@checked
def load(run: Path | str) -> TrainedPolicy:
    """Loads the policy of a run directory.

    Raises:
        InputError: If the folder contains no policy, or its files are damaged.
    """
    folder = located(run)
    values, weights = _read_card(folder), folder / _WEIGHTS
    if digest_of(weights) != values.get("weights"):
        raise InputError(
            f"{weights} is missing, or is not the file for which its card was written."
        )
    card = converted(present_card(values), Card, where=str(folder / POLICY))
    _check_card(folder, card)
    _check_weights(weights, card)
    # Initialising the weights draws random numbers.
    with GENERATOR, torch.random.fork_rng(devices=[]):
        policy = build(card)
    tensors = present_tensors(read_tensors(weights), policy.state_dict())
    check_finite(tensors, policy.state_dict(), where=weights)
    policy.load_state_dict(tensors)
    return TrainedPolicy(
        policy=policy.eval().requires_grad_(False),
        card=card,
        fingerprint=_fingerprint(values),
    )


def _check_card(folder: Path, card: Card) -> None:
    """Refuses a card whose fields contradict one another."""
    conditioning, spec = card.conditioning, card.spec
    sizes = plain([spec, card.config, card.objective_config])
    if any(abs(number) > _LARGEST for number in _numbers(sizes)):
        raise InputError(
            f"{folder / POLICY} is damaged: a whole number in it is beyond {_LARGEST}."
        )
    if conditioning.size != spec.embedding:
        raise InputError(
            f"{folder / POLICY} is damaged: its conditioning has length {conditioning.size}, its"
            f" spec.embedding is {spec.embedding}."
        )
    if not spec.state and "goal" not in conditioning.kinds:
        return  # A policy that reads images alone does not use the goal's slice.
    for start, stop in filter(None, (conditioning.goal, *conditioning.goals.values())):
        if not 0 <= start < stop <= spec.state:
            raise InputError(
                f"{folder / POLICY} is damaged: its goal has the indices {start} to {stop}"
                f" of a state of length {spec.state}."
            )


def _numbers(value: Any) -> Iterator[int]:
    """All integers in a plain value, such as nested lists and dicts."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


def _check_weights(weights: Path, card: Card) -> None:
    """Refuses a file whose header does not list the weights of the card's policy."""
    header = read_header(weights)
    try:
        POLICIES.get(card.policy)
        OBJECTIVES.get(card.objective)
    except InputError as error:
        raise InputError(
            f"{weights.with_name(POLICY)} cannot be used: {error}"
        ) from error
    try:
        policy = on_meta(lambda: build(card), len(header))
        kinds = {name: it.dtype for name, it in policy.state_dict().items()}
        header = present_tensors(header, kinds)
        policy.load_state_dict(header)
    except (InputError, RuntimeError) as error:
        raise InputError(f"{weights} does not fit its card: {error}") from error
    for name, kind in kinds.items():
        if header[name].dtype != kind:
            raise InputError(
                f"{weights} does not fit its card: {name} is {header[name].dtype}, where"
                f" {kind} is expected."
            )


def _weights(policy: Policy) -> bytes:
    """The weights as the bytes of a safetensors file."""
    state = policy.state_dict()
    # Copies, as the format refuses shared tensors, and layers may share one.
    whole = torch.contiguous_format
    alone = {name: it.clone(memory_format=whole) for name, it in state.items()}
    weights: bytes = serialise(alone)
    return weights


def _values(weights: bytes, card: Card) -> dict[str, Any]:
    """The contents of the card's file."""
    digest = hashlib.sha256(weights).hexdigest()
    return {"format": _FORMAT, "weights": digest, **plain(card)}


def _fingerprint(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / POLICY
    if not path.exists():
        contents = holding(folder)
        lacks = contents
        if folder.is_dir() and contents:
            lacks = f"{contents} and has no {POLICY}"
        raise InputError(
            f"{folder} {lacks or f'has no {POLICY}'}; name a run directory in which"
            " training has finished."
        )
    values = read_json(path, dict[str, Any])
    if values.get("format") != _FORMAT:
        raise InputError(
            f"{path} has format {values.get('format')}; this version reads {_FORMAT}."
        )
    return values
