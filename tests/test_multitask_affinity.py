import numpy as np
import pytest

from robomtl.errors import InputError
from robomtl.experiments.multitask.affinities import (
    Kept,
    Measured,
    affinity_of,
    summed_up,
)

NAMES = ("a", "b", "c", "d")
PAIRED = np.array(
    [
        [0.10, -0.01, 0.05, -0.02],
        [-0.01, 0.10, -0.02, 0.04],
        [0.03, -0.02, 0.10, -0.01],
        [-0.02, 0.06, -0.01, 0.10],
    ]
)


def measured(matrix=PAIRED, count=3):
    rows = tuple(map(tuple, matrix.tolist()))
    return Measured(tasks=NAMES, affinity=rows, count=count)


def test_tasks_that_help_each_other_stand_together():
    found = affinity_of([measured()])
    assert {frozenset(found.tasks[:2]), frozenset(found.tasks[2:])} == {
        frozenset("ac"),
        frozenset("bd"),
    }
    for row, one in zip(found.matrix, found.tasks, strict=True):
        for value, other in zip(row, found.tasks, strict=True):
            assert value == PAIRED[NAMES.index(one), NAMES.index(other)]


def test_trainings_are_averaged_and_their_measurements_counted():
    found = affinity_of([measured(), measured(3 * PAIRED, count=5)])
    assert found.measurements == 8
    assert np.trace(found.matrix) == pytest.approx(2 * np.trace(PAIRED))


def test_nothing_was_measured():
    assert affinity_of([]) is None


def test_the_measurements_of_a_training_are_averaged():
    matrices = (((1, 2), (3, 4)), ((3, 4), (5, 6)))
    assert summed_up(Kept(tasks=("a", "b"), affinity=matrices)) == Measured(
        tasks=("a", "b"), affinity=((2, 3), (4, 5)), count=2
    )


def test_a_matrix_that_does_not_fit_its_tasks_is_refused():
    with pytest.raises(InputError, match="not a matrix of 2 x 2 numbers"):
        Measured(tasks=("a", "b"), affinity=((1, 2), (3,)), count=1)
    with pytest.raises(InputError, match=r"magnitude is above 1e\+12"):
        Measured(tasks=("a", "b"), affinity=((1, 2), (3, -1e308)), count=1)
