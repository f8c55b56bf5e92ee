"""One page that shows an evaluation: self-contained, for any screen, without network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from robomtl.durable import write_text
from robomtl.evaluation import figures
from robomtl.evaluation.clips import clips
from robomtl.evaluation.grid import outcome_grid
from robomtl.evaluation.instructions import KINDS
from robomtl.evaluation.panels import panels
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results, Setting
from robomtl.evaluation.summary import GroupRates, Summary, TaskRates
from robomtl.pages.flat import flat
from robomtl.pages.rendering import rendered
from robomtl.pages.trial_cells import Clip
from robomtl.task import Trial

Pairs = list[tuple[str, str]]

_AT = {"any step": "any step", "last step": "the last step"}


class _Section(NamedTuple):
    """The tasks of a tier under its mean."""

    title: str
    rates: GroupRates
    tasks: list[tuple[str, TaskRates]]


def write_report(
    path: Path,
    results: Results,
    *,
    config: Mapping[str, Any] | None = None,
    videos: Mapping[Trial, Path] | None = None,
) -> None:
    """Writes the page, durably.

    Args:
        path: The file.
        results: What to show.
        config: How the agent came to be: plain data, as deep as it likes.
        videos: Files that show trials. As many as fit into a budget become part of the
            page, in the given order; to the others it links, so they stay beside it.

    Raises:
        FileNotFoundError: If a video is missing.
    """
    embedded = clips(videos or {}, path.parent)
    write_text(path, page(results, config=config, videos=embedded))


def page(
    results: Results,
    *,
    config: Mapping[str, Any] | None = None,
    videos: Mapping[Trial, Clip] | None = None,
) -> str:
    """The page as HTML; see ``write_report``, and ``clips`` for the videos."""
    return rendered(
        "robomtl.evaluation",
        "report.html",
        setting=results.setting,
        summary=results.summary,
        sections=_sections(results.summary),
        told=_told(results.setting.instructions),
        failures=_failures(results.records),
        panels=panels(results),
        grid=outcome_grid(results, videos or {}),
        conditions=_conditions(results),
        machine=machine(results.setting),
        config=list(flat(config or {})),
    )


def _sections(summary: Summary) -> list[_Section]:
    tiers = summary.tiers or {"": summary.everything}
    return [
        _Section(tier or "All tasks", rates, summary.by_success(tier))
        for tier, rates in tiers.items()
    ]


def _told(instructions: str) -> str:
    return f"told {KINDS.get(instructions, f'wordings from {instructions}')}"


def _failures(records: tuple[Record, ...]) -> list[tuple[str, list[Record]]]:
    """What happened to trials without an outcome, and to which; most frequent first."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.error is not None:
            found.setdefault(record.error, []).append(record)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _conditions(results: Results) -> Pairs:
    setting = results.setting
    options = [name for name in setting.options if name != "horizon"]
    ends = "the first success" if setting.until == "success" else "their horizon"
    return [
        ("Suite", setting.suite),
        *((name, str(setting.options[name])) for name in options),
        ("Protocol", setting.protocol),
        ("Solved by success at", _AT[setting.criterion]),
        ("Variations", f"{setting.split}, {setting.episodes} of each task"),
        ("Trials of a variation", str(setting.repeats)),
        ("Instructions", setting.instructions),
        ("Trials end at", ends),
        ("Horizon", "–" if setting.horizon is None else f"{setting.horizon} steps"),
        ("Seed", str(setting.seed)),
    ]


def machine(setting: Setting) -> Pairs:
    """What was evaluated, and what on."""
    return [
        ("Agent", setting.agent),
        *((f"Actor's {name}", str(it)) for name, it in setting.acting.items()),
        ("Fingerprint", setting.fingerprint),
        ("Processor", setting.processor),
        ("Workers", str(setting.workers)),
        ("Time", figures.duration(setting.seconds)),
        *setting.versions.items(),
        ("robomtl commit", setting.commit or "–"),
    ]
