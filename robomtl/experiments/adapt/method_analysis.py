"""Computes the findings of a comparison of methods from the trials of its cells."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robomtl.cost import Cost
from robomtl.experiments.adapt.adapting_cells import Shared
from robomtl.experiments.adapt.benchmark import kind_of
from robomtl.experiments.adapt.method_cells import MethodCell
from robomtl.experiments.adapt.method_design import BASELINE, AdaptRequest, objectives
from robomtl.experiments.adapt.method_findings import (
    THRESHOLDS,
    AdaptationFindings,
    Efficiency,
    Forgetting,
    MethodFindings,
    Under,
)
from robomtl.experiments.adapt.ranking import ranking
from robomtl.experiments.analysis import (
    CONFIDENCE,
    area_of,
    curve_of,
    difference_of,
    differences_of,
    mean_success,
    success_of,
)
from robomtl.experiments.cells import Finished, Row, reasons_of, rows_of
from robomtl.experiments.crossed import Scores
from robomtl.experiments.curves import shots_for
from robomtl.experiments.findings import Difference, Success, Took, took_of
from robomtl.experiments.scores import Where, scores_by


def findings_of(
    request: AdaptRequest,
    shared: Shared,
    seeds: Sequence[int],
    finished: Sequence[Finished[MethodCell]],
) -> AdaptationFindings:
    """The findings of finished cells.

    Args:
        request: The request.
        shared: Suite and methods.
        seeds: Seeds of training.
        finished: The cells with the outcomes of their trials.
    """
    view = _View(request, shared, finished)
    methods = {label: view.method(label) for label in request.methods}
    return AdaptationFindings(
        suite=shared.suite.name,
        benchmark=kind_of(shared.suite),
        tasks=tuple(dict.fromkeys(each.task for each in shared.problems)),
        seeds=tuple(seeds),
        shots=tuple(sorted(request.shots)),
        supports=request.supports,
        trials=request.trials,
        probe=request.probed,
        confidence=CONFIDENCE,
        methods=methods,
        ranking=ranking(
            {label: view.curve(label) for label in methods},
            seeds=len(seeds),
            supports=request.supports,
        ),
    )


class Condition(NamedTuple):
    """A method under one setting of shots, steps and control."""

    method: str
    """Label of the method; ``/OBJECTIVE`` for a policy before adaptation."""
    shots: int
    steps: int | None = None
    control: str = "none"


def _condition(row: Row[MethodCell]) -> Condition:
    cell = row.cell
    name = cell.method or f"/{cell.objective}"
    return Condition(name, cell.shots, cell.steps, cell.control)


def _goal(row: Row[MethodCell]) -> int:
    return (row.cell.problem.goal if row.cell.problem else None) or 0


def query_scores(
    finished: Sequence[Finished[MethodCell]],
) -> dict[Condition, dict[str, Scores]]:
    """Success in the new tasks, by condition and task; (seed, draw, goal, trial)."""
    return scores_by(
        (row for row in rows_of(finished) if row.place < row.cell.query),
        _condition,
        lambda row: Where(row.cell.seed, row.cell.draw, _goal(row), row.start),
    )


def retained_scores(
    finished: Sequence[Finished[MethodCell]],
) -> dict[Condition, dict[str, Scores]]:
    """Success in the training tasks, by condition and task; (seed, problem, 1, trial).

    The second axis is the problem adapted to, in place of the draw.
    """
    return scores_by(
        (row for row in rows_of(finished) if row.place >= row.cell.query),
        _condition,
        lambda row: Where(row.cell.seed, (row.cell.task, _goal(row)), 0, row.start),
    )


class _View:
    """Finished cells, from which the findings of each method are computed."""

    def __init__(
        self,
        request: AdaptRequest,
        shared: Shared,
        finished: Sequence[Finished[MethodCell]],
    ) -> None:
        self._request, self._shared, self._finished = request, shared, finished
        self._query = query_scores(finished)
        self._retained = retained_scores(finished)

    def method(self, label: str) -> MethodFindings:
        """The findings of a method."""
        method = self._shared.methods[label]
        objective = objectives(self._request, {label: method})[label]
        shots = self._shots(label)
        return MethodFindings(
            method=self._request.methods[label],
            config=vars(method),
            objective=objective,
            shots={each: self._success(Condition(label, each)) for each in shots},
            area=area_of(self.curve(label)),
            efficiency=self._efficiency(label),
            against_scratch=self._against(label),
            steps={
                condition.steps: self._success(condition)
                for condition in self._conditions(label)
                if condition.steps is not None
            },
            controls={
                condition.control: self._under(condition)
                for condition in self._conditions(label)
                if condition.control != "none"
            },
            forgetting=self._forgetting(label, objective),
            cost=self._cost(label),
            reasons=reasons_of(
                each for each in self._finished if each.cell.method == label
            ),
        )

    def curve(self, label: str) -> dict[int, dict[str, Scores]]:
        """Success by shots and task; see ``curve_of``."""
        return curve_of(
            {k: self._query[Condition(label, k)] for k in self._shots(label)}
        )

    def _conditions(self, label: str) -> list[Condition]:
        return [condition for condition in self._query if condition.method == label]

    def _shots(self, label: str) -> list[int]:
        """Numbers of shots that a method was tried with, ascending."""
        usual = (
            condition
            for condition in self._conditions(label)
            if condition.steps is None and condition.control == "none"
        )
        return sorted({condition.shots for condition in usual})

    def _success(self, condition: Condition) -> Success:
        return success_of(self._query[condition])

    def _efficiency(self, label: str) -> tuple[Efficiency, ...]:
        baseline = self._baseline(label)
        if baseline is None:
            return ()
        scratch, own = self.curve(baseline), self.curve(label)
        if 0 in own or not own or not scratch:
            return ()
        return tuple(_efficiency(wanted, scratch, own) for wanted in THRESHOLDS)

    def _against(self, label: str) -> dict[int, Difference]:
        """Success minus that of scratch, by the shots of scratch."""
        baseline, own = self._baseline(label), self._shots(label)
        return differences_of(
            {
                shots: (
                    self._query[Condition(label, shots if shots in own else 0)],
                    self._query[Condition(baseline or "", shots)],
                )
                for shots in ([] if baseline is None else self._shots(baseline))
            }
        )

    def _baseline(self, label: str) -> str | None:
        """The label of scratch; None for scratch itself, or without scratch."""
        labels = [k for k, name in self._request.methods.items() if name == BASELINE]
        return labels[0] if labels and label not in labels else None

    def _under(self, condition: Condition) -> Under:
        right = self._query[condition._replace(control="none")]
        lost = difference_of(right, self._query[condition])
        return Under(success=self._success(condition), lost=lost)

    def _forgetting(self, label: str, objective: str) -> Forgetting | None:
        before = self._retained.get(Condition(f"/{objective}", 0))
        after = next((s for a, s in self._retained.items() if a.method == label), None)
        if before is None or after is None:
            return None
        change = difference_of(after, before)
        if change is None:
            return None
        return Forgetting(
            before=mean_success({task: before[task] for task in change.tasks}),
            after=mean_success({task: after[task] for task in change.tasks}),
            change=change,
        )

    def _cost(self, label: str) -> dict[int, Took]:
        by_shots: dict[int, list[Cost]] = {}
        for cell, done in self._finished:
            usual = cell.steps is None and cell.control == "none"
            if cell.method == label and usual and done.cost is not None:
                by_shots.setdefault(cell.shots, []).append(done.cost)
        return {shots: took_of(costs) for shots, costs in sorted(by_shots.items())}


def _efficiency(
    wanted: float,
    scratch: Mapping[int, Mapping[str, Scores]],
    method: Mapping[int, Mapping[str, Scores]],
) -> Efficiency:
    by_scratch, by_method = (
        shots_for(
            wanted, list(curve), [mean_success(tasks) for tasks in curve.values()]
        )
        for curve in (scratch, method)
    )
    ratio = None
    if by_scratch is not None and by_method is not None:
        ratio = by_scratch / by_method
    return Efficiency(success=wanted, scratch=by_scratch, method=by_method, ratio=ratio)
