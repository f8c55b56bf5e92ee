"""Shifts of the execution of actions; every suite supports them."""

from collections import deque

import numpy as np

from robomtl.shifts.shift import Effect, Scene, Shift
from robomtl.task import Action


class _Gain(Effect):
    """Multiplies displacements and clips them, like an actuator that saturates."""

    def __init__(self, gain: float, scene: Scene, _: np.random.Generator) -> None:
        self._gain = np.ones(scene.size, np.float32)
        self._gain[: scene.moved] = gain

    def executed(self, action: Action) -> Action:
        """The action with scaled displacements, clipped to [-1, 1]; (action,)."""
        executed: Action = np.clip(action * self._gain, -1, 1)
        return executed


class _Delay(Effect):
    """Executes each action a few steps later; the first executed actions are zeros."""

    def __init__(self, steps: float, scene: Scene, _: np.random.Generator) -> None:
        still = np.zeros(scene.size, np.float32)
        self._waiting: deque[Action] = deque([still] * int(steps))

    def executed(self, action: Action) -> Action:
        """The action that was given ``steps`` steps ago; (action,)."""
        self._waiting.append(action)
        return self._waiting.popleft()


ACTION_GAIN = Shift(
    line="displacement by an action, saturating at full deflection",
    unit="×",
    minimum=0.1,
    maximum=4.0,
    none=1.0,
    magnitudes=(0.5, 0.7, 1.3, 2.0),
    randomised=(0.6, 1.6),
    needs="actions",
    begin=_Gain,
)
ACTION_DELAY = Shift(
    line="steps of delay before an action is executed",
    unit="steps",
    minimum=0,
    maximum=20,
    integer=True,
    magnitudes=(1, 2, 3),
    randomised=(0, 2),
    needs="actions",
    begin=_Delay,
)
