"""A simulator in its own interpreter, and its server in each process that uses it."""

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
    """A simulator whose envs are stepped by a server, a process of another interpreter."""

    file: Path
    """A Python file that defines ``make(task, **options)``, which returns an env like
    Gymnasium's; it imports the simulator, and neither torch nor robomtl."""
    environment: Environment | None = None
    """Has the interpreter that runs the file; None for that of robomtl itself, where only
    faults of the simulator are to be kept out."""

    def process(self) -> ServerProcess:
        """The server of this process: the running one, or a new one.

        Raises:
            MissingExtraError: If the environment is not installed.
            PlugInError: If the server does not start.
        """
        key = os.getpid(), self  # A process that was forked has no server yet.
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
        """Environment variables of the server; its sums do not depend on the machine."""
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
