"""From tables of trials and adaptations to what they say of methods."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from robomtl.adaptation.benchmark import benchmark_of
from robomtl.adaptation.findings import (
    THRESHOLDS,
    Efficiency,
    Findings,
    Forgetting,
    MethodFindings,
    Took,
    Under,
)
from robomtl.adaptation.planning import BASELINE, Asked, objectives
from robomtl.adaptation.playing import Material
from robomtl.adaptation.ranking import ranking
from robomtl.adaptation.rows import CellRow, TrialRow
from robomtl.adaptation.scores import Arm, query_scores, retained_scores
from robomtl.experiments.concluding import (
    CONFIDENCE,
    area_of,
    curve_of,
    difference_of,
    differences_of,
    mean_success,
    success_of,
)
from robomtl.experiments.crossed import Scores
from robomtl.experiments.curves import shots_for
from robomtl.experiments.findings import Difference, Success


def findings_of(
    asked: Asked,
    material: Material,
    seeds: Sequence[int],
    trials: Sequence[TrialRow],
    cells: Sequence[CellRow],
) -> Findings:
    """What the tables of a comparison say.

    Args:
        asked: What was to be found out.
        material: Suite and methods.
        seeds: Seeds of training.
        trials: A row for each trial.
        cells: A row for each adaptation.
    """
    view = _View(asked, material, trials, cells)
    methods = {label: view.method(label) for label in asked.methods}
    return Findings(
        suite=material.suite.name,
        benchmark=benchmark_of(material.suite),
        tasks=tuple(dict.fromkeys(each.task for each in material.problems)),
        seeds=tuple(seeds),
        shots=tuple(sorted(asked.shots)),
        supports=asked.supports,
        trials=asked.trials,
        probe=asked.probed,
        confidence=CONFIDENCE,
        methods=methods,
        ranking=ranking(
            {label: view.curve(label) for label in methods},
            seeds=len(seeds),
            supports=asked.supports,
        ),
    )


class _View:
    """The tables, as what is found of one method after the other."""

    def __init__(
        self,
        asked: Asked,
        material: Material,
        trials: Sequence[TrialRow],
        cells: Sequence[CellRow],
    ) -> None:
        self._asked, self._material = asked, material
        self._cells = cells
        self._query, self._retained = query_scores(trials), retained_scores(trials)

    def method(self, label: str) -> MethodFindings:
        """How a method did."""
        method = self._material.methods[label]
        objective = objectives(self._asked, {label: method})[label]
        shots = self._shots(label)
        return MethodFindings(
            method=self._asked.methods[label],
            config=vars(method),
            objective=objective,
            shots={each: self._success(Arm(label, each)) for each in shots},
            area=area_of(self.curve(label)),
            efficiency=self._efficiency(label),
            against_scratch=self._against(label),
            steps={
                arm.steps: self._success(arm)
                for arm in self._arms(label)
                if arm.steps is not None
            },
            controls={
                arm.control: self._under(arm)
                for arm in self._arms(label)
                if arm.control != "none"
            },
            forgetting=self._forgetting(label, objective),
            cost=self._cost(label),
            reasons=Counter(
                row.error for row in self._cells if row.method == label and row.error
            ),
        )

    def curve(self, label: str) -> dict[int, dict[str, Scores]]:
        """Success by shots and task, where every number of shots has every task."""
        return curve_of({k: self._query[Arm(label, k)] for k in self._shots(label)})

    def _arms(self, label: str) -> list[Arm]:
        return [arm for arm in self._query if arm.method == label]

    def _shots(self, label: str) -> list[int]:
        """Numbers of shots that a method was tried with, rising."""
        arms = self._arms(label)
        return sorted(
            {arm.shots for arm in arms if arm.steps is None and arm.control == "none"}
        )

    def _success(self, arm: Arm) -> Success:
        return success_of(self._query[arm])

    def _efficiency(self, label: str) -> tuple[Efficiency, ...]:
        baseline = self._baseline(label)
        if baseline is None:
            return ()
        theirs, ours = self.curve(baseline), self.curve(label)
        if 0 in ours or not ours or not theirs:
            return ()
        return tuple(_efficiency(wanted, theirs, ours) for wanted in THRESHOLDS)

    def _against(self, label: str) -> dict[int, Difference]:
        """Success less that of scratch, by the shots of the latter."""
        baseline, ours = self._baseline(label), self._shots(label)
        return differences_of(
            {
                shots: (
                    self._query[Arm(label, shots if shots in ours else 0)],
                    self._query[Arm(baseline or "", shots)],
                )
                for shots in ([] if baseline is None else self._shots(baseline))
            }
        )

    def _baseline(self, label: str) -> str | None:
        """The label of scratch; None for scratch itself, and where it is not there."""
        found = [k for k, name in self._asked.methods.items() if name == BASELINE]
        return found[0] if found and label not in found else None

    def _under(self, arm: Arm) -> Under:
        right = self._query[arm._replace(control="none")]
        lost = difference_of(right, self._query[arm])
        return Under(success=self._success(arm), lost=lost)

    def _forgetting(self, label: str, objective: str) -> Forgetting | None:
        before = self._retained.get(Arm(f"/{objective}", 0))
        after = next((s for a, s in self._retained.items() if a.method == label), None)
        if before is None or after is None:
            return None
        change = difference_of(after, before)
        if change is None:
            return None
        there = {task: before[task] for task in change.tasks}
        return Forgetting(
            before=mean_success(there),
            after=mean_success({task: after[task] for task in change.tasks}),
            change=change,
        )

    def _cost(self, label: str) -> dict[int, Took]:
        found: dict[int, list[CellRow]] = {}
        for row in self._cells:
            usual = row.steps is None and row.control == "none"
            if row.method == label and usual and row.error is None:
                found.setdefault(row.shots, []).append(row)
        return {shots: _took(rows) for shots, rows in sorted(found.items())}


def _efficiency(
    wanted: float,
    theirs: Mapping[int, Mapping[str, Scores]],
    ours: Mapping[int, Mapping[str, Scores]],
) -> Efficiency:
    scratch, method = (
        shots_for(
            wanted, list(curve), [mean_success(tasks) for tasks in curve.values()]
        )
        for curve in (theirs, ours)
    )
    ratio = None if scratch is None or method is None else scratch / method
    return Efficiency(success=wanted, scratch=scratch, method=method, ratio=ratio)


def _took(rows: Sequence[CellRow]) -> Took:
    return Took(
        seconds=median(row.seconds or 0.0 for row in rows),
        steps=median(row.steps_taken or 0 for row in rows),
        samples=median(row.samples or 0 for row in rows),
        parameters=median(row.parameters or 0 for row in rows),
    )
