"""A simulator that needs numpy only, for Python 3.8 and later."""

import sys

import numpy as np


class Box:
    def __init__(self, low, high, shape, dtype):
        self.low = np.full(shape, low, dtype)
        self.high = np.full(shape, high, dtype)
        self.shape, self.dtype = shape, np.dtype(dtype)


class Space:
    def __init__(self, size):
        self.spaces = {
            "state": Box(-np.inf, np.inf, (size,), np.float32),
            "python": Box(0, 255, (3,), np.float32),
        }


class Counter:
    """A trivial simulator that sums its actions."""

    metadata = {"render_fps": 50}
    action_space = Box(-1, 1, (4,), np.float32)

    def __init__(self, size, horizon):
        self.observation_space = Space(size)
        self.horizon = horizon
        self.state = np.zeros(size, np.float32)
        self.python = np.array(sys.version_info[:3], np.float32)
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        self.state[:] = options["variation"]
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.state[:4] += action
        self.steps += 1
        done = self.steps == self.horizon
        return self.seen(), 0.0, False, done, {"success": False}

    def seen(self):
        return {"state": self.state, "python": self.python}

    def close(self):
        pass


def make(task, *, size=39, horizon=500):
    return Counter(size, horizon)
