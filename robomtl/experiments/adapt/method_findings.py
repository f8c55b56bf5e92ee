"""Findings of a comparison of methods: success, differences, costs and a ranking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robomtl.experiments.adapt.benchmark import Kind
from robomtl.experiments.adapt.ranking import Ranking
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success, Took

THRESHOLDS = (0.5, 0.8)
"""Success rates at which the numbers of demonstrations are compared."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Numbers of demonstrations needed for a success rate; None if it is not reached.

    If the fewest demonstrations suffice, they are an upper bound; see ``shots_for``.
    """

    success: float
    """Success rate to reach."""
    scratch: float | None
    """Demonstrations that scratch needs."""
    method: float | None
    """Demonstrations that the method needs."""
    ratio: float | None
    """``scratch`` divided by ``method``; None unless both are known."""


@dataclass(frozen=True, kw_only=True)
class Under:
    """Success of a method with corrupted supports."""

    success: Success
    lost: Difference | None
    """Success with right supports minus success with corrupted ones."""


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Success in the training tasks before and after adaptation."""

    before: float
    after: float
    change: Difference
    """After minus before."""


@dataclass(frozen=True, kw_only=True)
class MethodFindings:
    """Findings on one method."""

    method: str
    """Registered name of the method."""
    config: Mapping[str, Any]
    """All hyper-parameters of the method."""
    objective: str
    """Training objective of the policies that it adapts."""
    shots: Mapping[int, Success]
    """Success by number of demonstrations; only 0 for a method that reads none."""
    area: Estimate | None
    """Normalised area under success against the logarithm of the shots; None with a single
    number of shots."""
    efficiency: tuple[Efficiency, ...]
    """Demonstrations needed, compared with scratch, at each of ``THRESHOLDS``; empty if the
    method or scratch has no curve."""
    against_scratch: Mapping[int, Difference]
    """Success minus that of scratch, by the number of demonstrations of scratch."""
    steps: Mapping[int, Success]
    """Success by gradient steps, at ``probe`` shots."""
    controls: Mapping[str, Under]
    """Success by control, at ``probe`` shots."""
    forgetting: Forgetting | None
    """Forgetting after adaptation to the first draw, at ``probe`` shots; None if not
    measured."""
    cost: Mapping[int, Took]
    """Costs by number of demonstrations, with the method's own steps."""
    reasons: Mapping[str, int]
    """Number of failed adaptations by reason."""


@dataclass(frozen=True, kw_only=True)
class AdaptationFindings:
    """Findings on all methods of a comparison of methods of adaptation."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    benchmark: Kind
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    shots: tuple[int, ...]
    supports: int
    trials: int
    """Trials of each task."""
    probe: int
    """Shots at which steps, controls and forgetting were measured."""
    confidence: float
    methods: Mapping[str, MethodFindings]
    """Findings of each method by label, in the requested order."""
    ranking: Ranking
