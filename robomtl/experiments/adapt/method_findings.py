"""Findings of a comparison of methods: success, differences, costs and a ranking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robomtl.experiments.adapt.benchmark import Benchmark
from robomtl.experiments.adapt.ranking import Ranking
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success, Took

THRESHOLDS = (0.5, 0.8)
"""Success at which the demonstrations that methods take are compared."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Demonstrations it takes to succeed so often; None where no number did.

    Where the fewest demonstrations suffice, they are an upper bound; see ``shots_for``.
    """

    success: float
    scratch: float | None
    method: float | None
    ratio: float | None
    """Demonstrations that scratch needs, divided by the method's; None unless both are
    known."""


@dataclass(frozen=True, kw_only=True)
class Under:
    """A method from wrong supports."""

    success: Success
    lost: Difference | None
    """Success from right supports minus that from these."""


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Success in the tasks trained on, before and after adaptation."""

    before: float
    after: float
    change: Difference
    """After minus before."""


@dataclass(frozen=True, kw_only=True)
class MethodFindings:
    """How a method did."""

    method: str
    """Registered name."""
    config: Mapping[str, Any]
    """All its hyper-parameters."""
    objective: str
    """What its policies were trained with."""
    shots: Mapping[int, Success]
    """Success by number of demonstrations; only 0 for a method that reads none."""
    area: Estimate | None
    """Under success against the logarithm of the shots; None from one number of shots."""
    efficiency: tuple[Efficiency, ...]
    """Against scratch, at each of ``THRESHOLDS``; empty where either is no curve."""
    against_scratch: Mapping[int, Difference]
    """Differences to scratch, by the number of its demonstrations."""
    steps: Mapping[int, Success]
    """Success by gradient steps, at ``probe`` shots."""
    controls: Mapping[str, Under]
    """At ``probe`` shots."""
    forgetting: Forgetting | None
    """At ``probe`` shots, after the first draw; None where it was not looked at."""
    cost: Mapping[int, Took]
    """Costs by number of demonstrations, with the method's own steps."""
    reasons: Mapping[str, int]
    """Why the method gave up, and on how many adaptations."""


@dataclass(frozen=True, kw_only=True)
class AdaptationFindings:
    """Findings on all methods of a comparison of methods of adaptation."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    benchmark: Benchmark
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    shots: tuple[int, ...]
    supports: int
    trials: int
    """Trials of each task."""
    probe: int
    """Shots at which steps, controls and forgetting were looked at."""
    confidence: float
    methods: Mapping[str, MethodFindings]
    """Findings of each method by label, in the requested order."""
    ranking: Ranking
