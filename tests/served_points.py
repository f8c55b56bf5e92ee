"""The suite of points, stepped by a server."""

from dataclasses import asdict, dataclass
from pathlib import Path

from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import SPLITS
from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator
from robomtl.task import find_task

SIMULATOR = Simulator(file=Path(__file__).with_name("points_server.py"))


@dataclass(frozen=True, kw_only=True)
class ServedPoints(PointsSuite):
    """The suite ``PointsSuite``, with envs in a server."""

    how: str = ""
    """Name of the fault in one variation; see ``points_server``."""

    def make_env(self, task):
        options = {"horizon": self.horizon, "images": self.images, "how": self.how}
        if self.camera:
            options["camera"] = asdict(self.camera)
        return ServedEnv(SIMULATOR, find_task(self, task).name, SPLITS, options)
