"""Trained policies on disk: safetensors and JSON, which alone suffice to act."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch.nn.parameter import is_lazy

from robomtl.acting.actor_settings import ActorSettings
from robomtl.arguments import checked
from robomtl.conditioning import Conditioning
from robomtl.earlier import present_tensors
from robomtl.errors import InputError
from robomtl.execution.alone import GENERATOR
from robomtl.execution.machine import memory
from robomtl.files.durable import replacing, write_json
from robomtl.files.folder_kinds import POLICY, holding
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.files.untrusted import converted, read_json
from robomtl.files.weights import (
    TooLargeError,
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
_LARGEST = 2**31  # Sizes of networks; torch itself fails beyond 64 bits.
_MOST_TENSORS = 2_000  # Of a network that is trained.
_TRAINED_BYTES = 20  # Of a parameter: itself, its gradient, two moments, its average.
_WEIGHTS = "policy.safetensors"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a policy is and was trained for, beside its weights."""

    policy: str
    """Registered name of the architecture."""
    config: Mapping[str, Any]
    """Fields of the architecture's config."""
    spec: Spec
    """Sizes it reads and writes."""
    conditioning: Conditioning
    """Conditioning of the policy."""
    suite: str
    """Name of the suite it was trained on; empty for data without one."""
    suite_options: Mapping[str, Any]
    """Options of that suite."""
    step: int
    """Gradient steps taken."""
    objective: str = "cloning"
    """Registered name of what training minimised."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the objective's settings."""
    acting: ActorSettings = field(default_factory=ActorSettings)
    """How its chunks of actions are executed."""


@dataclass(frozen=True, kw_only=True)
class TrainedPolicy:
    """A policy and all that is needed to let it act."""

    policy: Policy
    """In evaluation mode, on the CPU."""
    card: Card
    """What it is."""
    fingerprint: str
    """sha256 of weights and card."""


def configure(policy: str, fields: Mapping[str, Any]) -> Any:
    """The config of an architecture, with the given fields instead of the defaults.

    Raises:
        InputError: If the architecture is unknown, or its config has other fields or
            fields of other types, or refuses a value.
    """
    return _configured(f"Policy '{policy}'", POLICIES.get(policy).Config, fields)


def configure_objective(name: str, fields: Mapping[str, Any]) -> Any:
    """An objective, with the given settings instead of the defaults.

    Raises:
        InputError: If the objective is unknown, has other settings or settings of other
            types, or refuses a value.
    """
    return _configured(f"Objective '{name}'", OBJECTIVES.get(name), fields)


def _configured(what: str, config: Any, fields: Mapping[str, Any]) -> Any:
    if not is_dataclass(config):
        raise InputError(
            f"{what} has {config.__qualname__} for its settings, which is no dataclass; put"
            " @dataclass(frozen=True, kw_only=True) before it."
        )
    try:
        check_names(config, fields)
        return made_of(config, typed_fields(config, fields))
    except InputError as error:
        raise InputError(f"{what}: {str(error).removesuffix('.')}.") from error


def build(card: Card) -> Policy:
    """An untrained policy of the card's architecture and sizes.

    Raises:
        ValueError: If the architecture or the objective is unknown, its config has other
            fields, or it has lazy layers.
    """
    config = configure(card.policy, card.config)
    made: Policy = POLICIES.get(card.policy)(config, card.spec)
    made.meta = configure_objective(card.objective, card.objective_config).meta(made)
    _refuse_lazy(made)
    return made


def _refuse_lazy(policy: Policy) -> None:
    """Refuses layers without sizes, whose weights can be neither counted nor loaded."""
    lazy = [name for name, it in policy.named_parameters() if is_lazy(it)]
    if lazy:
        raise InputError(
            f"{type(policy).__name__} has no sizes for {', '.join(lazy)}; replace lazy"
            " layers, such as nn.LazyLinear, by layers whose sizes follow from the spec."
        )


def count_parameters(card: Card) -> int:
    """Number of parameters of a policy to be trained, found before any is allocated.

    Raises:
        InputError: If it has too many parts, or more parameters than memory for them; or
            the objective does not fit it.
    """
    settings = ", ".join(f"{name}={value}" for name, value in card.config.items())
    try:
        with GENERATOR, torch.random.fork_rng(devices=[]):  # A plug-in may draw.
            policy = on_meta(lambda: build(card), _MOST_TENSORS)
        count = sum(each.numel() for each in policy.parameters())
        needed, there = count * _TRAINED_BYTES, memory()
        if needed > there:
            raise TooLargeError(
                f"training its {count:,} parameters takes {needed / 1e9:,.0f} GB of"
                f" memory, and this machine has {there / 1e9:,.0f} GB"
            )
    except TooLargeError as error:
        raise InputError(
            f"Policy '{card.policy}' with {settings} is too large: {error}. Give a smaller"
            " architecture."
        ) from error
    return count


def save(folder: Path, policy: Policy, card: Card) -> None:
    """Writes weights, then card; a folder with a card is whole."""
    weights = _weights(policy)
    with replacing(folder / _WEIGHTS) as temporary:
        temporary.write_bytes(weights)
    write_json(folder / POLICY, _values(weights, card))


def packed(policy: Policy, card: Card) -> TrainedPolicy:
    """A policy in memory, as ``load`` would give it after ``save``."""
    values = _values(_weights(policy), card)
    return TrainedPolicy(
        policy=policy.eval().requires_grad_(False),
        card=card,
        fingerprint=_fingerprint(values),
    )


@checked
def load(run: Path | str) -> TrainedPolicy:
    """The policy of a run directory.

    Raises:
        InputError: If the folder holds no policy, or a broken one.
    """
    folder = located(run)
    values, weights = _read_card(folder), folder / _WEIGHTS
    if digest_of(weights) != values.get("weights"):
        raise InputError(
            f"{weights} is missing or not the file its card was made with."
        )
    card = converted(values, Card, where=str(folder / POLICY))
    _check_card(folder, card)
    _check_weights(weights, card)
    # Initial weights would be drawn.
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
    """Refuses a card whose parts contradict one another."""
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
        return  # Of a policy that reads images alone, the goal's place is not used.
    for start, stop in filter(None, (conditioning.goal, *conditioning.goals.values())):
        if not 0 <= start < stop <= spec.state:
            raise InputError(
                f"{folder / POLICY} is damaged: its goal lies at {start} to {stop} of a"
                f" state of length {spec.state}."
            )


def _numbers(value: Any) -> Iterator[int]:
    """The whole numbers in a plain value."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


def _check_weights(weights: Path, card: Card) -> None:
    """Refuses weights that are not those of the card's policy, from their header."""
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
    """The weights as a safetensors file holds them."""
    state = policy.state_dict()
    # Copies, as the file holds no tensor twice, and layers may share one.
    whole = torch.contiguous_format
    alone = {name: it.clone(memory_format=whole) for name, it in state.items()}
    weights: bytes = serialise(alone)
    return weights


def _values(weights: bytes, card: Card) -> dict[str, Any]:
    """What the card's file holds."""
    digest = hashlib.sha256(weights).hexdigest()
    return {"format": _FORMAT, "weights": digest, **plain(card)}


def _fingerprint(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / POLICY
    if not path.exists():
        there = holding(folder)
        lacks = f"{there} and has no {POLICY}" if folder.is_dir() and there else there
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
