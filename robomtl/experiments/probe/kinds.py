"""Kinds of instruction that a probe gives in place of the right one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.nearest import check_known


class Kind(NamedTuple):
    """A way to tell a policy its task, or another."""

    instructions: str
    """What evaluation calls it; see ``robomtl.evaluation.instructions.KINDS``."""
    line: str
    """Description of the conditioning, with ``{}`` for an instruction, a goal or a code."""


RIGHT = "right"
SHUFFLED = "shuffled"
WRONG = "wrong"
EMPTY = "empty"

KINDS: Mapping[str, Kind] = {
    RIGHT: Kind("canonical", "its own {}"),
    "paraphrased": Kind("paraphrased", "the other wordings of training, in turn"),
    "held-out": Kind("held-out", "wordings never trained on, in turn"),
    SHUFFLED: Kind("shuffled", "the {} of another task of the suite"),
    EMPTY: Kind("none", "nothing"),
    WRONG: Kind("wrong", "the {}s of other tasks in its scene, in turn"),
}
"""What a probe tells, by the names its results have."""

_WORDINGS = ("paraphrased", "held-out")
_NOUNS = {
    "language": "instruction",
    "goal": "goal",
    "one_hot": "task code",
    "demonstration": "inferred task",
    "goal_image": "goal image",
}


def noun_of(conditioning: Conditioning) -> str:
    """Name of the conditioning in a word or two."""
    return next(noun for kind, noun in _NOUNS.items() if kind in conditioning.kinds)


def line_of(kind: str, conditioning: Conditioning) -> str:
    """Description of the conditioning under a kind."""
    if kind == WRONG and by_goal_alone(conditioning):
        return "its goal of another variation"
    return KINDS[kind].line.format(noun_of(conditioning))


def by_goal_alone(conditioning: Conditioning) -> bool:
    """Whether nothing but the goal tells the policy its task."""
    return conditioning.kinds == ("goal",)


def meaningless(kind: str, conditioning: Conditioning) -> str:
    """Why a kind makes no sense for a policy; empty if it does."""
    if kind in _WORDINGS and "language" not in conditioning.kinds:
        evidence = " and ".join(conditioning.kinds).replace("_", "-")
        return f"the policy is conditioned on {evidence}, which has no wordings"
    return ""


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuses kinds that are not known, or nothing to compare.

    Raises:
        InputError: If a kind is unknown or named twice, or only ``right`` is left.
    """
    for kind in kinds:
        check_known("kind of instruction to probe", kind, KINDS)
    if len(set(kinds)) < len(kinds):
        raise InputError(f"Kinds named twice in {', '.join(kinds)}; name each once.")
    if not set(kinds) - {RIGHT}:
        raise InputError(
            f"Nothing is compared with '{RIGHT}'; name at least 1 of"
            f" {', '.join(kind for kind in KINDS if kind != RIGHT)}."
        )
