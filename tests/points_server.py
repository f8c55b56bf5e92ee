"""A server that steps the suite points, and servers with faults."""

import os
import signal
import time

import numpy as np

from robomtl.camera import Camera
from robomtl.envs.points_env import PointsEnv

BROKEN = 1_000_003
"""The variation in which something happens at the third step."""


class Broken(PointsEnv):
    """An env with a fault in one variation."""

    how = ""

    def reset(self, *, seed=None, options=None):
        self.broken = options["variation"] == BROKEN
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, *rest = super().step(action)
        if self.broken and self._step == 3:
            return getattr(self, f"_{self.how}")(observation, *rest)
        return observation, *rest

    def _exit(self, *result):
        os._exit(3)

    def _sys_exit(self, *result):
        raise SystemExit(3)

    def _die(self, *result):
        print("it blew up", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def _hang(self, *result):
        time.sleep(600)

    def _raise(self, *result):
        raise ZeroDivisionError("BADQACC")

    def _shape(self, observation, *rest):
        return {"state": observation["state"][:3]}, *rest

    def _kind(self, observation, *rest):
        return {"state": observation["state"].astype(str)}, *rest

    def _nan(self, observation, *rest):
        observation["state"][1] = np.nan
        return observation, *rest

    def _tuple(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated, info

    def _silent(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated, truncated, {}

    def _reward(self, observation, reward, *rest):
        return observation, None, *rest

    def _truncated(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated, "no", info

    def _print(self, *result):
        print("noise\0\xff" * 2000)
        os.system("echo more noise")
        return result


def make(task, *, horizon=50, camera=None, images=0, how="", unmade=""):
    """An env of a task."""
    if unmade == "raise":
        raise FileNotFoundError("no assets")
    if unmade == "die":
        os._exit(4)
    if unmade == "space":
        env = PointsEnv("reach-red", 1)
        env.observation_space["state"].dtype = np.dtype(np.float64)
        return env
    kind = type("Broken", (Broken,), {"how": how}) if how else PointsEnv
    return kind(task, horizon, camera and Camera(**camera), images=images)
