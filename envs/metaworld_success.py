"""Rules of success of Meta-World's tasks, without their rewards.

Meta-World determines success in ``evaluate_state`` and ``compute_reward`` of 50 classes. A
table of rules on the state and the target replaces them here.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from robomtl.envs.metaworld_simulator import Vector


class Scene(NamedTuple):
    """Input of the rules; arrays are views that stay up to date."""

    env: Any
    """Meta-World's env; its ``_target_pos`` is the target."""
    state: Vector
    """Current state; (39,)."""


Done = Callable[[], bool]
Rule = Callable[[Scene], Done]


def _length(vector: Vector) -> float:
    # As np.linalg.norm computes it, to the last bit.
    return math.sqrt(vector.dot(vector))


def _near(radius: float, *, at: int = 4) -> Rule:
    """Rule: an object is within a radius of the target [m]."""

    def rule(scene: Scene) -> Done:
        env, obj = scene.env, scene.state[at : at + 3]
        return lambda: _length(obj - env._target_pos) <= radius

    return rule


def _along(axis: int, distance: float) -> Rule:
    """Rule: the object is within a distance of the target along one axis [m]."""

    def rule(scene: Scene) -> Done:
        env, state, index = scene.env, scene.state, 4 + axis
        return lambda: bool(abs(env._target_pos[axis] - state[index]) <= distance)

    return rule


def _hand_near(scene: Scene) -> Done:
    env = scene.env
    right = env.data.site("rightEndEffector").xpos
    left = env.data.site("leftEndEffector").xpos
    return lambda: _length((right + left) / 2.0 - env._target_pos) <= 0.05


def _joint(name: str, passed: Callable[[float], bool]) -> Rule:
    """Rule: the position of a joint satisfies a predicate."""

    def rule(scene: Scene) -> Done:
        position = scene.env.data.joint(name).qpos
        return lambda: passed(position.item())

    return rule


def _basketball(scene: Scene) -> Done:
    env, obj, scale = scene.env, scene.state[4:7], np.array([1.0, 1.0, 2.0])

    def done() -> bool:
        error = obj - env._target_pos
        error[2] = obj[2] - 0.3  # Height of the rim [m].
        return _length(error * scale) <= 0.08

    return done


def _faucet_open(scene: Scene) -> Done:
    env, obj, offset = scene.env, scene.state[4:7], np.array([-0.04, 0.0, 0.03])
    return lambda: _length(obj + offset - env._target_pos) <= 0.07


def _assembly(scene: Scene) -> Done:
    env, nut = scene.env, scene.env.data.site("RoundNut").xpos

    def done() -> bool:
        error = env._target_pos - nut
        return _length(error[:2]) < 0.02 and bool(error[2] > 0.0)

    return done


def _box_close(scene: Scene) -> Done:
    env, lid = scene.env, scene.state[4:7]
    return lambda: _length(lid - env._target_pos) < 0.08


def _disassemble(scene: Scene) -> Done:
    env, state = scene.env, scene.state
    return lambda: bool(state[6] > env._target_pos[2])


def _peg_insert(scene: Scene) -> Done:
    env, head = scene.env, scene.env.data.site("pegHead").xpos
    scale = np.array([1.0, 2.0, 2.0])
    return lambda: _length((head - env._target_pos) * scale) <= 0.07


def _sweep_into(scene: Scene) -> Done:
    env, obj = scene.env, scene.state[4:7]

    def done() -> bool:
        error = obj - env._target_pos
        error[2] = 0.0  # The puck may be at any height in the hole.
        return _length(error) <= 0.05

    return done


def _stick_pull(scene: Scene) -> Done:
    near, handle = _near(0.12, at=11)(scene), scene.state[11:14]
    end = scene.env.data.site("stick_end").xpos

    def done() -> bool:
        if not near():
            return False
        x, y, z = (end - handle).tolist()
        inserted = end[0] >= handle[0] and abs(y) <= 0.04 and abs(z) <= 0.06
        return bool(inserted)

    return done


def _stick_push(scene: Scene) -> Done:
    env, state, near = scene.env, scene.state, _near(0.12, at=11)(scene)

    def done() -> bool:
        lifted = near() and state[3] > 0 and state[6] - 0.01 > env.stick_init_pos[2]
        return bool(lifted and env.touching_main_object)

    return done


_RULES: dict[Rule, str] = {
    _near(0.05): "bin-picking hand-insert push sweep",
    _near(0.07): "coffee-pull coffee-push dial-turn faucet-close pick-out-of-hole"
    " pick-place pick-place-wall plate-slide plate-slide-back plate-slide-back-side"
    " plate-slide-side push-back push-wall peg-unplug-side shelf-place soccer",
    _near(0.08): "door-close handle-pull-side",
    _near(0.05 + 0.015): "drawer-close",
    _near(0.03): "drawer-open",
    _along(0, 0.02): "door-unlock",
    _along(0, 0.05): "window-close window-open",
    _along(0, 0.08): "door-open",
    _along(1, 0.02): "button-press coffee-button",
    _along(1, 0.03): "button-press-wall",
    _along(2, 0.02): "door-lock handle-press handle-press-side",
    _along(2, 0.024): "button-press-topdown button-press-topdown-wall",
    _along(2, 0.05): "handle-pull",
    _hand_near: "reach reach-wall",
    _joint("LeverAxis", lambda angle: abs(-angle - math.pi / 2) <= math.pi / 24): (
        "lever-pull"
    ),
    _joint("NailSlideJoint", lambda depth: depth > 0.09): "hammer",
    _assembly: "assembly",
    _basketball: "basketball",
    _box_close: "box-close",
    _disassemble: "disassemble",
    _faucet_open: "faucet-open",
    _peg_insert: "peg-insert-side",
    _stick_pull: "stick-pull",
    _stick_push: "stick-push",
    _sweep_into: "sweep-into",
}

SUCCESS: dict[str, Rule] = {
    f"{name}-v3": rule for rule, names in _RULES.items() for name in names.split()
}
"""Rule of each task, which returns for a scene a function to call after each step."""
