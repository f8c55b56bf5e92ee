"""Assertions for tests of plug-ins: a suite or a policy keeps its contract.

Example::

    from robomtl.testing import assert_policy, assert_suite

    def test_the_suite_keeps_the_contract():
        assert_suite("my_tray")

    def test_the_policy_keeps_the_contract():
        assert_policy("my_policy")
"""

from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.checking.checking import check_suite
from robomtl.checking.policy_check import check_policy
from robomtl.checking.violations import Problem
from robomtl.suites import suite as suite_of
from robomtl.task import Suite


def assert_suite(
    suite: Suite | str, *, tasks: str | Sequence[str] | None = None
) -> None:
    """Asserts that a suite keeps its contract, as ``robomtl check SUITE`` tests it.

    Args:
        suite: A suite, or its registered name.
        tasks: Names of the tasks to check; all if None.

    Raises:
        AssertionError: If the suite breaks its contract; the message lists the violations.
        InputError: If there is no such suite or task.
    """
    found = suite_of(suite) if isinstance(suite, str) else suite
    _refuse(found.name, check_suite(found, tasks=tasks))


def assert_policy(policy: str, *, config: Mapping[str, Any] | None = None) -> None:
    """Asserts that a policy keeps its contract, as ``robomtl check POLICY`` tests it.

    Args:
        policy: Registered name of a policy, or a run directory.
        config: Fields of its config that differ from the defaults, such as a small width.

    Raises:
        AssertionError: If the policy breaks its contract; the message lists the violations.
        InputError: If there is no such policy.
    """
    _refuse(policy, check_policy(policy, config=config))


def _refuse(name: str, problems: Sequence[Problem]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise AssertionError(f"'{name}' breaks its contract:\n{listed}")
