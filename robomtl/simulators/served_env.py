"""Env whose simulator runs in another process."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import gymnasium
from gymnasium.error import ResetNeeded

from robomtl.camera import Picture
from robomtl.errors import InputError, PlugInError, SimulationError
from robomtl.returned_values import finite
from robomtl.simulators.env_memory import EnvMemory, MadeEnv
from robomtl.simulators.server import BLIND, RESULT
from robomtl.simulators.server_process import FaultError, LostServerError
from robomtl.simulators.simulator import Simulator
from robomtl.splits import requested_variation
from robomtl.task import Action, Observation

Drawn = TypeVar("Drawn")


class ServedEnv(gymnasium.Env[Observation, Action]):
    """Env of a simulator that runs in its own interpreter.

    Envs of one simulator share a server in each process that uses them. An exception, a
    crash or a hang of the simulator is raised as ``SimulationError`` by the env that
    caused it. If the server is lost, the other envs replay their episodes up to the
    current step in a new server, and continue.

    Args:
        simulator: Simulator of the env.
        task: Name of the task.
        splits: Variations of the task, by split.
        options: Further arguments of the server's ``make``, plain data.

    Raises:
        MissingExtraError: If the environment is not installed.
        PlugInError: If the server does not start, or cannot make the env.
        SimulationError: If the server crashes or hangs while it makes the env.
    """

    def __init__(
        self,
        simulator: Simulator,
        task: str,
        splits: Mapping[str, range],
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.task = task
        self.variation = 0
        self._simulator = simulator
        self._splits = splits
        self._options = dict(options)
        self._blind = False
        self._begun: dict[str, Any] | None = None
        self._info: dict[str, bool] = {}
        self._actions: list[Action] = []
        self._announced: Action | None = None
        self._running = False
        try:
            self._env_memory: EnvMemory | None = self._allocated()
        except (FaultError, LostServerError) as error:
            raise self._error(error) from error
        made = self._env_memory.made
        if made.horizon is not None:
            self.horizon = made.horizon
        self.render_mode = made.render_mode
        self.metadata = {"render_modes": [made.render_mode] if made.render_mode else []}
        if made.fps is not None:
            self.metadata["render_fps"] = made.fps
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Dict(
            {part.name: part.space for part in made.observation}
        )
        self.action_space: gymnasium.Space[Any] = made.action.space

    @property
    def blind(self) -> bool:
        """Whether observations omit the images; see ``OnDemandPictures``."""
        return self._blind

    @blind.setter
    def blind(self, blind: bool) -> None:
        self._blind = blind
        if self._env_memory is not None:
            self._env_memory.memory[BLIND] = blind

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            InputError: If no split has the variation, or the env violates its contract.
            SimulationError: If the simulator raises an exception, crashes or hangs.
        """
        super().reset(seed=seed)
        self.variation = requested_variation(
            self._splits, self.task, options, self.np_random
        )
        own = {**(options or {}), "variation": self.variation}
        self._begun = {"seed": None if seed is None else int(seed), "options": own}
        self._withdraw()
        self._actions, self._running = [], False
        self._survive(self._reset)
        self._running = True
        return self._observation(), self._info

    def announce(self, action: Action) -> None:
        """Prepares the next step, so that envs can be stepped together; see ``BatchableEnv``.

        Raises:
            InputError: If the action is not finite.
            ResetNeeded: If no episode is running.
        """
        env_memory = self._env_memory
        if env_memory is None or not self._running:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not finite(action):
            raise InputError(
                f"{self.task}, step {len(self._actions)}: the action {action} is not"
                " finite."
            )
        self._announced = action
        self._actions.append(env_memory.announce(action))

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step in the simulator, together with steps that other envs announced.

        Raises:
            InputError: If the action is not finite, or the env violates its contract.
            ResetNeeded: If no episode is running.
            SimulationError: If the simulator raises an exception, crashes or hangs.
        """
        if self._announced is None:
            self.announce(action)
        assert self._announced is action, "Another action was announced."
        assert self._env_memory is not None
        self._announced = None
        self._survive(self._env_memory.step)
        reward, terminated, truncated, success = RESULT.unpack_from(
            self._env_memory.memory
        )
        self._running = not (terminated or truncated)
        return (
            self._observation(),
            reward,
            bool(terminated),
            bool(truncated),
            {"success": bool(success)},
        )

    def pictures(self) -> Observation:
        """Images of the current observation, by name of the feature.

        Raises:
            ResetNeeded: If no episode was started.
            SimulationError: If the simulator raises an exception, crashes or hangs.
        """
        return self._drawn(EnvMemory.pictures)

    def render(self) -> Picture:
        """Image of the current state; (height, width, 3).

        Raises:
            InputError: If the env has no camera.
            ResetNeeded: If no episode was started.
            SimulationError: If the simulator raises an exception, crashes or hangs.
        """
        if self.render_mode is None:
            raise InputError(
                f"{self.task} has no camera; make the env with one to render."
            )
        return self._drawn(EnvMemory.render)

    def close(self) -> None:
        """Closes the env in the server, which continues to serve others."""
        self._withdraw()
        env_memory, self._env_memory, self._running = self._env_memory, None, False
        if env_memory is not None and env_memory.process.alive:
            try:
                env_memory.process.call("close", dict[str, bool], slot=env_memory.slot)
            except (FaultError, LostServerError):
                pass  # The env is gone, whatever failed while it was closed.

    def _withdraw(self) -> None:
        """Withdraws a step that was announced but not taken."""
        if self._announced is not None and self._env_memory is not None:
            self._env_memory.process.withdraw(self._env_memory.slot)
        self._announced = None

    def _allocated(self) -> EnvMemory:
        process = self._simulator.process()
        given = {"task": self.task, "options": self._options}
        try:
            made = process.call("make", MadeEnv, **given)
        except LostServerError:
            if not process.ended_unused:
                raise
            process = self._simulator.process()
            made = process.call("make", MadeEnv, **given)
        env_memory = EnvMemory(process, made)
        env_memory.memory[BLIND] = self._blind
        return env_memory

    def _reset(self) -> None:
        if self._env_memory is None or not self._env_memory.process.alive:
            self._env_memory = self._allocated()
        process, slot = self._env_memory.process, self._env_memory.slot
        process.cut_log()
        begun = self._begun or {}
        self._info = process.call("reset", dict[str, bool], slot=slot, **begun)

    def _survive(self, act: Callable[[], object]) -> None:
        """Calls ``act``; if the server is lost, replays the episode in a new one.

        The replay includes the interrupted reset or step. If this env caused the loss, the
        error is raised instead.
        """
        try:
            try:
                act()
            except LostServerError:
                env_memory = self._env_memory
                if env_memory is None or env_memory.process.at_fault == env_memory.slot:
                    raise
                self._replay()
        except (FaultError, LostServerError) as error:
            self._running = False
            raise self._error(error) from error

    def _replay(self) -> None:
        self._reset()
        assert self._env_memory is not None
        for action in self._actions:
            self._env_memory.announce(action)
            self._env_memory.step()

    def _observation(self) -> Observation:
        assert self._env_memory is not None
        arrays = self._env_memory.vectors if self._blind else self._env_memory.arrays
        return {name: array.copy() for name, array in arrays.items()}

    def _drawn(self, draw: Callable[[EnvMemory], Drawn]) -> Drawn:
        """Result of ``draw``, after a replay if the server is lost meanwhile."""
        drawn: list[Drawn] = []
        while not drawn:
            if self._env_memory is None or self._begun is None:
                raise ResetNeeded(
                    f"{self.task}: no episode was started; call reset first."
                )
            self._survive(
                partial(
                    lambda env_memory: drawn.append(draw(env_memory)), self._env_memory
                )
            )
        return drawn[0]

    def _error(self, error: FaultError | LostServerError) -> Exception:
        """Exception to raise for an exception, a crash or a hang of the simulator."""
        step, file = len(self._actions), self._simulator.file.name
        if isinstance(error, FaultError):
            if self._begun is None:
                return PlugInError(f"{file} cannot make '{self.task}': {error}.")
            if error.fault.kind == "contract":
                return InputError(
                    f"{self.task}, variation {self.variation}, step {step}: {error}."
                )
        return SimulationError(self.task, self.variation, step, str(error))
