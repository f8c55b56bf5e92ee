"""Kinds of instruction that a probe gives to a policy, right or not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.nearest import check_known


class Kind(NamedTuple):
    """A kind of instruction: of the task itself, of another task, or none."""

    instructions: str
    """Name of the kind in evaluation; see ``robomtl.evaluation.instructions.KINDS``."""
    line: str
    """Description of the kind; ``{}`` is replaced by the noun of the conditioning."""


RIGHT = "right"
SHUFFLED = "shuffled"
WRONG = "wrong"
EMPTY = "empty"

KINDS: Mapping[str, Kind] = {
    RIGHT: Kind("canonical", "its own {}"),
    "paraphrased": Kind("paraphrased", "the other training wordings, in turn"),
    "held-out": Kind("held-out", "wordings never trained on, in turn"),
    SHUFFLED: Kind("shuffled", "the {} of another task of the suite"),
    EMPTY: Kind("none", "nothing"),
    WRONG: Kind("wrong", "the {}s of other tasks in its scene, in turn"),
}
"""Kinds of instruction, by their name in the results."""

_WORDINGS = ("paraphrased", "held-out")
_NOUNS = {
    "language": "instruction",
    "goal": "goal",
    "one_hot": "task code",
    "demonstration": "inferred task",
    "goal_image": "goal image",
}


def noun_of(conditioning: Conditioning) -> str:
    """Noun for the conditioning, such as "instruction" or "goal"."""
    return next(noun for kind, noun in _NOUNS.items() if kind in conditioning.kinds)


def line_of(kind: str, conditioning: Conditioning) -> str:
    """Description of a kind for a policy with this conditioning."""
    if kind == WRONG and by_goal_alone(conditioning):
        return "its own task's goal of another variation"
    return KINDS[kind].line.format(noun_of(conditioning))


def by_goal_alone(conditioning: Conditioning) -> bool:
    """Whether the policy is conditioned on the goal only."""
    return conditioning.kinds == ("goal",)


def meaningless(kind: str, conditioning: Conditioning) -> str:
    """Reason why a kind does not apply to a policy; empty if it does."""
    if kind in _WORDINGS and "language" not in conditioning.kinds:
        evidence = " and ".join(conditioning.kinds).replace("_", "-")
        return f"the policy is conditioned on {evidence}, which has no wordings"
    return ""


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuses unknown or repeated kinds, and a comparison without any.

    Raises:
        InputError: If a kind is unknown or named twice, or only ``right`` is named.
    """
    for kind in kinds:
        check_known("kind of instruction to probe", kind, KINDS)
    if len(set(kinds)) < len(kinds):
        raise InputError(f"Kinds named twice in {', '.join(kinds)}; name each once.")
    if not set(kinds) - {RIGHT}:
        raise InputError(
            f"No kind is compared with '{RIGHT}'; name at least 1 of"
            f" {', '.join(kind for kind in KINDS if kind != RIGHT)}."
        )
