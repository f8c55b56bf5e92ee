import pytest

from robomtl.errors import InputError
from robomtl.execution.compute import CELL_LIMIT, Compute
from robomtl.execution.executor import LIMIT, InProcess, LocalExecutor
from robomtl.execution.machine import Machine

GPU = Machine(device="cuda")


def test_a_limit_that_is_not_given_is_the_usual_one_of_the_work():
    given = Compute(workers=3, limit=5)
    assert given.executed == given.playing == LocalExecutor(workers=3, limit=5)
    assert Compute().executed == LocalExecutor(limit=CELL_LIMIT)
    assert Compute().playing == LocalExecutor(limit=LIMIT)


def test_an_executor_stands_in_for_processes_but_where_something_is_collected_first():
    compute = Compute(workers=3, limit=5, executor=InProcess(workers=7))
    assert compute.executed is compute.playing is compute.executor
    assert compute.local == Compute(workers=7)


def test_episodes_of_an_experiment_have_the_shorter_limit_and_no_device():
    assert Compute(limit=9, machine=GPU).within(600) == Compute(limit=9)
    assert Compute(machine=GPU).within(600) == Compute(limit=600)


def test_a_device_where_nothing_is_trained_is_refused():
    with pytest.raises(InputError, match="machine is .*'cuda'.* with robomtl.serve"):
        _ = Compute(machine=GPU).playing


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"workers": -1}, "workers is -1; give at least 1"),
        ({"workers": 100_000}, "workers is 100000, which needs more memory"),
        ({"limit": float("nan")}, "limit is nan s; give a number above 0"),
    ],
)
def test_processes_and_limits_that_cannot_be_are_refused_at_once(values, message):
    with pytest.raises(InputError, match=message):
        Compute(**values)
