"""Report sections with bars per method and condition: controls and forgetting."""

from collections.abc import Mapping

from robomtl.evaluation.formatting import change, counted, percent, points, span
from robomtl.evaluation.statistics import Interval
from robomtl.experiments import report, sections
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.findings import Difference, Success
from robomtl.pages.lines import Style

_RATE = report.Column("rate", "success")
_CHANGE = report.Column("change", "change")
_CONTROLS = {
    "wrong_task": "of another task",
    "wrong_variation": "of another goal",
    "shuffled_actions": "with shuffled actions",
}


def controls_section(
    findings: AdaptationFindings, styles: Mapping[str, Style]
) -> report.Section | None:
    """Success of each method with right and with corrupted supports."""
    rows = []
    for label, method in findings.methods.items():
        right = method.shots.get(findings.probe)
        if right is None or not method.controls:
            continue
        rows.append(_rated(right, "right", "", label)._replace(style=styles[label]))
        for control, under in method.controls.items():
            name = _CONTROLS.get(control, control)
            rows.append(_rated(under.success, name, _changed(under.lost, sign=-1)))
    note = (
        f"{counted(findings.probe, 'demonstration')}; a method with equal success from wrong"
        " demonstrations has learned nothing from them"
    )
    columns = [_RATE, report.Column("range", "interval"), _CHANGE]
    bars = report.Bars("method", columns, rows, condition="demonstrations")
    return sections.section("controls", "Right and wrong demonstrations", note, bars)


def forgetting_section(
    findings: AdaptationFindings, styles: Mapping[str, Style]
) -> report.Section | None:
    """Success of each method in the training tasks before and after adaptation."""
    rows = []
    for label, method in findings.methods.items():
        if (seen := method.forgetting) is None:
            continue
        rate, style = percent(seen.before), styles[label]
        before = report.Bar(label, seen.before, None, [rate, ""], style=style)
        texts = [percent(seen.after), _changed(seen.change)]
        after = report.Bar("", seen.after, None, texts, second=True)
        rows.append(before._replace(condition="before"))
        rows.append(after._replace(condition="after"))
    note = (
        f"before and after adaptation from {counted(findings.probe, 'demonstration')}"
    )
    bars = report.Bars("method", [_RATE, _CHANGE], rows, condition="adaptation")
    return sections.section("forgetting", "Training tasks", note, bars)


def _rated(
    success: Success, condition: str, changed: str | tuple[str, str], name: str = ""
) -> report.Bar:
    rate, interval = success.task_mean, success.interval
    texts = [percent(rate), span(interval), changed]
    return report.Bar(name, rate, interval, texts, second=not name, condition=condition)


def _changed(difference: Difference | None, sign: int = 1) -> str | tuple[str, str]:
    """Texts of a difference, multiplied by ``sign``, and of its interval."""
    if difference is None:
        return ""
    ends = sorted(sign * end for end in difference.interval)
    return points(sign * difference.difference), change(Interval(*ends))
