"""Run one adaptation: a policy and a support in, the adapted policy and its cost out."""

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
from robomtl.adaptation.fitting import check_fit, check_training
from robomtl.adaptation.method import METHODS, Adapted, Budget, Method
from robomtl.adaptation.one_robot import of_one_robot
from robomtl.adaptation.support import Support
from robomtl.arguments import checked
from robomtl.checkpoint import TrainedPolicy
from robomtl.cost import Cost as Cost
from robomtl.demonstrations import Demonstrations
from robomtl.errors import GaveUpError, InputError, PlugInError
from robomtl.execution.locks import GENERATOR, training_alone
from robomtl.execution.machine import device_of, resolved
from robomtl.execution.threads import one_thread
from robomtl.experiments.settings import changed
from robomtl.files.durable import room, writing_into
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
"""File beside an adapted policy that records the request: policy, support and method."""
_CARD = 2**18  # Bytes for the card and the request of an adapted policy.
_ANSWERED = FloatingPointError, LinAlgError, torch.OutOfMemoryError
"""Exceptions of methods caused by the policy, the support or the machine, not by a bug."""


def configure(method: str, fields: Mapping[str, Any]) -> Method:
    """A method with some hyper-parameters changed from their defaults.

    Args:
        method: Registered name of the method.
        fields: New values by field name; a nested field is named by its path, such as
            ``augmentation.translation``.

    Raises:
        InputError: If the method is unknown or has no such hyper-parameter.
    """
    try:
        configured: Method = changed(METHODS.get(method)(), fields)
        return configured
    except InputError as error:
        message = str(error).removesuffix(".")
        raise InputError(f"Method '{method}': {message}.") from error


def _described(method: str | Method) -> dict[str, str | None]:
    """Name and settings of a method as a request records them; no settings for a name."""
    if isinstance(method, str):
        return {"method": method, "settings": None}
    return {"method": type(method).__name__, "settings": repr(method)}


def _made_once(
    folder: Path,
    request: Mapping[str, Any],
    adapting: Callable[[], tuple[TrainedPolicy, Cost]],
    *,
    size: int,
) -> TrainedPolicy:
    """Policy of a run directory: loaded if the request is finished, otherwise adapted.

    Room of ``size`` bytes is held, so that a disk that is then full loses no adaptation.

    Raises:
        InputError: If the folder contains a trained policy or that of another request.
    """
    claimed, finished = folder / _REQUEST, folder / POLICY
    if finished.exists():
        if not claimed.exists():
            raise InputError(
                f"{folder} already contains a policy, which would be overwritten; give"
                " another folder (out)."
            )
        check_claim(claimed, request, finished=[finished])
        return checkpoint.load(folder)
    with locked(folder), writing_into(folder):
        with room(folder, size):
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
    """Adapt a copy of a policy to the task of some demonstrations.

    Args:
        policy: A trained policy, or its run directory.
        support: Demonstrations of one task.
        method: Registered name of a method, for its default hyper-parameters; or a
            configured method, such as ``configure("lora", {"rank": 4})``.
        budget: Gradient steps, batch size and machine; the defaults if None.
        seed: Seed of all random numbers.
        out: Run directory in which to save the adapted policy. If the directory already
            contains the result of the same request, that result is loaded.

    Returns:
        The adapted policy; ``policy`` is not changed.

    Raises:
        ValueError: If the method is unknown, the policy was not trained as the method
            needs, the support does not fit the policy, or the run directory contains
            another policy.
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
    tensors = trained.policy.state_dict().values()
    size = sum(each.nbytes for each in tensors) + _CARD
    return _made_once(located(out), request, adapting, size=size)


def adapt_by(
    method: Method, trained: TrainedPolicy, support: Support, budget: Budget, seed: int
) -> tuple[TrainedPolicy, Cost]:
    """Adapted policy and the cost of the adaptation; see ``adapt``.

    Raises:
        GaveUpError: If the method cannot work with this policy and support.
        FloatingPointError: If the method diverges.
        PlugInError: If the method is a plug-in that raises another exception, does not
            return ``Adapted``, or changes the policy that it is given.
    """
    name = type(method).__name__
    check_training(method, trained)
    check_fit(trained.card, support.demonstrations)
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
            f"{name} diverged on '{support.name}': {error} The policy is unchanged; a"
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
    """The result of the method, after checks on plug-ins."""
    name, own = type(method).__name__, is_own(method)
    # Tests cover the built-in methods.
    state = {} if own else trained.policy.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    with calling_method(method, "adapt", but=_ANSWERED):
        returned: Any = method.adapt(trained, support, budget, generator)
    modified = [k for k, tensor in state.items() if not tensor.equal(before[k])]
    if modified:
        trained.policy.load_state_dict(before)
        raise PlugInError(
            f"{name}.adapt changed {modified[0]} of the policy that it was given; let it"
            " change a copy (copy.deepcopy)."
        )
    if not isinstance(returned, Adapted) or not isinstance(returned.policy, Policy):
        raise PlugInError(
            f"{name}.adapt returned {kind_of(returned)}; expected"
            " robomtl.adaptation.method.Adapted(policy, card)."
        )
    return returned


def _acting(adapted: Adapted) -> Adapted:
    """The adapted policy with the auxiliary modules of a pre-training objective replaced.

    A policy pre-trained without actions gets the objective that continues it: adaptation
    has trained the action head (see ``check_training``).
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
    """The policy on a device; a copy if it was on another one."""
    if trained.policy.device == device:
        return trained
    return replace(trained, policy=copy.deepcopy(trained.policy).to(device))
