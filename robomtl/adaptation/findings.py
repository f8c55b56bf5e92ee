"""What a comparison of methods found, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robomtl.adaptation.benchmark import Benchmark
from robomtl.adaptation.ranking import Ranking
from robomtl.comparison.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success

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
    """Those of scratch by those of the method; None unless both are known."""


@dataclass(frozen=True, kw_only=True)
class Under:
    """A method from wrong supports."""

    success: Success
    lost: Difference | None
    """Success from right supports less that from these."""


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Success in the tasks trained on, before and after adaptation."""

    before: float
    after: float
    change: Difference
    """After less before."""


@dataclass(frozen=True, kw_only=True)
class Took:
    """What an adaptation took: medians over seeds, draws and problems."""

    seconds: float
    steps: float
    samples: float
    parameters: float


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
    """By number of demonstrations; only 0 for a method that looks at none."""
    area: Estimate | None
    """Under success against the logarithm of the shots; None from one number of shots."""
    efficiency: tuple[Efficiency, ...]
    """Against scratch, at each of ``THRESHOLDS``; empty where either is no curve."""
    against_scratch: Mapping[int, Difference]
    """By number of demonstrations of scratch."""
    steps: Mapping[int, Success]
    """By gradient steps, at ``probe`` shots."""
    controls: Mapping[str, Under]
    """At ``probe`` shots."""
    forgetting: Forgetting | None
    """At ``probe`` shots, after the first draw; None where it was not looked at."""
    cost: Mapping[int, Took]
    """By number of demonstrations, with the method's own steps."""
    reasons: Mapping[str, int]
    """Why the method gave up, and on how many adaptations."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found of all methods."""

    format: int = 1
    """Of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    benchmark: Benchmark
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    shots: tuple[int, ...]
    supports: int
    trials: int
    """Of each task."""
    probe: int
    """Shots at which steps, controls and forgetting were looked at."""
    confidence: float
    methods: Mapping[str, MethodFindings]
    """By label, in the order asked for."""
    ranking: Ranking
