"""The verdict on two agents from pairs of trials that are seen round by round."""

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
"""Ways to count evidence, by name."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on two agents once they stop."""

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    test: Test
    """How evidence is counted."""
    alpha: float
    """At most how often equal agents are called different."""
    rounds: int
    """Finished rounds that count: up to the one that settled it."""
    tally: Tally
    """Pairs of these rounds, by who solved them."""
    errors: int
    """Trials of these rounds that ended in an error for A or B: they are no pairs."""
    log_e: float
    """Natural logarithm of the greatest E so far; settled from log(1 / alpha)."""
    evidence: tuple[float, ...]
    """Natural logarithm of E after each pair."""
    settled_after: int | None
    """Pairs after which it was settled; None if it is not."""
    better: Literal["a", "b"] | None
    """Who is better; None if it is not settled."""

    @property
    def e_value(self) -> float:
        """The greatest E so far."""
        return math.exp(min(self.log_e, 700.0))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Says what the finished rounds of a journal show."""

    a: str
    """Name of the agent A."""
    b: str
    """Name of the agent B."""
    suite: str
    test: Test
    alpha: float
    rounds: tuple[Round, ...]
    criterion: Criterion = "any step"
    """When a trial counts as solved."""

    def __post_init__(self) -> None:
        """Checks the test and its level.

        Raises:
            ValueError: If the test is unknown or the level is no fraction.
        """
        check_known("test", self.test, TESTS)
        if not 0 < self.alpha < 1:
            raise InputError(
                f"alpha is {self.alpha}; give a fraction between 0 and 1, such as 0.05."
            )

    def __call__(self, played: Mapping[int, list[Outcome]]) -> Verdict:
        """The verdict of the finished rounds, up to the one that settled it.

        Args:
            played: Of each finished chunk, A's outcomes, then B's.
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
            whole = [pair for pair in both if None not in pair]
            a += [bool(first) for first, _ in whole]
            b += [bool(second) for _, second in whole]
            errors += len(both) - len(whole)
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
    """Whether A and B solved a trial of a chunk both played."""
    a, b = outcomes[trial], outcomes[trial + len(outcomes) // 2]
    return a.solved(criterion), b.solved(criterion)


def _tally(a: list[bool], b: list[bool]) -> Tally:
    pairs = list(zip(a, b, strict=True))
    kinds = ((True, True), (True, False), (False, True), (False, False))
    return Tally(*(pairs.count(kind) for kind in kinds))
