"""What a multi-task experiment found, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robomtl.comparison.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success
from robomtl.sharing.affinity import Affinity
from robomtl.sharing.crossover import Crossover


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What an arm is, and what is equal in it."""

    base: str
    """Registered name of the way to learn."""
    learned: str
    """``together`` or ``alone``."""
    policy: str
    policy_config: Mapping[str, Any]
    """Fields that differ from the defaults, widths that were divided among them."""
    conditioning: tuple[str, ...]
    training: Mapping[str, Any]
    networks: int
    """Policies of a seed and a number of demonstrations."""
    parameters: int
    """Of each."""
    parameters_total: int
    """Of all."""
    steps: int
    """Gradient steps of each."""
    batch: int
    """Samples in a step of each."""
    samples_per_task: int
    """Gradient samples of each task."""


@dataclass(frozen=True, kw_only=True)
class Took:
    """What an arm took for one seed: medians over seeds of what its policies sum to."""

    seconds: float
    """Wall time of all its trainings, each with one thread [s]."""
    steps: float
    samples: float
    parameters: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found of all arms."""

    format: int = 1
    """Of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    demonstrations: tuple[int, ...]
    trials: int
    """Of each task."""
    confidence: float
    baseline: str | None
    """Label of the arm the others are compared with; None if there is none."""
    arms: Mapping[str, Mapping[int, Success]]
    """Success by label and number of demonstrations."""
    definitions: Mapping[str, Definition]
    """By label."""
    area: Mapping[str, Estimate]
    """Under success against the logarithm of the demonstrations, by label; of arms with
    more than one number of them."""
    differences: Mapping[str, Mapping[int, Difference]]
    """Success less that of the baseline, by label and number of demonstrations."""
    gains: Mapping[str, Mapping[str, tuple[int, ...]]]
    """By label and task, at which numbers of demonstrations it is better; see
    ``differences_of``."""
    losses: Mapping[str, Mapping[str, tuple[int, ...]]]
    """The same where it is worse: negative transfer."""
    crossover: Mapping[str, Crossover]
    """By label, of arms that are compared."""
    affinity: Mapping[str, Affinity]
    """Of tasks, by label, of arms that learn them together; see ``Asked.affinity``."""
    cost: Mapping[str, Mapping[int, Took]]
    """By label and number of demonstrations."""
    reasons: Mapping[str, Mapping[str, int]]
    """By label, why trainings diverged, and how many."""
    data: Mapping[int, Mapping[str, str]]
    """sha256 of what every arm read, by number of demonstrations and task."""
