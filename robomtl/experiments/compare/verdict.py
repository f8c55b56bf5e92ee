"""The verdict of a sequential comparison, from pairs of trials seen round by round."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robomtl.errors import InputError
from robomtl.evaluation.rollout import Criterion, Outcome
from robomtl.experiments.compare.rounds import Round
from robomtl.experiments.eprocess import LogE, Solved, log_e_of_pairs, log_e_of_streams
from robomtl.experiments.paired import Tally
from robomtl.nearest import check_known

Test = Literal["pairs", "streams"]

TESTS: Mapping[str, Callable[[Solved, Solved], LogE]] = {
    "pairs": log_e_of_pairs,
    "streams": log_e_of_streams,
}
"""Functions that compute the evidence, by name of the test."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Verdict of a sequential comparison of two agents."""

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    test: Test
    """Name of the test."""
    alpha: float
    """Largest probability of calling equal agents different."""
    rounds: int
    """Number of finished rounds, up to the one that settled the comparison."""
    tally: Tally
    """Tally of the pairs in these rounds."""
    errors: int
    """Trials of these rounds in which A or B had an error; they are not counted as pairs."""
    log_e: float
    """Natural logarithm of the greatest E so far; log(1 / alpha) settles the comparison."""
    evidence: tuple[float, ...]
    """Natural logarithm of E after each pair."""
    settled_after: int | None
    """Number of pairs after which the comparison was settled; None if it is not."""
    better: Literal["a", "b"] | None
    """The better agent; None if the comparison is not settled."""

    @property
    def e_value(self) -> float:
        """The greatest E so far."""
        return math.exp(min(self.log_e, 700.0))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Derives the verdict from the finished rounds of a journal."""

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    test: Test
    alpha: float
    rounds: tuple[Round, ...]
    criterion: Criterion = "any step"
    """Criterion by which a trial counts as solved."""

    def __post_init__(self) -> None:
        """Checks the test and its level.

        Raises:
            ValueError: If the test is unknown or the level is not between 0 and 1.
        """
        check_known("test", self.test, TESTS)
        if not 0 < self.alpha < 1:
            raise InputError(
                f"alpha is {self.alpha}; give a fraction between 0 and 1, such as 0.05."
            )

    def __call__(self, played: Mapping[int, list[Outcome]]) -> Verdict:
        """The verdict of the finished rounds, up to the one that settles the comparison.

        Args:
            played: Outcomes by finished chunk, all of A and then all of B.
        """
        a: list[bool] = []
        b: list[bool] = []
        rounds = errors = 0
        for round_ in self.rounds:
            if any(chunk not in played for chunk in round_.chunks):
                break
            both = [
                _both(played[p.chunk], p.trial, self.criterion) for p in round_.trials
            ]
            complete = [pair for pair in both if None not in pair]
            a += [bool(first) for first, _ in complete]
            b += [bool(second) for _, second in complete]
            errors += len(both) - len(complete)
            rounds += 1
            if self._settled_after(a, b) is not None:
                break
        return self._verdict(a, b, rounds, errors)

    def _log_e(self, a: list[bool], b: list[bool]) -> LogE:
        return TESTS[self.test](np.array(a, np.bool_), np.array(b, np.bool_))

    def _settled_after(self, a: list[bool], b: list[bool]) -> int | None:
        over = np.flatnonzero(self._log_e(a, b) >= -math.log(self.alpha))
        return int(over[0]) + 1 if len(over) else None

    def _verdict(
        self, a: list[bool], b: list[bool], rounds: int, errors: int
    ) -> Verdict:
        settled = self._settled_after(a, b)
        log_e = self._log_e(a, b)
        lead = sum(a[:settled]) - sum(b[:settled])
        return Verdict(
            a=self.a,
            b=self.b,
            suite=self.suite,
            test=self.test,
            alpha=self.alpha,
            rounds=rounds,
            tally=_tally(a, b),
            errors=errors,
            log_e=float(log_e.max(initial=0.0)),
            evidence=tuple(log_e.tolist()),
            settled_after=settled,
            better=None if settled is None else "a" if lead > 0 else "b",
        )


def _both(
    outcomes: list[Outcome], trial: int, criterion: Criterion
) -> tuple[bool | None, bool | None]:
    """Whether A and B solved a trial of a chunk that both played; None after an error."""
    a, b = outcomes[trial], outcomes[trial + len(outcomes) // 2]
    return a.solved(criterion), b.solved(criterion)


def _tally(a: list[bool], b: list[bool]) -> Tally:
    pairs = list(zip(a, b, strict=True))
    kinds = ((True, True), (True, False), (False, True), (False, False))
    return Tally(*(pairs.count(kind) for kind in kinds))
