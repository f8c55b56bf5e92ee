"""Conditioning: which information on the task a policy gets, and its embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from robomtl.acting.actor import TaskInfo
from robomtl.conditioning.characters import LENGTH, characters
from robomtl.conditioning.embeddings import EMBEDDING_SIZE, embed
from robomtl.errors import InputError
from robomtl.nearest import check_known

Kind = Literal["none", "language", "one_hot", "demonstration", "goal", "goal_image"]
"""Kind of conditioning, in the order of the task embedding."""

Wording = Literal["embedding", "characters"]
"""Encoding of an instruction."""


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """Task embedding of a policy: language, one-hot, demonstration, goal, in this order.

    The goal vector is read from each observation; all other parts are fixed for a trial.
    A goal image is not part of the embedding but an image of the observation. Without
    conditioning the embedding has length 0.
    """

    kinds: tuple[Kind, ...]
    """Kinds of conditioning; ``none`` alone, or no kind, for a policy without
    conditioning. ``none`` is removed after the checks."""
    tasks: tuple[str, ...]
    """Training tasks, in the order of the one-hot code."""
    goal: tuple[int, int] | None = None
    """Position of the goal vector in the state: start and stop index."""
    demonstration: int = 0
    """Length of the vector inferred from demonstrations; 0 for none."""
    inferred: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Inferred vectors by task name; zeros for tasks that are not listed."""
    goals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Position of the goal vector, by task name, for tasks where it differs from ``goal``.
    Shorter goals are padded with zeros."""
    wording: Wording = "embedding"
    """Encoding of the instruction: a sentence embedding, or its characters."""

    def __post_init__(self) -> None:
        """Checks the kinds.

        Raises:
            InputError: If a kind is unknown or repeated, ``none`` is combined with another
                kind, the goal is hidden, or the length of the demonstration vector is
                missing or does not match an inferred one.
        """
        for kind in self.kinds:
            check_known("conditioning", kind, get_args(Kind))
        if len(set(self.kinds)) < len(self.kinds):
            raise InputError(f"Conditioning {self.kinds} repeats a kind.")
        evidence = tuple(kind for kind in self.kinds if kind != "none")
        if "none" in self.kinds and set(evidence) - {"demonstration"}:
            raise InputError(
                "Conditioning none cannot be combined with"
                f" {', '.join(evidence)}; leave one of them out."
            )
        object.__setattr__(self, "kinds", evidence)  # So that ("none",) equals ().
        if "goal" in self.kinds and self.goal is None:
            raise InputError(
                "Conditioning on the goal needs a suite whose states contain the goal of"
                " every task, which this one's do not. Use language or one_hot; from a"
                " suite that hides goals, such as metaworld/ML10, collect with"
                " goals='observable' (on the command line: --goals observable)."
            )
        if ("demonstration" in self.kinds) != (self.demonstration > 0):
            raise InputError(
                "Conditioning on demonstrations needs an objective that trains their"
                " encoder, such as context; choose that objective and leave the kind out."
            )
        for task, values in self.inferred.items():
            if len(values) != self.demonstration:
                raise InputError(
                    f"The vector inferred for '{task}' has length {len(values)}; expected"
                    f" {self.demonstration}."
                )

    @property
    def in_characters(self) -> bool:
        """Whether the embedding begins with the characters of the instruction."""
        return "language" in self.kinds and self.wording == "characters"

    @property
    def size(self) -> int:
        """Length of the task embedding."""
        return sum(self._sizes[kind] for kind in self.kinds)

    def slice_of(self, kind: Kind) -> slice:
        """Position of a kind of conditioning in the task embedding.

        Raises:
            InputError: If the policy is not conditioned on this kind.
        """
        check_known("conditioning", kind, self.kinds)
        order: list[Kind] = [k for k in get_args(Kind) if k in self.kinds]
        start = sum(self._sizes[k] for k in order[: order.index(kind)])
        return slice(start, start + self._sizes[kind])

    def goal_of(self, task: str | None) -> tuple[int, int]:
        """Start and stop index of a task's goal in the state."""
        assert self.goal is not None
        return self.goal if task is None else self.goals.get(task, self.goal)

    def inferring(self, task: str, inferred: Tensor) -> "Conditioning":
        """A copy with the inferred vector, (demonstration,), of one more task."""
        values = tuple(inferred.tolist())
        return replace(self, inferred={**self.inferred, task: values})

    @property
    def _goals_differ(self) -> bool:
        return "goal" in self.kinds and bool(self.goals)

    @property
    def _sizes(self) -> dict[Kind, int]:
        slices = () if self.goal is None else (self.goal, *self.goals.values())
        goal = max((stop - start for start, stop in slices), default=0)
        return {
            "none": 0,
            "language": EMBEDDING_SIZE if self.wording == "embedding" else LENGTH,
            "one_hot": len(self.tasks),
            "demonstration": self.demonstration,
            "goal": goal,
            "goal_image": 0,
        }

    def fixed(self, task_infos: Sequence[TaskInfo]) -> Tensor:
        """Input of ``embedding`` that is constant during a trial; (trial, fixed).

        The constant parts of the embedding. If goals have different positions in the
        state, the indices of the task's goal follow, padded with -1. Withheld information,
        a None in the ``TaskInfo``, is encoded as zeros.

        Raises:
            ValueError: If the one-hot code has no entry for the task.
            ImportError: If an instruction has no shipped embedding and the extra
                ``language`` is missing.
        """
        parts = [torch.zeros(len(task_infos), 0)]
        if "language" in self.kinds:
            instructions = [each.instruction for each in task_infos]
            encode = _language if self.wording == "embedding" else characters
            parts.append(encode(instructions))
        if "one_hot" in self.kinds:
            parts.append(torch.stack([self._one_hot(each.task) for each in task_infos]))
        if "demonstration" in self.kinds:
            zeros = (0.0,) * self.demonstration
            known = [self.inferred.get(each.task or "", zeros) for each in task_infos]
            parts.append(torch.tensor(known))
        if self._goals_differ:
            indices = [self._indices(each.task) for each in task_infos]
            parts.append(torch.tensor(indices, dtype=torch.float))
        return torch.cat(parts, dim=-1)

    def _indices(self, task: str | None) -> list[int]:
        """Indices of a task's goal in the state, padded with -1 to the longest goal."""
        indices = [*range(*self.goal_of(task))]
        return indices + [-1] * (self._sizes["goal"] - len(indices))

    def embedding(self, fixed: Tensor, state: Tensor) -> Tensor:
        """Complete task embedding for observations; (batch, embedding).

        Args:
            fixed: Result of ``fixed`` for the trial of each row; (batch, fixed).
            state: ``observation["state"]``; (batch, state).
        """
        if "goal" not in self.kinds:
            return fixed
        assert self.goal is not None
        if self._goals_differ:
            constant = fixed.shape[-1] - self._sizes["goal"]
            index = fixed[..., constant:].long()
            goal = state.gather(-1, index.clamp(min=0)) * (index >= 0)
            return torch.cat([fixed[..., :constant], goal], dim=-1)
        return torch.cat([fixed, state[..., slice(*self.goal)]], dim=-1)

    def _one_hot(self, task: str | None) -> Tensor:
        code = torch.zeros(len(self.tasks))
        if task is not None:
            check_known("task of a one-hot policy", task, self.tasks)
            code[self.tasks.index(task)] = 1.0
        return code


def _language(sentences: Sequence[str | None]) -> Tensor:
    rows = torch.zeros(len(sentences), EMBEDDING_SIZE)
    given = [i for i, sentence in enumerate(sentences) if sentence is not None]
    if given:
        rows[given] = embed(
            [sentence for sentence in sentences if sentence is not None]
        )
    return rows


def check_kinds(kinds: Sequence[Kind], goal: slice | None) -> None:
    """Refuses kinds of conditioning that no cloned policy of a suite can have.

    Experiments call this before collecting demonstrations.

    Args:
        kinds: Kinds of conditioning of the policies.
        goal: Position of the goal in states of the suite; None if the suite hides goals.

    Raises:
        InputError: See ``Conditioning``.
    """
    place = None if goal is None else (goal.start, goal.stop)
    Conditioning(kinds=tuple(kinds), tasks=(), goal=place)
