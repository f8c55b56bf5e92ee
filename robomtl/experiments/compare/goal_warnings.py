"""Whether policies that were evaluated could know their tasks by the goals alone."""

from collections.abc import Iterable

from robomtl.errors import InputError
from robomtl.evaluation.results import Results, Setting
from robomtl.goals import goal_warning
from robomtl.suites import suite
from robomtl.task import Suite


def goal_warnings(every: Iterable[Results]) -> tuple[str, ...]:
    """Why policies could not know their tasks, each sentence once; see ``robomtl.goals``.

    Evaluations that do not say how their policy is conditioned, or whose suite is not
    registered here, are not looked at.
    """
    said = [_goal_warning(results) for results in every]
    return tuple(dict.fromkeys(sentence for sentence in said if sentence))


def _goal_warning(results: Results) -> str:
    kinds = results.setting.conditioning
    if kinds is None or tuple(kinds) != ("goal",):
        return ""
    made = _registered(results.setting)
    return goal_warning(kinds, made, list(results.tasks)) if made else ""


def _registered(setting: Setting) -> Suite | None:
    """The suite that was evaluated; None where it, or what it needs, is not here."""
    try:
        return suite(setting.suite, **setting.options)
    except (InputError, ImportError):
        return None
