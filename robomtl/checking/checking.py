"""Check that a suite keeps its contract; each violation is a sentence."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from robomtl import suites
from robomtl.arguments import checked
from robomtl.checking.beginnings import Beginning, difference, first_episode
from robomtl.checking.episodes import STAGES
from robomtl.checking.violations import Problem, sentences
from robomtl.checking.watching import LIMIT, closes, set_limit
from robomtl.errors import InputError, PlugInError
from robomtl.execution.executor import Failure, LocalExecutor
from robomtl.execution.worker_pool import check_limit
from robomtl.joint import JointSuite
from robomtl.names import several
from robomtl.nearest import unknown
from robomtl.task import (
    Suite,
    Task,
    families_of,
    find_task,
    one_env_per_process,
    own_goal_places,
)


def _tasks(suite: Suite) -> tuple[Task, ...]:
    return (*suite.train_tasks, *suite.held_out_tasks)


def _names(suite: Suite) -> Iterator[str]:
    if not suite.train_tasks:
        yield "There is no training task; name at least 1 in train_tasks."
    names = [task.name for task in _tasks(suite)]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield (
                f"{names.count(name)} tasks have the name '{name}'; names are unique among"
                " training and held-out tasks."
            )


def _wordings(suite: Suite) -> Iterator[str]:
    tasks_by_wording: dict[str, list[str]] = {}
    for task in _tasks(suite):
        for wording in (*task.instructions, *task.held_out_instructions):
            words = " ".join(wording.lower().split())
            tasks_by_wording.setdefault(words, []).append(task.name)
    if "" in tasks_by_wording:
        empty = tasks_by_wording.pop("")[0]
        yield f"'{empty}' has an empty instruction; describe the task."
    for wording, names in tasks_by_wording.items():
        if len(set(names)) > 1 and not getattr(suite, "shared_wordings", False):
            yield (
                f"'{names[0]}' and '{names[-1]}' have the same instruction '{wording}';"
                " each task needs its own wordings."
            )
        elif len(set(names)) < len(names):
            yield (
                f"'{names[0]}' has the instruction '{wording}' twice; list each wording"
                " once, for training or held out."
            )


def _families(suite: Suite) -> Iterator[str]:
    families: Mapping[str, Sequence[str]] = getattr(suite, "families", {})
    known = [task.name for task in _tasks(suite)]
    for family, names in families.items():
        strange = [name for name in names if name not in known]
        if strange:
            yield unknown(f"task in the family '{family}'", strange[0], known)
        elif len(names) < 2 or len(set(names)) < len(names):
            yield (
                f"The family '{family}' has the tasks {', '.join(names) or 'none'};"
                f" name at least 2, each once."
            )


def _pickling(suite: Suite) -> Iterator[str]:
    try:
        ForkingPickler.dumps(suite)
    except Exception as error:  # Pickling runs any code, so it may raise anything.
        yield (
            f"The suite cannot be pickled ({_brief(error)}); store plain data only, in "
            f"a class of an importable module, and build simulators in make_env."
        )


def _rebuilding(suite: Suite) -> Iterator[str]:
    try:
        json.dumps(dict(suite.options))
    except TypeError as error:
        yield f"The options are not plain data: {error}; use numbers and strings."
        return
    if suite.name.partition("/")[0] not in suites.SUITES.names():
        return
    call = f"robomtl.suite('{suite.name}', **{dict(suite.options)})"
    try:
        again = suites.suite(suite.name, **suite.options)
    except (TypeError, ValueError) as error:
        yield f"{call} does not build the suite again: {error}"
        return
    for part in ("name", "options", "train_tasks", "held_out_tasks", "goal"):
        if getattr(again, part) != getattr(suite, part):
            yield f"{call} builds another suite: its {part} differ."
    for part, of in _OPTIONAL.items():
        if of(again) != of(suite):
            yield f"{call} builds another suite: its {part} differ."


_OPTIONAL: dict[str, Callable[[Suite], object]] = {
    "families": families_of,
    "goal_places": own_goal_places,
    "one_env_per_process": one_env_per_process,
}


def _refusals(suite: Suite) -> Iterator[str]:
    calls: dict[str, Callable[[], Any]] = {
        "variations of an unknown task": lambda: suite.variations("?", "train"),
        "make_env of an unknown task": lambda: suite.make_env("?"),
        "make_expert of an unknown task": lambda: suite.make_expert("?"),
    }
    for task in suite.train_tasks[:1]:
        calls["variations of an unknown split"] = partial(
            suite.variations, task.name, "?"
        )
    for what, call in calls.items():
        try:
            call()
        except ValueError:
            continue
        except Exception as error:  # Any other exception is the violation.
            yield f"{what} raised {_brief(error)}; expected a ValueError."
        else:
            yield f"{what} was accepted; expected a ValueError."


_SUITE_CHECKS = (_names, _wordings, _families, _pickling, _rebuilding, _refusals)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Checked(NamedTuple):
    """Result of the checks of a task."""

    violations: list[str]
    begun: Beginning | None
    """Beginning of the first ``fresh`` episode; None if a check failed."""


def _of_task(suite: Suite, limit: float, task: str) -> _Checked:
    """Runs the checks of a task, up to the first stage that finds something."""
    set_limit(limit)
    found: list[str] = []
    for stage in STAGES:
        # Several checks may find the same fault.
        found = list(dict.fromkeys(sentences(stage, suite, task)))
        if found:
            break
    found += sentences((closes,), suite, task)
    return _Checked(found, None if found else first_episode(suite, task))


def _in_workers(suite: Suite, names: Sequence[str], limit: float) -> Iterator[Problem]:
    """Yields problems of tasks, checked in worker processes, which may hang or crash.

    The first episode of each task is then also compared with one in this process.
    """
    # Calls that Python can interrupt end earlier, with a more precise message.
    executor = LocalExecutor(workers=2, attempts=1, limit=2 * limit)
    checked: dict[str, _Checked] = {}
    try:
        for index, result in executor.map(partial(_of_task, suite, limit), names):
            if isinstance(result, Failure):
                sentence = (
                    f"A worker could not run it: {result.reason}. An env raises exceptions;"
                    " it neither ends its process nor hangs."
                )
                result = _Checked([sentence], None)
            checked[names[index]] = result
    except (InputError, PlugInError) as error:
        yield Problem(names[0], f"A worker could not run it: {error}")
    for name in names:
        found, begun = checked.get(name, _Checked([], None))
        yield from (Problem(name, sentence) for sentence in found)
        if begun is None:
            continue
        how = difference(first_episode(suite, name), begun)
        if how:
            yield Problem(
                name,
                f"An episode {how} in another process; it must depend on its variation "
                f"alone, so avoid hash() and iterating over sets.",
            )


def _of_joint(
    suite: JointSuite, names: Sequence[str], limit: float
) -> Iterator[Problem]:
    """Yields problems of the members; they may differ in rates and share wordings."""
    for sentence in sentences((_names, _pickling), suite):
        yield Problem("", sentence)
    for each in suite.suites:
        origins = map(suite.origin, names)
        own = [task for member, task in origins if member.name == each.name]
        for problem in check_suite(each, tasks=own, limit=limit) if own else ():
            task = f"{each.name}/{problem.task}" if problem.task else ""
            yield replace(problem, task=task)


@checked
def check_suite(
    suite: Suite, *, tasks: str | Sequence[str] | None = None, limit: float = LIMIT
) -> list[Problem]:
    """Checks a suite; returns its violations of the contract, empty for a valid one.

    Envs are played in worker processes, so that a hang or a crash is a finding as well.

    Args:
        suite: Any suite, registered or not.
        tasks: Names of the tasks to check; None for all.
        limit: Longest time that a call of an env may take [s].

    Raises:
        InputError: If the argument is not a suite, or has no task of a given name.
    """
    check_limit(limit)
    if tasks is None:
        names = [task.name for task in _tasks(suite)]
    else:
        names = [find_task(suite, name).name for name in several("tasks", tasks)]
    names = list(dict.fromkeys(names))
    if isinstance(suite, JointSuite):
        return [*_of_joint(suite, names, limit)]
    problems = [Problem("", sentence) for sentence in sentences(_SUITE_CHECKS, suite)]
    if any(sentences((_pickling,), suite)):  # No worker can receive it.
        for name in names:
            found = _of_task(suite, limit, name).violations
            problems += [Problem(name, sentence) for sentence in found]
        return problems
    return [*problems, *_once([*_in_workers(suite, names, limit)], names)]


def _once(problems: Sequence[Problem], names: Sequence[str]) -> list[Problem]:
    """Problems without repetition: one that all tasks have becomes one of the suite."""
    having = Counter(problem.sentence for problem in problems)
    everywhere = len(names) if len(names) > 1 else 0
    shared = (having[each.sentence] == everywhere for each in problems)
    return [
        *dict.fromkeys(
            Problem("", each.sentence) if common else each
            for each, common in zip(problems, shared, strict=True)
        )
    ]
