"""Renders images of an episode that was recorded without them, by replaying it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.env_contract import EnvContract
from robomtl.errors import SimulationError
from robomtl.pictures import OnDemandPictures
from robomtl.task import Action, Env, Observation

TOLERANCE = 1e-4
"""Largest difference between a component of a replayed and a recorded state; processors
round sums differently in the last digits."""


class Played(NamedTuple):
    """A recorded episode that is to be replayed."""

    task: str
    variation: int
    states: Sequence[NDArray[np.float32]]
    """Recorded states, one per frame."""
    executed: Iterator[Action]
    """Executed actions, one per frame."""


def redrawn(
    env: Env,
    played: Played,
    *,
    hidden: slice = slice(0),
    beat: Callable[[], None] = lambda: None,
) -> Iterator[Observation]:
    """The observation features besides the state, of each recorded frame of an episode.

    Args:
        env: Env of the task, which renders on demand.
        played: The episode.
        hidden: Slice of the env's state that was recorded as zeros.
        beat: Called at each step.

    Raises:
        SimulationError: If a replayed state differs from the recorded one.
    """
    assert isinstance(env, OnDemandPictures)
    task, variation, states, executed = played
    env.blind = True
    contract = EnvContract(env, task, variation)
    beat()
    observation = contract.reset(env.reset(options={"variation": variation}))
    for step, state in enumerate(states):
        observed = observation["state"].copy()
        observed[hidden] = 0
        if differing := difference(observed, state):
            raise SimulationError(task, variation, step, differing)
        others = {name: it for name, it in observation.items() if name != "state"}
        yield others | contract.pictures(env.pictures(), step)
        if step + 1 < len(states):
            beat()
            stepped = contract.step(env.step(next(executed)), step + 1)
            observation = stepped.observation


def difference(observed: NDArray[np.float32], recorded: NDArray[np.float32]) -> str:
    """The difference of a replayed from a recorded state, in words; empty if none."""
    if observed.shape != recorded.shape:
        return f"the state has {len(observed)} components, the recorded one {len(recorded)}"
    distance = np.abs(observed - recorded)
    worst = int(distance.argmax())
    if distance[worst] <= TOLERANCE:
        return ""
    return (
        f"component {worst} of the state is {observed[worst]:.6g}, and {recorded[worst]:.6g}"
        f" in the recorded frame, {distance[worst]:.2g} apart"
    )
