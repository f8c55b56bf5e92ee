"""An env whose simulator another process steps."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import gymnasium
from gymnasium.error import ResetNeeded

from robomtl.camera import Picture
from robomtl.errors import InputError, PlugInError, SimulationError
from robomtl.returned_values import finite
from robomtl.simulators.seat import Made, Seat
from robomtl.simulators.server import BLIND, RESULT
from robomtl.simulators.server_process import FaultError, LostServerError
from robomtl.simulators.simulator import Simulator
from robomtl.splits import requested_variation
from robomtl.task import Action, Observation

Drawn = TypeVar("Drawn")


class ServedEnv(gymnasium.Env[Observation, Action]):
    """An env of a simulator that runs in its own interpreter.

    Envs of one simulator share a server in each process that uses them. An exception, a
    death or a hang of the simulator is raised as ``SimulationError`` by the env that it
    happened in; where the server was lost, the others play their episodes again in a new
    one, up to where they were, and go on.

    Args:
        simulator: Has the env.
        task: Name of the task.
        splits: Variations of the task, by split.
        options: Further arguments of the server's ``make``, plain data.

    Raises:
        MissingExtraError: If the environment is not installed.
        PlugInError: If the server does not start, or cannot make the env.
        SimulationError: If the server dies or hangs as it makes the env.
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
            self._seat: Seat | None = self._seated()
        except (FaultError, LostServerError) as error:
            raise self._error(error) from error
        made = self._seat.made
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
        """Whether observations lack the pictures; see ``Sighted``."""
        return self._blind

    @blind.setter
    def blind(self, blind: bool) -> None:
        self._blind = blind
        if self._seat is not None:
            self._seat.memory[BLIND] = blind

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            InputError: If no split holds the variation, or the env returns what its
                contract excludes.
            SimulationError: If the simulator raises an exception, dies or hangs.
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
        """Prepares the step that follows; see ``Announced``.

        Raises:
            InputError: If the action is not finite.
            ResetNeeded: If no episode is running.
        """
        seat = self._seat
        if seat is None or not self._running:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not finite(action):
            raise InputError(
                f"{self.task}, step {len(self._actions)}: the action {action} is not"
                " finite."
            )
        self._announced = action
        self._actions.append(seat.announce(action))

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step in the simulator, with those that other envs have announced.

        Raises:
            InputError: If the action is not finite, or the env returns what its contract
                excludes.
            ResetNeeded: If no episode is running.
            SimulationError: If the simulator raises an exception, dies or hangs.
        """
        if self._announced is None:
            self.announce(action)
        assert self._announced is action, "Another action was announced."
        assert self._seat is not None
        self._announced = None
        self._survive(self._seat.step)
        reward, terminated, truncated, success = RESULT.unpack_from(self._seat.memory)
        self._running = not (terminated or truncated)
        return (
            self._observation(),
            reward,
            bool(terminated),
            bool(truncated),
            {"success": bool(success)},
        )

    def pictures(self) -> Observation:
        """The pictures that an observation of now holds, by the names of their features.

        Raises:
            ResetNeeded: If no episode was started.
            SimulationError: If the simulator raises an exception, dies or hangs.
        """
        return self._drawn(Seat.pictures)

    def render(self) -> Picture:
        """What the env shows now; (height, width, 3).

        Raises:
            InputError: If the env has no camera.
            ResetNeeded: If no episode was started.
            SimulationError: If the simulator raises an exception, dies or hangs.
        """
        if self.render_mode is None:
            raise InputError(f"{self.task} has no camera; make it with one to see it.")
        return self._drawn(Seat.render)

    def close(self) -> None:
        """Closes the env in the server, which goes on for others."""
        self._withdraw()
        seat, self._seat, self._running = self._seat, None, False
        if seat is not None and seat.process.alive:
            try:
                seat.process.call("close", dict[str, bool], slot=seat.slot)
            except (FaultError, LostServerError):
                pass  # It is gone, whatever it did as it was closed.

    def _withdraw(self) -> None:
        """Takes back a step that was announced and not taken."""
        if self._announced is not None and self._seat is not None:
            self._seat.process.withdraw(self._seat.slot)
        self._announced = None

    def _seated(self) -> Seat:
        process = self._simulator.process()
        given = {"task": self.task, "options": self._options}
        try:
            made = process.call("make", Made, **given)
        except LostServerError:
            if not process.ended_unused:
                raise
            process = self._simulator.process()
            made = process.call("make", Made, **given)
        seat = Seat(process, made)
        seat.memory[BLIND] = self._blind
        return seat

    def _reset(self) -> None:
        if self._seat is None or not self._seat.process.alive:
            self._seat = self._seated()
        process, slot = self._seat.process, self._seat.slot
        process.cut_log()
        begun = self._begun or {}
        self._info = process.call("reset", dict[str, bool], slot=slot, **begun)

    def _survive(self, act: Callable[[], object]) -> None:
        """Does something in the server; a new one takes the place of one that is lost.

        There the episode is played again up to now, unless this env ended the old one.
        """
        try:
            try:
                act()
            except LostServerError:
                seat = self._seat
                if seat is None or seat.process.at_fault == seat.slot:
                    raise
                self._play_again()
        except (FaultError, LostServerError) as error:
            self._running = False
            raise self._error(error) from error

    def _play_again(self) -> None:
        self._reset()
        assert self._seat is not None
        for action in self._actions:
            self._seat.announce(action)
            self._seat.step()

    def _observation(self) -> Observation:
        assert self._seat is not None
        arrays = self._seat.vectors if self._blind else self._seat.arrays
        return {name: array.copy() for name, array in arrays.items()}

    def _drawn(self, draw: Callable[[Seat], Drawn]) -> Drawn:
        """What is drawn of now."""
        drawn: list[Drawn] = []
        while not drawn:
            if self._seat is None or self._begun is None:
                raise ResetNeeded(
                    f"{self.task}: nothing is there yet; call reset first."
                )
            self._survive(partial(lambda seat: drawn.append(draw(seat)), self._seat))
        return drawn[0]

    def _error(self, error: FaultError | LostServerError) -> Exception:
        """What is raised for an exception, a death or a hang of the simulator."""
        step, file = len(self._actions), self._simulator.file.name
        if isinstance(error, FaultError):
            if self._begun is None:
                return PlugInError(f"{file} cannot make '{self.task}': {error}.")
            if error.fault.kind == "contract":
                return InputError(
                    f"{self.task}, variation {self.variation}, step {step}: {error}."
                )
        return SimulationError(self.task, self.variation, step, str(error))
