"""Numbers of parameters of an arm's policies, and policies that share a budget of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.demonstrations.mixture import Data, Mixture
from robomtl.errors import InputError
from robomtl.experiments.multitask.arms import Arm
from robomtl.policy import POLICIES
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.material import spec_for
from robomtl.training.needed_memory import count_parameters
from robomtl.training.objective import Cloning


@dataclass(frozen=True, kw_only=True)
class PolicySize:
    """Number and size of an arm's policies."""

    networks: int
    """Number of policies."""
    each: int
    """Parameters of one policy; of the largest where they differ."""
    total: int
    """Parameters of all policies together."""
    policy_config: Mapping[str, Any]
    """Fields of the architecture's config that differ from the defaults."""


Groups = Sequence[tuple[str, ...]]
"""The tasks of each policy of an arm."""


def size_of(label: str, arm: Arm, data: Data, groups: Groups) -> PolicySize:
    """Number and size of an arm's policies.

    Args:
        label: Label of the arm.
        arm: Arm whose policies are counted.
        data: Demonstrations of all tasks, which determine the sizes of the inputs.
        groups: Tasks of each policy.

    Raises:
        ValueError: If the policy does not fit its conditioning, or cannot be made small
            enough where the arm divides the parameters among its policies.
    """
    _check_fits(label, arm, data)
    whole = _size(arm, arm.policy_config, data, groups)
    if not arm.divided:
        return whole
    most = _parameters(arm, arm.policy_config, data)
    return _divided(label, arm, most, data, groups)


def _size(
    arm: Arm, config: Mapping[str, Any], data: Data, groups: Groups
) -> PolicySize:
    """Number and size of an arm's policies with a config of the architecture."""
    if isinstance(data, Mixture):  # Policies of different robots differ in size.
        every = [_parameters(arm, config, data.select(some)) for some in groups]
    else:
        every = [_parameters(arm, config, data)] * len(groups)
    return PolicySize(
        networks=len(groups), each=max(every), total=sum(every), policy_config=config
    )


def _divided(label: str, arm: Arm, most: int, data: Data, groups: Groups) -> PolicySize:
    """The widest policies that have at most ``most`` parameters together.

    All widths of the architecture shrink by the same factor: if the task encoder kept its
    width, the encoders of fifty policies alone would exceed the budget.
    """
    config = checkpoint.configure(arm.policy, arm.policy_config)
    widths = {
        each.name: int(getattr(config, each.name))
        for each in fields(config)
        if each.name == "width" or each.name.endswith("_width")
    }
    if not widths:
        raise InputError(
            f"The policy {arm.policy} has no width to divide; leave the arm {label} out,"
            " or give it another policy."
        )
    widest = max(widths.values())

    def at(width: int) -> PolicySize:
        smaller = {k: max(1, round(w * width / widest)) for k, w in widths.items()}
        return _size(arm, {**arm.policy_config, **smaller}, data, groups)

    low, high = 1, widest  # Parameters rise with the width.
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if at(middle).total <= most else (low, middle - 1)
    size = at(low)
    if size.total > most:
        raise InputError(
            f"{len(groups)} policies of the arm {label} have {size.total:,} parameters"
            f" even with a width of 1, more than the {most:,} of one policy for all tasks;"
            " leave the arm out, or widen the policy."
        )
    return size


def _check_fits(label: str, arm: Arm, data: Data) -> None:
    try:
        POLICIES.get(arm.policy).check(spec_for(data, _conditioning(arm, data)))
    except InputError as error:
        raise InputError(f"The arm {label}: {error}") from error


def _conditioning(arm: Arm, data: Data) -> Conditioning:
    wording = POLICIES.get(arm.policy).wording
    return conditioning_for(data, arm.conditioning, Cloning(), wording)


def _parameters(arm: Arm, config: Mapping[str, Any], data: Data) -> int:
    conditioning = _conditioning(arm, data)
    card = Card(
        policy=arm.policy,
        config=config,
        spec=spec_for(data, conditioning),
        conditioning=conditioning,
        suite=data.suite or "",
        suite_options={},
        step=0,
    )
    return count_parameters(card)
