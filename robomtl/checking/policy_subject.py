"""Policy under check, built by its registered name or loaded."""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from robomtl import checkpoint
from robomtl.checking.violations import Problem
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError, PlugInError
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.files.paths import located
from robomtl.plug_in import described
from robomtl.policy import POLICIES, Policy, Spec

_SIDE = 32  # [px]
_SEEING = Embodiment(
    name="robot",
    observation={
        "state": Feature(kind="state", shape=(6,)),
        "front": Feature(kind="image", shape=(_SIDE, _SIDE, 3), camera="front"),
    },
    action=ActionFeature(size=3),
)
SPECS = {
    "a state of 6 numbers": Spec(state=6, action=3, embedding=4, tasks=3),
    f"the same and a picture of {_SIDE} px": Spec(
        embodiments=(_SEEING,), embedding=4, tasks=3
    ),
}
"""Specifications for which a policy is built, by description; the first that the policy
accepts is used."""


class Subject(NamedTuple):
    """Policy to check."""

    name: str
    """Registered name of the architecture."""
    spec: Spec
    """Specification that the policy is built for."""
    build: Callable[[], Policy]
    """Returns the policy, with the same weights at each call."""
    card: Card
    """Card for saving the policy."""


def subject_of(name: str, config: dict[str, Any]) -> Subject | Problem:
    """Policy of a name, or the problem that prevents building it.

    Args:
        name: Registered name, or a run directory.
        config: Fields of its config that differ from the defaults; ignored for a run.

    Raises:
        InputError: If there is no such policy, or only a method of adaptation builds it.
    """
    if name not in POLICIES.names() and Path(name).is_dir():
        trained = checkpoint.load(located(name))
        return Subject(
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
            f"'{name}' is built by a method of adaptation, not trained from a"
            " specification; check a trained run of it, or a policy that is trainable."
        )
    refusals = list[str]()
    for what, spec in SPECS.items():
        card = _card(name, config, spec)

        def build(card: Card = card) -> Policy:
            torch.manual_seed(0)
            return checkpoint.build(card)

        try:
            architecture.check(spec)
            build()
        except (InputError, PlugInError) as error:
            refusals.append(f"for {what}: {error}".removesuffix("."))
            continue
        except Exception as error:  # Plug-ins may raise anything.
            refusals.append(f"for {what}: it raised {described(error)}")
            continue
        return Subject(name, spec, build, card)
    return Problem(name, f"It cannot be built {'; '.join(refusals)}.")


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
