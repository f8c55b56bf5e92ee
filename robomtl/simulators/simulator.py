"""Simulator in its own interpreter, with a server for each process that uses it."""

import atexit
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robomtl.errors import PlugInError
from robomtl.simulators.environment import Environment, own_variables
from robomtl.simulators.server_process import LostServerError, ServerProcess


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """Simulator whose envs run in a server process with their own interpreter."""

    file: Path
    """Python file that defines ``make(task, **options)``, which returns a Gymnasium-like
    env; it imports the simulator, but neither torch nor robomtl."""
    environment: Environment | None = None
    """Environment whose interpreter runs the file; None for robomtl's own interpreter,
    which isolates only crashes of the simulator."""

    def process(self) -> ServerProcess:
        """Server of this process: the running one, or a new one.

        Raises:
            MissingExtraError: If the environment is not installed.
            PlugInError: If the server does not start.
        """
        key = os.getpid(), self  # A forked process has no server yet.
        running = _PROCESSES.get(key)
        if running is None or not running.alive:
            _PROCESSES[key] = running = self._started()
        return running

    def _started(self) -> ServerProcess:
        environment = self.environment
        interpreter = environment.interpreter if environment else Path(sys.executable)
        try:
            return ServerProcess(interpreter, self.file, self._environ())
        except (LostServerError, OSError) as error:
            raise PlugInError(
                f"The server of {self.file.name} does not start with {interpreter}:"
                f" {error}."
            ) from error

    def _environ(self) -> Mapping[str, str]:
        """Environment variables of the server; one thread, so that results are repeatable."""
        own = own_variables()
        if self.environment is None:
            own["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        return {"OMP_NUM_THREADS": "1", **own, "PYTHONUNBUFFERED": "1"}


_PROCESSES: dict[tuple[int, Simulator], ServerProcess] = {}


@atexit.register
def _end_servers() -> None:
    for (pid, _), process in _PROCESSES.items():
        if pid == os.getpid():
            process.kill()
