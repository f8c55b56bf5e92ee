"""The parts of a policy that a method may train, by the names of their parameters.

``all`` is everything that acts but ``Policy.kept``, such as what an objective learned
beside the policy (``meta``). ``last_layers`` is ``Policy.last_layers``: the head, the last block of
the trunk and what lies between them. ``head`` is the head alone.
"""

from typing import Literal, get_args

from robomtl.nearest import check_known
from robomtl.policy import Policy
from robomtl.training.parameter_groups import within

Part = Literal["all", "last_layers", "head"]


def check_part(part: str) -> None:
    """Makes sure that a part is one.

    Raises:
        InputError: If it is unknown; names the nearest.
    """
    check_known("part of a policy", part, get_args(Part))


def belongs(policy: Policy, part: Part, name: str) -> bool:
    """Whether a parameter or module of this name is in a part of a policy."""
    if part == "all":
        return not any(within(name, kept) for kept in policy.kept)
    modules = policy.last_layers if part == "last_layers" else ("head",)
    return any(within(name, module) for module in modules)
