"""Warnings that evaluated policies cannot identify their tasks by goals alone."""

from collections.abc import Iterable

from robomtl.errors import InputError
from robomtl.evaluation.results import Results, Setting
from robomtl.goals import goal_warning
from robomtl.suites import suite
from robomtl.task import Suite


def goal_warnings(evaluations: Iterable[Results]) -> tuple[str, ...]:
    """Distinct warnings that goals do not identify the tasks; see ``robomtl.goals``.

    Evaluations are skipped if they do not record the conditioning of their policy, or if
    their suite is not registered here.
    """
    sentences = [_goal_warning(results) for results in evaluations]
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


def _goal_warning(results: Results) -> str:
    kinds = results.setting.conditioning
    if kinds is None or tuple(kinds) != ("goal",):
        return ""
    made = _registered(results.setting)
    return goal_warning(kinds, made, list(results.tasks)) if made else ""


def _registered(setting: Setting) -> Suite | None:
    """The evaluated suite; None if it is not registered or its extra not installed."""
    try:
        return suite(setting.suite, **setting.options)
    except (InputError, ImportError):
        return None
