"""The settings and cells of an experiment in rounds of rollouts."""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.evaluation.trials import select
from robomtl.experiments.cells import Cell, Factors
from robomtl.nearest import unknown
from robomtl.ranges import check_counts, check_positive, check_repetitions, check_types
from robomtl.task import Suite, Trial

NOISE = 0.5
"""Largest standard deviation of the noise on the expert's actions in demonstrations."""
EXPERT, START = "expert", "start"
"""Labels of the expert and of the policy from which every arm starts."""

ARMS: Mapping[str, str] = {
    "demonstrations": "further demonstrations of the expert",
    "dagger": "rollouts of the policy with the expert's actions as labels",
    "self_imitation": "the policy's own actions in the episodes that it solves",
}
"""Description of the data that each arm adds in a round, by arm."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """The settings of an experiment in rounds of rollouts."""

    policy: str = "film"
    """Architecture of the language-conditioned policy."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Arms, by the data that each adds in a round: ``demonstrations`` of the expert,
    rollouts of the policy labelled by the expert (``dagger``), or rollouts that the policy
    solves (``self_imitation``)."""
    tasks: tuple[str, ...] | None = None
    """Tasks to learn; the training tasks of the suite by default."""
    demonstrations: int = 25
    """Demonstrations of each task with which every arm starts."""
    rounds: int = 3
    """Rounds of collecting and training."""
    episodes: int = 10
    """Episodes of each task in a round."""
    noise: float = 0.2
    """Largest standard deviation, from 0 to 1, of the exploration noise on the policy's
    actions in ``self_imitation``."""
    steps: int = 4_000
    """Gradient steps of the policy from which every arm starts."""
    round_steps: int = 2_000
    """Gradient steps in each round, starting from the previous round's policy."""
    learning_rate: float = 5e-4
    """Peak learning rate in a round."""
    samples: int = 25
    """Samples per task in a batch."""
    seeds: int = 1
    """Seeds of training."""
    trials: int = 50
    """Trials of each task, the same for the expert and for all policies."""

    def __post_init__(self) -> None:
        """Checks the numbers and arms.

        Raises:
            InputError: If a number is out of range, or an arm is unknown or named twice.
        """
        check_types(self)
        check_counts(self, "demonstrations", "rounds", "episodes", "steps")
        check_counts(self, "round_steps", "samples", "trials")
        check_repetitions(self, "seeds")
        check_positive(self, "learning_rate")
        if not 0 <= self.noise <= 1:
            raise InputError(f"noise is {self.noise:g}; give a number from 0 to 1.")
        if not self.arms:
            raise InputError(f"No arm was named; name at least 1 of {', '.join(ARMS)}.")
        for arm in self.arms:
            if arm not in ARMS:
                raise InputError(unknown("arm", arm, ARMS))
            if self.arms.count(arm) > 1:
                raise InputError(f"The arm {arm} is named twice; name it once.")

    def first(self, number: int) -> int:
        """Index of the first training variation of a round's episodes.

        Each collection reserves twice as many variations as episodes, since failed
        episodes are replaced by episodes of further variations.

        Args:
            number: Number of the round, from 1.
        """
        return 2 * (self.demonstrations + (number - 1) * self.episodes)


@dataclass(frozen=True, kw_only=True)
class RoundsCell(Cell):
    """All rounds of one arm and seed; or the trials of the expert or the first policy."""

    arm: str
    """Name of the arm, ``EXPERT`` or ``START``."""
    seed: int
    """Seed of training; 0 for the expert."""
    rounds: int
    """Number of rounds, each followed by all trials; 0 for the expert and first policy."""
    steps: int
    """Gradient steps of each round."""

    @property
    def name(self) -> str:
        """Arm and seed."""
        return f"{self.arm}/{self.seed}"

    @property
    def factors(self) -> Factors:
        """Arm, seed and last round."""
        return {"arm": self.arm, "seed": self.seed, "round": self.rounds}

    def factors_of(self, place: int) -> Factors:
        """Arm, seed and the round after which a trial is played."""
        each = len(self.trials) // max(self.rounds, 1)
        number = 1 + place // each if self.rounds else 0
        return {**self.factors, "round": number}

    @property
    def units(self) -> int:
        """Number of gradient steps and trials; both take about the same time."""
        return self.rounds * self.steps + len(self.trials)


def plan(design: Design, suite: Suite) -> tuple[RoundsCell, ...]:
    """The cells, longest first.

    Raises:
        InputError: If a task is unknown, or the suite has fewer variations than trials.
    """
    names = [task.name for task in select(suite, design.tasks)]
    trials = tuple(trials_plan(suite, names, episodes=design.trials))
    return tuple(
        _cell(design, arm, seed, trials)
        for arm in (*design.arms, START, EXPERT)
        for seed in range(1 if arm == EXPERT else design.seeds)
    )


def _cell(design: Design, arm: str, seed: int, trials: tuple[Trial, ...]) -> RoundsCell:
    rounds = design.rounds if arm in ARMS else 0
    return RoundsCell(
        trials=trials * max(rounds, 1),
        arm=arm,
        seed=seed,
        rounds=rounds,
        steps=design.round_steps,
    )
