"""Checks of a suite's variations: each alone determines an episode, and they differ."""

from collections.abc import Iterator, Sequence

import numpy as np

from robomtl.checking.beginnings import (
    beginning,
    copied,
    difference,
    equal,
    random_actions,
    start,
)
from robomtl.checking.watching import shared, watched
from robomtl.task import Env, GoalSuite, Suite, goal_place, one_env_per_process


def splits(suite: Suite, task: str) -> Iterator[str]:
    """Checks that the splits ``train`` and ``fresh`` are disjoint sets of integers."""
    train, fresh = (suite.variations(task, split) for split in ("train", "fresh"))
    yield from _variations_faults("train", train)
    yield from _variations_faults("fresh", fresh)
    known = train if isinstance(train, range) else set(train)
    both = [variation for variation in fresh if variation in known]
    if both:
        yield (
            f"The splits 'train' and 'fresh' share {len(both)} variations, such as "
            f"{both[0]}; they must be disjoint."
        )


def repeats(suite: Suite, task: str) -> Iterator[str]:
    """Checks that the variation alone determines the episode."""
    variation, other = two_variations(suite, task)
    with shared(suite, task) as env:
        first = beginning(env, variation, seed=0)
        again = {
            "when reset again with another seed": beginning(env, variation, seed=1)
        }
        beginning(env, other, seed=0)
        again["after another variation"] = beginning(env, variation, seed=0)
    with watched(suite, task) as fresh:
        again["in a new env"] = beginning(fresh, variation, seed=0)
    found: dict[str, list[str]] = {}
    for when, second in again.items():
        found.setdefault(difference(first, second), []).append(when)
    for how, whens in found.items():
        if how:
            yield (
                f"Variation {variation} {how} {' and '.join(whens)}; an episode must depend"
                " on its variation alone."
            )


def company(suite: Suite, task: str) -> Iterator[str]:
    """Checks that stepping another env in between does not change an episode."""
    if one_env_per_process(suite):
        return
    variation, other = two_variations(suite, task)
    with shared(suite, task) as env, watched(suite, task) as second:
        alone = beginning(env, variation, seed=0)
        between = _stepping(second, other)
        beside = beginning(env, variation, seed=0, look=lambda env: next(between))
    how = difference(alone, beside)
    if how:
        yield (
            f"Variation {variation} {how} while another env of the process is stepped in"
            " turn, so they share state, such as a simulator or a global random"
            " generator. Give each env its own, or declare that each needs its own"
            " process: one_env_per_process=True."
        )


def _stepping(env: Env, variation: int) -> Iterator[None]:
    """Plays episodes of an env; takes one reset or step for each ``next``."""
    act = random_actions(env)
    while True:
        observation, truncated = start(env, variation)[0], False
        yield
        while not truncated:
            observation, _, _, truncated, _ = env.step(act(observation))
            yield


def variety(suite: Suite, task: str) -> Iterator[str]:
    """Checks that variations are not all the same."""
    variations = suite.variations(task, "fresh")[:5]
    with shared(suite, task) as env:
        first, *others = [beginning(env, variation, seed=0) for variation in variations]
    if others and not any(difference(first, other) for other in others):
        named = listed(variations)
        yield f"The variations {named} are all the same; they must differ in start or goal."


def goals(suite: Suite, task: str) -> Iterator[str]:
    """Checks the numbers of the goals, and that variations of a goal start differently."""
    if not isinstance(suite, GoalSuite):
        return
    variations = suite.variations(task, "fresh")
    goals = suite.goal_numbers(task, "fresh")
    met = dict.fromkeys(
        suite.goal_number(task, v) for v in variations[: len(goals)][:5]
    )
    if list(met) != list(goals[:5]):
        yield (
            f"The first variations of 'fresh' have the goals {listed(list(met))}; expected"
            f" {listed(goals[:5])}, one each, as goal_numbers says."
        )
        return
    group = suite.variations_of_goal(task, goals[0])[:2]
    wrong = [v for v in group if suite.goal_number(task, v) != goals[0]]
    if wrong or group[0] != goals[0] or any(v not in variations for v in group):
        yield (
            f"The goal {goals[0]} of 'fresh' has the variations {listed(group)}; expected"
            f" itself first, and only variations of 'fresh' with this goal_number."
        )
    elif len(group) > 1:
        yield from _start_apart(suite, task, group)


def refused_variation(suite: Suite, task: str) -> Iterator[str]:
    """Checks that a variation that no split has is refused with a ValueError."""
    with shared(suite, task) as env:
        try:
            start(env, -1)
        except ValueError:
            return
        except Exception as error:  # Any other exception is the violation.
            outcome = f"raised {type(error).__name__}: {error}"
        else:
            outcome = "was accepted"
    yield f"A reset to variation -1, which no split has, {outcome}; expected a ValueError."


def _variations_faults(split: str, variations: Sequence[int]) -> Iterator[str]:
    if not variations:
        yield f"The split '{split}' has no variation; give at least 1."
    if isinstance(variations, range):  # It may be long, and has distinct integers.
        return
    wrong = [v for v in variations if not isinstance(v, int)]
    if wrong:
        yield f"The split '{split}' contains {wrong[0]!r}; expected integers."
    elif len(set(variations)) < len(variations):
        yield f"The split '{split}' has a variation twice; list each once."


def _start_apart(suite: Suite, task: str, group: Sequence[int]) -> Iterator[str]:
    with shared(suite, task) as env:
        first, second = (copied(start(env, variation)[0]) for variation in group)
    if equal(first, second):
        yield (
            f"The variations {listed(group)} share a goal and a start; variations of"
            f" a goal must start differently."
        )
    elif (part := goal_place(suite, task)) is not None:
        shown, other = (each["state"][part] for each in (first, second))
        # Objects may move by less than this while a simulator lets them settle.
        if not np.allclose(shown, other, rtol=0, atol=1e-4):
            yield (
                f"The variations {listed(group)} share a goal number but show the goals"
                f" {shown} and {other}."
            )


def listed(variations: Sequence[int]) -> str:
    """Variations, separated by commas."""
    return ", ".join(map(str, variations))


def two_variations(suite: Suite, task: str) -> tuple[int, int]:
    """First two variations of ``fresh``; the first one twice if there is only one."""
    variations = suite.variations(task, "fresh")
    return variations[0], variations[min(1, len(variations) - 1)]
