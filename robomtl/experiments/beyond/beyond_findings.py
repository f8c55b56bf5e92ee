"""Findings of rounds of rollouts: success by round, and goals beyond the expert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robomtl.experiments.analysis import CONFIDENCE, differences_of, success_of
from robomtl.experiments.beyond.beyond_design import EXPERT, START, Design, RoundsCell
from robomtl.experiments.cells import Finished, reasons_of, rows_of
from robomtl.experiments.crossed import Scores
from robomtl.experiments.findings import Difference, Success
from robomtl.experiments.scores import Where, scores_by

Rounds = Mapping[int, Mapping[str, Scores]]
"""Success of trials by round and task."""


@dataclass(frozen=True, kw_only=True)
class Goals:
    """Variations of a task on which an arm and the expert differ after the last round."""

    gained: tuple[int, ...]
    """Variations that the policies of all seeds solve and the expert does not."""
    lost: tuple[int, ...]
    """Variations that the expert solves and no policy does."""


@dataclass(frozen=True, kw_only=True)
class ImprovementFindings:
    """Findings on all arms of an experiment in rounds of rollouts."""

    format: int = 1
    """Version of ``results.json``; raised when the meaning of a field changes."""
    suite: str
    tasks: tuple[str, ...]
    design: Design
    confidence: float
    success: Mapping[str, Mapping[int, Success]]
    """Success by arm and round; the expert and the first policy have round 0 only."""
    against_expert: Mapping[str, Mapping[int, Difference]]
    """Success minus that of the expert on the same trials, by arm and round."""
    goals: Mapping[str, Mapping[str, Goals]]
    """Variations on which arm and expert differ after the last round, by arm and task;
    tasks without any are left out."""
    reasons: Mapping[str, Mapping[str, int]]
    """Number of failed cells by reason, by arm; arms without any are left out."""


def findings_of(
    design: Design,
    suite: str,
    tasks: Sequence[str],
    finished: Sequence[Finished[RoundsCell]],
) -> ImprovementFindings:
    """The findings of finished cells.

    Args:
        design: Settings of the experiment.
        suite: Name of the suite.
        tasks: Names of the tasks.
        finished: The cells with the outcomes of their trials.
    """
    tried = _tried(finished)
    expert = tried[EXPERT][0]
    last = {arm: tried[arm][design.rounds] for arm in design.arms}
    trials = finished[-1].cell.trials  # Trials of the expert, each once.
    variations = {
        t: sorted(it.variation for it in trials if it.task == t) for t in tasks
    }
    goals = {
        arm: {
            task: _goals(some[task], expert[task], variations[task]) for task in tasks
        }
        for arm, some in last.items()
    }
    return ImprovementFindings(
        suite=suite,
        tasks=tuple(tasks),
        design=design,
        confidence=CONFIDENCE,
        success={
            arm: {number: success_of(some) for number, some in rounds.items()}
            for arm, rounds in tried.items()
        },
        against_expert={
            arm: differences_of(
                {number: (some, expert) for number, some in rounds.items()}
            )
            for arm, rounds in tried.items()
            if arm != EXPERT
        },
        goals={
            arm: {task: each for task, each in some.items() if each.gained or each.lost}
            for arm, some in goals.items()
        },
        reasons=_reasons(finished),
    )


def _tried(finished: Sequence[Finished[RoundsCell]]) -> dict[str, Rounds]:
    """Success by arm and round, in the order: expert, first policy, other arms."""
    by_round = scores_by(
        rows_of(finished),
        lambda row: (row.cell.arm, int(row.cell.factors_of(row.place)["round"] or 0)),
        lambda row: Where(row.cell.seed, 0, 0, row.start),
    )
    by_arm: dict[str, dict[int, Mapping[str, Scores]]] = {EXPERT: {}, START: {}}
    for (arm, number), tasks in sorted(by_round.items(), key=lambda each: each[0][1]):
        by_arm.setdefault(arm, {})[number] = tasks
    return dict(by_arm)


def _goals(arm: Scores, expert: Scores, variations: Sequence[int]) -> Goals:
    """The variations on which all policies of an arm differ from the expert.

    Args:
        arm: Success after the last round; (seed, 1, 1, trial).
        expert: Success of the expert; (1, 1, 1, trial).
        variations: Variations of the trials, in their order; (trial,).
    """
    solved, by_expert = arm[:, 0, 0], expert[0, 0, 0]
    gained = (solved == 1).all(0) & (by_expert == 0)
    lost = (solved == 0).all(0) & (by_expert == 1)
    numbers = np.array(variations)
    return Goals(
        gained=tuple(numbers[gained].tolist()), lost=tuple(numbers[lost].tolist())
    )


def _reasons(
    finished: Sequence[Finished[RoundsCell]],
) -> dict[str, dict[str, int]]:
    """Number of failed cells by reason, by arm."""
    arms = dict.fromkeys(cell.arm for cell, done in finished if done.reason)
    return {
        arm: dict(reasons_of(each for each in finished if each.cell.arm == arm))
        for arm in arms
    }
