import time
from contextlib import closing

import pytest

from robomtl.suites import suite

pytestmark = pytest.mark.slow
MT10 = suite("metaworld/MT10")


def seconds_to_make(task):
    start = time.process_time()  # A busy machine takes longer by the clock.
    with closing(MT10.make_env(task)):
        return time.process_time() - start


@pytest.mark.parametrize("task", [task.name for task in MT10.train_tasks])
def test_an_env_is_made_fast_once_its_model_is_loaded(task):
    seconds_to_make(task)
    assert min(seconds_to_make(task) for _ in range(3)) < 0.2
