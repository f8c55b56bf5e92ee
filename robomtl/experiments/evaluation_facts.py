"""Facts about an evaluation for its report: conditions, machine, and how rates are counted."""

from robomtl.evaluation.formatting import duration
from robomtl.evaluation.results import Setting
from robomtl.experiments import report

_AT = {"any step": "any step", "last step": "the last step"}


def conditions(setting: Setting) -> report.Pairs:
    """Conditions of the trials."""
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


def machine(setting: Setting) -> report.Pairs:
    """Facts about the evaluated agent, the machine and the versions."""
    return [
        ("Agent", setting.agent),
        *((f"Actor's {name}", str(it)) for name, it in setting.acting.items()),
        ("Fingerprint", setting.fingerprint),
        ("Processor", setting.processor),
        ("Workers", str(setting.workers)),
        ("Time", duration(setting.seconds)),
        *setting.versions.items(),
        ("robomtl commit", setting.commit or "–"),
    ]


def counting(setting: Setting) -> str:
    """Explanation of the rates: when a trial succeeds, and how intervals are computed."""
    solved = (
        "at its last step"
        if setting.criterion == "last step"
        else "at any step; “at end” counts those solved at the last step"
        if setting.until == "horizon"
        else "at any step"
    )
    return (
        f"A trial succeeds if the task is solved {solved}. “Steps” is the mean number of"
        " actions up to the first success, over the trials that have one. Bars carry 95%"
        " intervals: Wilson's for a task; for means, Wilson's with an effective number of"
        " trials, with tasks as strata. They hold for these tasks and this agent only."
        " The tier mean gives every tier the same weight. Trials that ended in an error are"
        " excluded from all rates."
    )
