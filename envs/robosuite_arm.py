"""Fast implementation of robosuite's operational space control of an arm.

In each of the 25 physics steps of an action, robosuite updates every observable and looks up
every name, which needs nine tenths of the time. This module does the same arithmetic in the
same order, so that states are bit-identical.
"""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from robosuite.utils.control_utils import (
    nullspace_torques,
    opspace_matrices,
    orientation_error,
)

Vector = NDArray[np.float64]


class Arm:
    """Arm of an env, controlled by ``OSC_POSE`` in the frame of its base.

    Args:
        env: robosuite's env of a single robot; call ``begin`` after each of its resets.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self.model, self.data = env.sim.model._model, env.sim.data._data
        self._steps = int(env.control_timestep / env.model_timestep)
        nv = self.model.nv
        self._mass = np.zeros((nv, nv))
        self._along, self._about = np.zeros((3, nv)), np.zeros((3, nv))
        self._jacobian = np.zeros((6, 7))
        self.begin()

    def begin(self) -> None:
        """Fetches the controllers, which robosuite replaces at each reset."""
        robot = self._env.robots[0]
        self._controller = controller = robot.part_controllers["right"]
        self._composite = robot.composite_controller
        site: int = self._env.sim.model.site_name2id(controller.ref_name)
        self._position = self.data.site_xpos[site]
        self._rotation = self.data.site_xmat[site].reshape(3, 3)
        self._site = site
        arm = robot._ref_actuators_indexes_dict["right"]
        self._arm_controls = slice(arm[0], arm[-1] + 1)
        self._low, self._high = self.model.actuator_ctrlrange[arm].T
        self._robot = robot

    def act(self, action: Vector) -> None:
        """Runs the physics of an action.

        Args:
            action: Displacement, rotation and gripper within [-1, 1]; (7,), or (6,) for a
                robot without a gripper.
        """
        mujoco.mj_step1(self.model, self.data)
        self._set_goal(action)
        mujoco.mj_step2(self.model, self.data)
        for _ in range(self._steps - 1):
            mujoco.mj_step1(self.model, self.data)
            self._push()
            mujoco.mj_step2(self.model, self.data)

    def _set_goal(self, action: Vector) -> None:
        """Sets the goal for all physics steps, and the controls of the first.

        This uses robosuite's own controllers, whose state in the first step of an episode
        is that of the robot during the reset.
        """
        controller = self._controller
        self._composite.update_state()
        self._composite.set_goal(action)
        turn = controller.origin_ori
        self._goal = controller.origin_pos + np.dot(turn, controller.goal_pos)
        self._goal_rotation = np.dot(turn, controller.goal_ori)
        for name, part in self._robot.part_controllers.items():
            controls = self._robot._ref_actuators_indexes_dict[name]
            low, high = self.model.actuator_ctrlrange[controls].T
            self.data.ctrl[controls] = np.clip(part.run_controller(), low, high)

    def _push(self) -> None:
        """Sets the arm's torques for a physics step."""
        data, controller = self.data, self._controller
        mujoco.mj_jacSite(self.model, data, self._along, self._about, self._site)
        jacobian, joints = self._jacobian, controller.qvel_index
        along, about = jacobian[:3], jacobian[3:]
        along[:], about[:] = self._along[:, joints], self._about[:, joints]
        speeds = data.qvel
        position_error = self._goal - self._position
        rotation_error = orientation_error(self._goal_rotation, self._rotation)
        kp, kd = controller.kp, controller.kd
        force = position_error * kp[:3] + -np.dot(self._along, speeds) * kd[:3]
        torque = rotation_error * kp[3:] + -np.dot(self._about, speeds) * kd[3:]
        mujoco.mj_fullM(self.model, self._mass, data.qM)
        mass = self._mass[joints, :][:, joints]
        _, pulling, turning, nullspace = opspace_matrices(mass, jacobian, along, about)
        wrench = np.concatenate([np.dot(pulling, force), np.dot(turning, torque)])
        torques = np.dot(jacobian.T, wrench) + data.qfrc_bias[joints]
        torques += nullspace_torques(
            mass,
            nullspace,
            controller.initial_joint,
            data.qpos[controller.qpos_index],
            speeds[joints],
        )
        data.ctrl[self._arm_controls] = np.clip(torques, self._low, self._high)
