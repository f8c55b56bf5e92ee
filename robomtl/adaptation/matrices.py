"""The tables on the page of a comparison of methods."""

from collections.abc import Iterator, Mapping

from robomtl.adaptation.charts import steps, styles
from robomtl.adaptation.findings import (
    THRESHOLDS,
    Efficiency,
    Findings,
    MethodFindings,
    Took,
)
from robomtl.evaluation.figures import counted
from robomtl.experiments.entries import (
    NONE,
    between,
    difference,
    estimate,
    rate,
    seconds,
)
from robomtl.pages.matrix import Entry, Line, Matrix


def success_matrix(found: Findings) -> Matrix:
    """Mean success over tasks by shots, and the area under it."""
    areas = any(method.area for method in found.methods.values())
    return Matrix(
        columns=[*_heads(found), *(["nAUC"] if areas else [])],
        lines=_lines(
            found,
            {
                label: [
                    *_by_shots(found, method),
                    *([estimate(method.area)] if areas else []),
                ]
                for label, method in found.methods.items()
            },
        ),
    )


def difference_matrix(found: Findings) -> Matrix | None:
    """Success less that of scratch by shots, and demonstrations saved; None without."""
    methods = {k: each for k, each in found.methods.items() if each.against_scratch}
    ratios = any(method.efficiency for method in methods.values())
    heads = [f"ratio at {wanted:.0%}" for wanted in THRESHOLDS] if ratios else []
    if not methods:
        return None
    entries = {}
    for label, method in methods.items():
        saved = [_ratio(each, found.shots[0]) for each in method.efficiency]
        entries[label] = [
            *(difference(method.against_scratch.get(k)) for k in found.shots),
            *(saved or [NONE] * len(heads)),
        ]
    return Matrix(columns=[*_heads(found), *heads], lines=_lines(found, entries))


def steps_matrix(found: Findings) -> Matrix | None:
    """Mean success over tasks by gradient steps; None where none were tried."""
    methods = {k: each for k, each in found.methods.items() if each.steps}
    tried = sorted({number for each in methods.values() for number in each.steps})
    entries = {}
    for label, method in methods.items():
        there = steps(found, method)
        own = [number for number in there if number not in method.steps]
        entries[label] = [
            *(rate(there[n]) if n in there else NONE for n in tried),
            _named(rate(there[own[0]]), own[0]) if own else NONE,
        ]
    if not tried:
        return None
    heads = [f"{number:,}" for number in tried]
    return Matrix(columns=[*heads, "its own"], lines=_lines(found, entries))


def task_matrices(found: Findings) -> dict[str, Matrix]:
    """By task, success of each method by shots."""
    return {
        task: Matrix(
            columns=_heads(found),
            lines=_lines(
                found,
                {
                    label: list(_by_shots(found, method, task))
                    for label, method in found.methods.items()
                },
            ),
        )
        for task in found.tasks
    }


def cost_matrix(found: Findings) -> Matrix | None:
    """Seconds by shots, gradient steps, samples and parameters; None if all gave up."""
    methods = {k: each for k, each in found.methods.items() if each.cost}
    if not methods:
        return None
    times = [f"s at {head}" for head in _heads(found)]
    return Matrix(
        columns=[*times, "steps", "samples", "parameters"],
        lines=_lines(
            found, {label: _took(found, each) for label, each in methods.items()}
        ),
    )


def _heads(found: Findings) -> list[str]:
    return [f"K = {shots}" for shots in found.shots]


def _lines(found: Findings, entries: Mapping[str, list[Entry]]) -> list[Line]:
    look = styles(found)
    return [
        Line(name=label, style=look[label], entries=some, note=_note(found, label))
        for label, some in entries.items()
    ]


def _note(found: Findings, label: str) -> str:
    """What a label does not say of its method."""
    name = found.methods[label].method
    return "" if name == label else name


def _by_shots(
    found: Findings, method: MethodFindings, task: str | None = None
) -> Iterator[Entry]:
    if 0 in method.shots:
        entry = rate(method.shots[0], task)
        yield entry._replace(columns=len(found.shots))
        return
    for shots in found.shots:
        yield rate(method.shots[shots], task) if shots in method.shots else NONE


def _named(entry: Entry, number: int) -> Entry:
    return entry._replace(note=f"{entry.note}, {counted(number, 'step')}")


def _ratio(found: Efficiency, fewest: int) -> Entry:
    """Demonstrations of scratch by those of the method; a bound where one is a bound."""
    if found.method is None:
        told = "neither gets there" if found.scratch is None else "does not get there"
        return Entry("–", told)
    ours = f"{found.method:.3g}"
    if found.scratch is None or found.ratio is None:
        return Entry("–", f"{ours}; scratch does not get there")
    note = f"{found.scratch:.3g} : {ours}"
    if found.method == found.scratch == fewest:
        return Entry("–", f"{fewest} suffices for both")
    bound = {found.method: "≥ ", found.scratch: "≤ "}.get(fewest, "")
    return Entry(f"{bound}{found.ratio:.2g}×", note)


def _took(found: Findings, method: MethodFindings) -> list[Entry]:
    every = list(method.cost.values())
    times = [Entry(_time(method.cost.get(k))) for k in found.shots]
    if 0 in method.cost:
        times = [Entry(_time(method.cost[0]), columns=len(found.shots))]
    names = ("steps", "samples", "parameters")
    return [*times, *(between([getattr(t, name) for t in every]) for name in names)]


def _time(took: Took | None) -> str:
    return seconds(None if took is None else took.seconds)
