"""An env wrapper that applies shifts, redrawn in each episode."""

import zlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from robomtl.pictures import OnDemandPictures
from robomtl.shifts.shift import SHIFTS, Alterable, Effect, Repaintable, Scene
from robomtl.task import Action, Env, Observation

Range = tuple[float, float]
"""Least and greatest magnitude; equal for a fixed magnitude."""


class ShiftedEnv(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """An env under shifts; the criterion of success is unchanged.

    The magnitudes, directions and noise of an episode depend on its variation alone, not
    on earlier episodes.

    Args:
        env: The env without shifts.
        task: Name of its task.
        scene: Properties of the task that shifts need.
        ranges: Ranges of the magnitudes, by name of the shift.
    """

    def __init__(
        self, env: Env, task: str, scene: Scene, ranges: Mapping[str, Range]
    ) -> None:
        super().__init__(env)
        self.expert_observation: Observation = {}
        """The last observation without shifts of the sensors, for scripted experts."""
        self.drawn: dict[str, float] = {}
        """Magnitudes of the current episode, by name of the shift."""
        self._task, self._scene, self._ranges = task, scene, ranges
        self._effects: list[Effect] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode under shifts drawn by its variation, or by the seed."""
        given = options or {}
        self._begin(given.get("variation", seed))
        starts = {k: v for each in self._effects for k, v in each.start.items()}
        observation, info = self.env.reset(seed=seed, options={**given, **starts})
        if any(each.alters for each in self._effects):
            assert isinstance(self.env, Alterable)
            self.env.alter(self._alter)
        if isinstance(self.env, Repaintable):
            self.env.repaint(self._paint)
        return self._observed(observation), info

    def step(
        self, action: Action
    ) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Executes an action as the shifts change it."""
        for effect in self._effects:
            action = effect.executed(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._observed(observation), reward, terminated, truncated, info

    def _begin(self, variation: Any) -> None:
        """Draws the magnitudes of an episode and makes their effects."""
        if variation is None:
            variation = int(self.np_random.integers(2**31))
        self._effects = []
        for name, (low, high) in self._ranges.items():
            shift = SHIFTS.get(name)
            key = f"{name}/{self._task}/{variation}".encode()
            generator = np.random.default_rng(zlib.crc32(key))
            self.drawn[name] = shift.drawn(low, high, generator)
            if self.drawn[name] != shift.none:
                effect = shift.begin(self.drawn[name], self._scene, generator)
                self._effects.append(effect)

    def _alter(self, model: Any) -> None:
        for effect in self._effects:
            effect.alter(model)

    def _paint(self, scene: Any) -> None:
        for effect in self._effects:
            effect.paint(scene)

    def _observed(self, observation: Observation) -> Observation:
        self.expert_observation = observation
        state = observation["state"].copy()
        for effect in self._effects:
            state = effect.observed(state)
        return {**observation, "state": state}


class OnDemandShiftedEnv(ShiftedEnv):
    """A shifted env that renders its pictures on demand; see ``OnDemandPictures``."""

    @property
    def blind(self) -> bool:
        """Whether observations of ``reset`` and ``step`` lack the pictures."""
        return self._sighted.blind

    @blind.setter
    def blind(self, value: bool) -> None:
        self._sighted.blind = value

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; its first pictures are also rendered under the shifts."""
        observation, info = super().reset(seed=seed, options=options)
        return observation | ({} if self.blind else self.pictures()), info

    def pictures(self) -> Observation:
        """Pictures of the current state, by the name of their feature."""
        return self._sighted.pictures()

    @property
    def _sighted(self) -> OnDemandPictures:
        assert isinstance(self.env, OnDemandPictures)
        return self.env
