"""Renders the cards with which the hub presents a policy or demonstrations."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from robomtl.checkpoint import Card
from robomtl.demonstrations import Demonstrations
from robomtl.evaluation.results import Results

_TEMPLATES = Environment(
    loader=PackageLoader("robomtl.templates", ""),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _cell(text: str) -> str:
    """A text, escaped for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


_TEMPLATES.filters["cell"] = _cell


class _Row(NamedTuple):
    task: str
    success: str
    interval: str
    counts: str


def policy_card(
    repository: str,
    card: Card,
    evaluations: Mapping[str, Results],
    *,
    license_name: str,
    training: Mapping[str, Any],
) -> str:
    """Markdown card of a policy, with the success rates of its evaluations.

    Args:
        repository: Owner and name of the repository.
        card: The policy's card in its run directory.
        evaluations: Results of evaluations, by the name of their folder.
        license_name: The hub's name of a licence, such as apache-2.0.
        training: Settings of the training; empty if they are not recorded.
    """
    return _TEMPLATES.get_template("policy_card.md.jinja").render(
        repository=repository,
        license=license_name,
        card=card,
        conditioning=", ".join(card.conditioning.kinds) or "nothing",
        training=training,
        evaluations=[
            {
                "name": name,
                "setting": results.setting,
                "command": _command(results, card),
                "rows": _rows(results),
            }
            for name, results in evaluations.items()
        ],
    )


def data_card(repository: str, shown: Demonstrations, *, license_name: str) -> str:
    """Markdown card of demonstrations.

    Args:
        repository: Owner and name of the repository.
        shown: The demonstrations.
        license_name: The hub's name of a licence, such as apache-2.0.
    """
    episodes = [shown.select(tasks=[task]) for task in shown.tasks]
    return _TEMPLATES.get_template("data_card.md.jinja").render(
        repository=repository,
        license=license_name,
        suite=shown.suite,
        options=shown.suite_options,
        episodes=len(shown),
        tasks=[
            {
                "name": task,
                "instruction": shown.instructions[task],
                "episodes": len(of_task),
            }
            for task, of_task in zip(shown.tasks, episodes, strict=True)
        ],
    )


def _rows(results: Results) -> Sequence[_Row]:
    everything = results.summary.everything
    rows = [
        _row(name, each.success, each.interval, each.successes, each.trials)
        for name, each in results.tasks.items()
    ]
    mean = _row(
        "**mean of the tasks**",
        everything.success,
        everything.interval,
        everything.successes,
        everything.trials,
    )
    return [*rows, mean]


def _row(
    task: str,
    success: float | None,
    interval: tuple[float, float] | None,
    successes: int,
    trials: int,
) -> _Row:
    counts = f"{successes}/{trials}"
    if success is None or interval is None:
        return _Row(task, "no outcome", "", counts)
    low, high = interval
    return _Row(task, f"{success:.1%}", f"{low:.1%} to {high:.1%}", counts)


def _command(results: Results, card: Card) -> str:
    """The command that repeats the trials with a policy in the folder ``policy``."""
    setting = results.setting
    # In the training suite, the options of the training are the defaults.
    defaults = card.suite_options if setting.suite == card.suite else {}
    words = ["robomtl evaluate policy", f"--suite {setting.suite}"]
    if setting.protocol.startswith("custom"):
        words += [
            f"--variations {setting.split}",
            f"--episodes {setting.episodes}",
            f"--until {setting.until}",
        ]
    else:
        words.append(f"--protocol {setting.protocol}")
    if {*results.tasks} != {*card.conditioning.tasks}:
        words.append(f"--tasks {' '.join(map(shlex.quote, results.tasks))}")
    if setting.instructions != "canonical":
        words.append(f"--instructions {shlex.quote(setting.instructions)}")
    options = {
        name: value
        for name, value in setting.options.items()
        if name not in defaults or value != defaults[name]
    }
    words += [
        f"--{name} {it}" for name, it in setting.acting.items() if name != "history"
    ]
    return " ".join([*words, *_suite_options(options)])


def _suite_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yields the flag of the options that can be given as words, if there are any."""
    words = [
        f"{name}={_word(value)}"
        for name, value in options.items()
        if value is not None and not isinstance(value, Mapping)
    ]
    if words:
        yield f"--suite-options {' '.join(map(shlex.quote, words))}"


def _word(value: Any) -> str:
    """An option's value as ``--suite-options`` reads it."""
    several = isinstance(value, list | tuple)
    return ",".join(map(str, value)) if several else str(value)
