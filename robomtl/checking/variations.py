"""What a suite must keep: a variation, and nothing else, says how an episode goes."""

from collections.abc import Iterator, Sequence

import numpy as np

from robomtl.checking.beginnings import (
    alike,
    beginning,
    copied,
    difference,
    random_actions,
    start,
)
from robomtl.checking.watching import shared, watched
from robomtl.task import Env, GoalSuite, Suite, goal_place, one_env_per_process


def splits(suite: Suite, task: str) -> Iterator[str]:
    """The splits train and fresh have integers, and none in common."""
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
    """The variation alone determines the episode."""
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
    for when, second in again.items():
        how = difference(first, second)
        if how:
            yield (
                f"Variation {variation} {how} {when}; an episode depends on its "
                f"variation alone."
            )


def company(suite: Suite, task: str) -> Iterator[str]:
    """An episode goes as it goes alone while another env is stepped in turn."""
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
            " turn, so they share something, such as a simulator or a global random"
            " generator. Give each env its own, or say that they need a process each:"
            " one_env_per_process=True."
        )


def _stepping(env: Env, variation: int) -> Iterator[None]:
    """Plays an env on by one reset or step each time."""
    act = random_actions(env)
    while True:
        observation, truncated = start(env, variation)[0], False
        yield
        while not truncated:
            observation, _, _, truncated, _ = env.step(act(observation))
            yield


def variety(suite: Suite, task: str) -> Iterator[str]:
    """Variations are not all the same."""
    variations = suite.variations(task, "fresh")[:5]
    with shared(suite, task) as env:
        first, *others = [beginning(env, variation, seed=0) for variation in variations]
    if others and not any(difference(first, other) for other in others):
        named = listed(variations)
        yield f"The variations {named} are all the same; each names a start and a goal."


def goals(suite: Suite, task: str) -> Iterator[str]:
    """Variations are grouped by goal as they say, and those of a goal start apart."""
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
    strange = [v for v in group if suite.goal_number(task, v) != goals[0]]
    if strange or group[0] != goals[0] or any(v not in variations for v in group):
        yield (
            f"The goal {goals[0]} of 'fresh' has the variations {listed(group)}; expected"
            f" itself first, and only variations of 'fresh' with this goal_number."
        )
    elif len(group) > 1:
        yield from _start_apart(suite, task, group)


def refused_variation(suite: Suite, task: str) -> Iterator[str]:
    """A variation that no split has is refused with a ValueError."""
    with shared(suite, task) as env:
        try:
            start(env, -1)
        except ValueError:
            return
        except Exception as error:  # Anything else is what is looked for here.
            outcome = f"raised {type(error).__name__}: {error}"
        else:
            outcome = "was accepted"
    yield f"A reset to variation -1, which no split has, {outcome}; expected a ValueError."


def _variations_faults(split: str, variations: Sequence[int]) -> Iterator[str]:
    if not variations:
        yield f"The split '{split}' has no variation; give at least 1."
    if isinstance(variations, range):  # It may be long, and cannot be wrong.
        return
    strange = [v for v in variations if not isinstance(v, int)]
    if strange:
        yield f"The split '{split}' holds {strange[0]!r}; expected integers."
    elif len(set(variations)) < len(variations):
        yield f"The split '{split}' names a variation twice; name each once."


def _start_apart(suite: Suite, task: str, group: Sequence[int]) -> Iterator[str]:
    with shared(suite, task) as env:
        first, second = (copied(start(env, variation)[0]) for variation in group)
    if alike(first, second):
        yield (
            f"The variations {listed(group)} share a goal and a start; variations of"
            f" a goal start differently."
        )
    elif (place := goal_place(suite, task)) is not None:
        shown, other = (each["state"][place] for each in (first, second))
        # Simulators settle what they place, by less than this.
        if not np.allclose(shown, other, rtol=0, atol=1e-4):
            yield (
                f"The variations {listed(group)} share a goal number but show the goals"
                f" {shown} and {other}."
            )


def listed(variations: Sequence[int]) -> str:
    """Variations, with commas between them."""
    return ", ".join(map(str, variations))


def two_variations(suite: Suite, task: str) -> tuple[int, int]:
    """The first two fresh variations; the first twice where there is one."""
    variations = suite.variations(task, "fresh")
    return variations[0], variations[min(1, len(variations) - 1)]
