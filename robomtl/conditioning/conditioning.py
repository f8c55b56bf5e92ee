"""Conditioning: the evidence of the task that a policy gets, as an embedding."""

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


Wording = Literal["embedding", "characters"]


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """A policy's task embedding: language, one-hot, demonstration, goal, in this order.

    All but the goal vector are fixed for a trial; that is read from each observation. A
    goal image is not in the embedding: it is beside the observation's images.
    Without conditioning the embedding is empty.
    """

    kinds: tuple[Kind, ...]
    """The evidence given; ``none`` alone, or nothing, for a policy without
    conditioning. Kept without ``none``."""
    tasks: tuple[str, ...]
    """Tasks trained on, in the order of the one-hot code."""
    goal: tuple[int, int] | None = None
    """Where the goal vector lies in the state, first and past-last index."""
    demonstration: int = 0
    """Length of what is inferred from demonstrations; 0 for none."""
    inferred: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What was inferred of tasks, by their names; zeros stand for any other."""
    goals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Place of the goal vector for tasks that have it elsewhere than at ``goal``. Shorter
    goals are filled up with zeros."""
    wording: Wording = "embedding"
    """How an instruction is given: by a sentence embedding, or by its characters."""

    def __post_init__(self) -> None:
        """Checks the kinds.

        Raises:
            InputError: If a kind is unknown or given twice, none is given beside another,
                the goal is hidden, or the demonstration's length is missing.
        """
        for kind in self.kinds:
            check_known("conditioning", kind, get_args(Kind))
        if len(set(self.kinds)) < len(self.kinds):
            raise InputError(f"Conditioning {self.kinds} names a kind twice.")
        evidence = tuple(kind for kind in self.kinds if kind != "none")
        if "none" in self.kinds and set(evidence) - {"demonstration"}:
            raise InputError(
                f"Conditioning none cannot be combined, here it is beside {', '.join(evidence)};"
                " leave out either."
            )
        object.__setattr__(self, "kinds", evidence)  # One form of what means the same.
        if "goal" in self.kinds and self.goal is None:
            raise InputError(
                "Conditioning on the goal needs a suite that shows it in the state of"
                " every task, which this one does not. Use language or one_hot; of a"
                " suite that hides goals, such as metaworld/ML10, collect with"
                " goals='observable' (on the command line: --goals observable)."
            )
        if ("demonstration" in self.kinds) != (self.demonstration > 0):
            raise InputError(
                "Conditioning on demonstrations goes with an objective that trains their"
                " encoder, such as context; name that objective and leave the kind out."
            )
        for task, values in self.inferred.items():
            if len(values) != self.demonstration:
                raise InputError(
                    f"What is inferred of '{task}' has length {len(values)}, not"
                    f" {self.demonstration}."
                )

    @property
    def in_characters(self) -> bool:
        """Whether the embedding begins with the characters of an instruction."""
        return "language" in self.kinds and self.wording == "characters"

    @property
    def size(self) -> int:
        """Length of the task embedding."""
        return sum(self._sizes[kind] for kind in self.kinds)

    def place(self, kind: Kind) -> slice:
        """The position of a kind of evidence in the task embedding.

        Raises:
            InputError: If it is not given.
        """
        check_known("conditioning", kind, self.kinds)
        order: list[Kind] = [k for k in get_args(Kind) if k in self.kinds]
        start = sum(self._sizes[k] for k in order[: order.index(kind)])
        return slice(start, start + self._sizes[kind])

    def goal_of(self, task: str | None) -> tuple[int, int]:
        """The first and past-last index of a task's goal in the state."""
        assert self.goal is not None
        return self.goal if task is None else self.goals.get(task, self.goal)

    def inferring(self, task: str, inferred: Tensor) -> "Conditioning":
        """This conditioning with what was inferred of one more task; (demonstration,)."""
        values = tuple(inferred.tolist())
        return replace(self, inferred={**self.inferred, task: values})

    @property
    def _goals_differ(self) -> bool:
        return "goal" in self.kinds and bool(self.goals)

    @property
    def _sizes(self) -> dict[Kind, int]:
        places = () if self.goal is None else (self.goal, *self.goals.values())
        goal = max((stop - start for start, stop in places), default=0)
        return {
            "none": 0,
            "language": EMBEDDING_SIZE if self.wording == "embedding" else LENGTH,
            "one_hot": len(self.tasks),
            "demonstration": self.demonstration,
            "goal": goal,
            "goal_image": 0,
        }

    def fixed(self, task_infos: Sequence[TaskInfo]) -> Tensor:
        """The inputs of ``embedding`` that stay the same in a trial; (trial, fixed).

        It is the constant part of the embedding, followed by the indices of the goal in
        the state if tasks have it in different places, -1 beyond the end of a shorter goal.
        What is withheld is a zero vector.

        Raises:
            ValueError: If a one-hot code has no component for the task.
            ImportError: If a wording is not shipped and the language extra is missing.
        """
        parts = [torch.zeros(len(task_infos), 0)]
        if "language" in self.kinds:
            given = [each.instruction for each in task_infos]
            in_numbers = _language if self.wording == "embedding" else characters
            parts.append(in_numbers(given))
        if "one_hot" in self.kinds:
            parts.append(torch.stack([self._one_hot(each.task) for each in task_infos]))
        if "demonstration" in self.kinds:
            nothing = (0.0,) * self.demonstration
            known = [self.inferred.get(each.task or "", nothing) for each in task_infos]
            parts.append(torch.tensor(known))
        if self._goals_differ:
            places = [self._indices(each.task) for each in task_infos]
            parts.append(torch.tensor(places, dtype=torch.float))
        return torch.cat(parts, dim=-1)

    def _indices(self, task: str | None) -> list[int]:
        """The indices of a task's goal in the state, then -1 where it has no more."""
        places = [*range(*self.goal_of(task))]
        return places + [-1] * (self._sizes["goal"] - len(places))

    def embedding(self, fixed: Tensor, state: Tensor) -> Tensor:
        """The whole task embedding for observations; (batch, embedding).

        Args:
            fixed: What ``fixed`` returned for the trial of each row; (batch, fixed).
            state: ``observation["state"]``; (batch, state).
        """
        if "goal" not in self.kinds:
            return fixed
        assert self.goal is not None
        if self._goals_differ:
            stays = fixed.shape[-1] - self._sizes["goal"]
            index = fixed[..., stays:].long()
            goal = state.gather(-1, index.clamp(min=0)) * (index >= 0)
            return torch.cat([fixed[..., :stays], goal], dim=-1)
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
    """Refuses what no cloned policy of a suite can be conditioned on.

    An experiment calls it before it collects demonstrations.

    Args:
        kinds: What policies are to be conditioned on.
        goal: Where states of the suite hold the goal; None if it hides its goals.

    Raises:
        InputError: See ``Conditioning``.
    """
    place = None if goal is None else (goal.start, goal.stop)
    Conditioning(kinds=tuple(kinds), tasks=(), goal=place)
