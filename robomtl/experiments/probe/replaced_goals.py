"""Replacement of the envs' goals by zeros or by goals of other trials."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from robomtl.acting.actor import TaskInfo
from robomtl.evaluation.trials import Chunk
from robomtl.experiments.probe.kinds import EMPTY, SHUFFLED, WRONG
from robomtl.plug_in import calling, inspection_env
from robomtl.task import Suite, Trial, goal_place

Goal = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Goals:
    """The goals of a suite's trials, read from their first states."""

    of_task: dict[str, list[Goal]]
    """Goals of each task's trials, in the order of the trials."""
    size: int
    """Number of components of a goal."""

    def replaced(
        self, chunks: Sequence[Chunk], kind: str, *, alone: bool
    ) -> tuple[Chunk, ...]:
        """The chunks with the goals of a kind of instruction.

        The goal is zero for ``empty``. For ``shuffled`` and ``wrong`` it is the goal of the
        task whose instruction is given, in the trial of the same index; but for ``wrong``
        with ``alone`` it is the goal of the next trial of the same task. Other kinds keep
        their goals.

        Args:
            chunks: Every trial of each task, in the order of the goals.
            kind: Kind of instruction.
            alone: Whether the policy is conditioned on the goal only.
        """
        if kind not in (SHUFFLED, EMPTY, WRONG):
            return tuple(chunks)
        return tuple(self._replaced(chunks, kind, alone))

    def _replaced(
        self, chunks: Sequence[Chunk], kind: str, alone: bool
    ) -> Iterator[Chunk]:
        for task, some in groupby(chunks, key=lambda chunk: chunk.task):
            index = 0
            for chunk in some:
                task_infos = []
                for each in chunk.task_infos:
                    goal = self._goal(kind, task, each, index, alone)
                    task_infos.append(each._replace(goal=goal))
                    index += 1
                yield Chunk(
                    task=task, trials=chunk.trials, task_infos=tuple(task_infos)
                )

    def _goal(
        self, kind: str, task: str, task_info: TaskInfo, index: int, alone: bool
    ) -> Goal:
        if kind == EMPTY:
            return (0.0,) * self.size
        if kind == WRONG and alone:
            own = self.of_task[task]
            return own[(index + 1) % len(own)]
        assert task_info.task is not None
        return self.of_task[task_info.task][index]


def shown_goals(suite: Suite, trials: Sequence[Trial]) -> Goals:
    """The goals of trials, found by resetting an env to each of them.

    Args:
        suite: Suite whose states contain the goal.
        trials: Trials, grouped by task.
    """
    assert suite.goal is not None
    of_task: dict[str, list[Goal]] = {}
    for task, some in groupby(trials, key=lambda trial: trial.task):
        with inspection_env(suite, task) as env:
            for trial in some:
                options = {"variation": trial.variation}
                with calling(f"'{task}' of {suite.name} cannot be reset"):
                    observation, _ = env.reset(seed=trial.seed, options=options)
                shown = observation["state"][goal_place(suite, task)]
                of_task.setdefault(task, []).append(tuple(shown.tolist()))
    sizes = {len(goal) for goals in of_task.values() for goal in goals}
    return Goals(of_task=of_task, size=sizes.pop())
