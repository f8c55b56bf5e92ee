"""One adaptation, from a policy and its support to a policy, with what it cost."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from robomtl import checkpoint
from robomtl.adaptation.method import METHODS, Adapted, Budget, Method
from robomtl.adaptation.one_robot import of_one_robot
from robomtl.adaptation.support import Support, check_fit
from robomtl.arguments import checked
from robomtl.checkpoint import TrainedPolicy
from robomtl.cost import Cost as Cost
from robomtl.demonstrations import Demonstrations
from robomtl.errors import GaveUpError, InputError, PlugInError
from robomtl.execution.alone import GENERATOR, training_alone
from robomtl.execution.machine import device_of, resolved
from robomtl.execution.threads import one_thread
from robomtl.experiments.settings import changed
from robomtl.files.durable import writing_into
from robomtl.files.folder_kinds import POLICY
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import check_claim, claim
from robomtl.plug_in import calling_method, is_own
from robomtl.policy import Policy
from robomtl.ranges import check_seed
from robomtl.returned_values import kind_of
from robomtl.training.objective import continued_by, trains_actions

_REQUEST = "adaptation.json"
"""File beside an adapted policy: what it was adapted from, and how."""
_ANSWERED = FloatingPointError, LinAlgError, torch.OutOfMemoryError
"""Exceptions of methods that tell of the policy and its support, or of the machine."""


def configure(method: str, fields: Mapping[str, Any]) -> Method:
    """A method, with the given hyper-parameters instead of the defaults.

    Args:
        method: Its registered name.
        fields: By name; a setting inside of one, such as ``augmentation.translation``,
            by both names with a dot between them.

    Raises:
        InputError: If the method is unknown or has no such hyper-parameter.
    """
    try:
        made: Method = changed(METHODS.get(method)(), fields)
        return made
    except InputError as error:
        said = str(error).removesuffix(".")
        raise InputError(f"Method '{method}': {said}.") from error


def _described(method: str | Method) -> dict[str, str | None]:
    """What a request records of a method: its name, and how an object was configured."""
    if isinstance(method, str):
        return {"method": method, "settings": None}
    return {"method": type(method).__name__, "settings": repr(method)}


def _made_once(
    folder: Path,
    request: Mapping[str, Any],
    adapting: Callable[[], tuple[TrainedPolicy, Cost]],
) -> TrainedPolicy:
    """The policy of a run directory, adapted unless it is there.

    Raises:
        InputError: If the folder holds the policy of another request, or of a training.
    """
    claimed, finished = folder / _REQUEST, folder / POLICY
    if finished.exists():
        if not claimed.exists():
            raise InputError(
                f"{folder} holds a policy already, which would be overwritten; give"
                " another folder (out)."
            )
        check_claim(claimed, request, finished=[finished])
        return checkpoint.load(folder)
    with locked(folder), writing_into(folder):
        made, _ = adapting()
        claim(claimed, request, finished=[finished])
        checkpoint.save(folder, made.policy, made.card)
    return made


@checked
def adapt(
    policy: TrainedPolicy | Path | str,
    support: Support | Demonstrations,
    *,
    method: str | Method = "finetune",
    budget: Budget | None = None,
    seed: int = 0,
    out: Path | str | None = None,
) -> TrainedPolicy:
    """A policy for the task of some demonstrations; the given one is left as it is.

    Args:
        policy: A trained policy, or its run directory.
        support: Demonstrations of one task.
        method: Registered name of the method, with its default hyper-parameters; or the
            method itself, such as ``configure("lora", {"rank": 4})``.
        budget: What it may use; its own defaults where None.
        seed: Of every random number.
        out: Run directory for the policy, which everything that takes one takes. One
            that holds the policy of the same request is only read.

    Raises:
        ValueError: If the method is unknown, the policy lacks the training it needs, the
            support does not fit the policy, or the run directory holds another policy.
        FloatingPointError: If the method diverges.
    """
    check_seed(seed)
    trained = policy if isinstance(policy, TrainedPolicy) else checkpoint.load(policy)
    if isinstance(support, Demonstrations):
        support = Support(demonstrations=support)
    chosen = configure(method, {}) if isinstance(method, str) else method
    budget = budget or Budget()
    adapting = partial(adapt_by, chosen, trained, support, budget, seed)
    if out is None:
        return adapting()[0]
    request = {
        **_described(method),
        "task": support.name,
        "shots": support.shots,
        "support": support.demonstrations.fingerprint,
        "prior": support.prior and support.prior.fingerprint,
        "seed": seed,
        "steps": budget.steps,
        "batch_size": budget.batch_size,
        "policy": trained.fingerprint,
    }
    return _made_once(located(out), request, adapting)


def adapt_by(
    method: Method, trained: TrainedPolicy, support: Support, budget: Budget, seed: int
) -> tuple[TrainedPolicy, Cost]:
    """The policy a method makes, and its cost; see ``adapt``.

    Raises:
        GaveUpError: If the method cannot work with this policy and support.
        PlugInError: If the method is a plug-in that raises another exception, returns
            something else than ``Adapted``, or changes the policy that it is given.
    """
    name = type(method).__name__
    check_training(method, trained)
    check_fit(trained.card, support)
    trained, support = of_one_robot(trained, support)
    machine = resolved(budget.machine)
    device = device_of(machine.device)
    begun = time.perf_counter()
    try:
        own = [] if device.type == "cpu" else [device]
        with training_alone(), one_thread(), GENERATOR, torch.random.fork_rng(own):
            torch.manual_seed(seed)
            adapted = _adapted(
                method,
                _placed(trained, device),
                support,
                replace(budget, machine=machine),
                Generator().manual_seed(seed),
            )
    except (InputError, LinAlgError) as error:
        raise GaveUpError(str(error)) from error
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{name} diverged on '{support.name}': {error} The policy is as it was; a"
            " lower learning_rate or fewer steps may help."
        ) from error
    adapted = _acting(adapted)
    seconds = time.perf_counter() - begun
    cost = Cost(
        steps=adapted.steps,
        samples=adapted.steps * budget.batch_size,
        parameters=adapted.parameters,
        seconds=seconds,
    )
    return checkpoint.packed(adapted.policy.to("cpu"), adapted.card), cost


def _adapted(
    method: Method,
    trained: TrainedPolicy,
    support: Support,
    budget: Budget,
    generator: Generator,
) -> Adapted:
    """The checked result of the method."""
    name, own = type(method).__name__, is_own(method)
    state = {} if own else trained.policy.state_dict()  # Tests cover the built-in ones.
    before = {key: value.clone() for key, value in state.items()}
    with calling_method(method, "adapt", but=_ANSWERED):
        returned: Any = method.adapt(trained, support, budget, generator)
    changed = [k for k, it in state.items() if not it.equal(before[k])]
    if changed:
        trained.policy.load_state_dict(before)
        raise PlugInError(
            f"{name}.adapt changed {changed[0]} of the policy that it was given; let it"
            " change a copy (copy.deepcopy)."
        )
    if not isinstance(returned, Adapted) or not isinstance(returned.policy, Policy):
        raise PlugInError(
            f"{name}.adapt returned {kind_of(returned)}; expected"
            " robomtl.adaptation.method.Adapted(policy, card)."
        )
    return returned


def _acting(adapted: Adapted) -> Adapted:
    """The adapted policy, without what a pre-training learned beside its features.

    The method has trained the action head, so that the policy acts; see ``check_training``.
    """
    card = adapted.card
    if trains_actions(card.objective):
        return adapted
    following = continued_by(card.objective)
    adapted.policy.meta = checkpoint.configure_objective(following, {}).meta(
        adapted.policy
    )
    card = replace(card, objective=following, objective_config={})
    return adapted._replace(card=card)


def _placed(trained: TrainedPolicy, device: torch.device) -> TrainedPolicy:
    """The policy on a device; a copy where it was elsewhere."""
    if trained.policy.device == device:
        return trained
    return replace(trained, policy=copy.deepcopy(trained.policy).to(device))


def check_training(method: Method, trained: TrainedPolicy) -> None:
    """Makes sure that a policy was trained as a method needs.

    Raises:
        InputError: If it was not; says how to train it. If it was not trained but made,
            by a method that leaves nothing to start from. Or if it was only pre-trained,
            and the method leaves its action head as it is.
    """
    if not trained.policy.trainable:
        raise InputError(
            f"The policy is '{trained.card.policy}', which adaptation made of another;"
            " adapt that other one."
        )
    needed, there = method.objective, trained.card.objective
    if not getattr(method, "trains_head", True) and not trains_actions(there):
        raise InputError(
            f"{type(method).__name__} leaves the action head as it is, and {there}"
            " trained features alone; take a method that trains the head, such as"
            " finetune or lora, or train the policy first (robomtl train --start RUN)."
        )
    if needed is not None and needed != there:
        raise InputError(
            f"{type(method).__name__} needs a policy trained with the objective"
            f" {needed}; this one was trained with {there}. Train one by: robomtl train"
            f" --objective {needed}."
        )
