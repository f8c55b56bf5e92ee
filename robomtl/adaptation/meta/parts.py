"""The parts of a policy that a method may train, selected by parameter names.

``all`` is every parameter outside ``Policy.kept``; the latter includes ``meta``, the
modules that an objective trains beside the policy. ``last_layers`` is
``Policy.last_layers``: the head, the last block of the trunk and the layers between them.
``head`` is the head alone.
"""

from typing import Literal, get_args

from robomtl.nearest import check_known
from robomtl.policy import Policy
from robomtl.training.parameter_groups import within

Part = Literal["all", "last_layers", "head"]


def check_part(part: str) -> None:
    """Checks the name of a part.

    Raises:
        InputError: If the name is unknown; suggests the nearest.
    """
    check_known("part of a policy", part, get_args(Part))


def belongs(policy: Policy, part: Part, name: str) -> bool:
    """Whether the parameter or module ``name`` belongs to a part of a policy."""
    if part == "all":
        return not any(within(name, kept) for kept in policy.fixed_parts)
    modules = policy.last_layers if part == "last_layers" else ("head",)
    return any(within(name, module) for module in modules)
