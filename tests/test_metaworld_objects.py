import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from robomtl.envs.metaworld_objects import OBJECTS, quaternion
from robomtl.envs.metaworld_success import SUCCESS
from robomtl.envs.metaworld_tasks import TASKS

RANDOM = Rotation.random(200, random_state=0).as_matrix()
SIGNED_PERMUTATIONS = [
    np.eye(3)[list(order)] * signs
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
TURNS = [matrix for matrix in SIGNED_PERMUTATIONS if np.linalg.det(matrix) > 0]


@pytest.mark.parametrize("matrices", [RANDOM, TURNS], ids=["random", "quarter turns"])
def test_quaternions_are_those_of_scipy_with_their_sign(matrices):
    for matrix in matrices:
        expected = Rotation.from_matrix(matrix).as_quat()
        np.testing.assert_allclose(quaternion(matrix.ravel()), expected, atol=1e-12)


def test_every_task_has_objects_and_a_rule_of_success():
    assert set(OBJECTS) == set(SUCCESS) == set(TASKS)
