import json
from functools import partial

import pytest
import torch

from robomtl.execution import threads
from robomtl.execution.threads import Threads, check_threads


@pytest.fixture(autouse=True)
def four():
    """Torch with four threads, as on a larger machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Clock:
    """A clock on which a step takes what its number of threads says."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    monotonic = perf_counter

    def step(self, seconds):
        self.now += seconds[torch.get_num_threads()]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(threads, "time", made := Clock())
    return made


def taken(folder, seconds, *, request="auto", steps=(0,), device="cpu"):
    """Number of threads at each step."""
    found = []
    with Threads(request, device=device, folder=folder) as chosen:
        for step in steps:
            chosen.take(step, partial(threads.time.step, seconds))
            found.append(torch.get_num_threads())
    return found


def recorded(folder):
    return json.loads((folder / "machine.json").read_text())["threads"]


@pytest.mark.parametrize(
    ("seconds", "count"),
    [({1: 10, 2: 8}, 1), ({1: 10, 2: 6, 4: 5}, 2), ({1: 10, 2: 6, 4: 3}, 4)],
)
def test_one_thread_computes_unless_more_pay_clearly(tmp_path, seconds, count):
    assert taken(tmp_path, seconds) == [count]
    assert recorded(tmp_path) == [[0, count]]
    assert torch.get_num_threads() == 4


def test_the_choice_is_kept_when_a_run_goes_on(tmp_path):
    taken(tmp_path, {1: 10, 2: 6, 4: 6})
    assert taken(tmp_path, {1: 1, 2: 2}, steps=(7, 8)) == [2, 2]
    assert recorded(tmp_path) == [[0, 2]]


def test_threads_that_no_longer_pay_are_given_up_from_a_step_that_is_written_down(
    tmp_path, monkeypatch
):
    taken(tmp_path, {1: 10, 2: 6, 4: 6})
    monkeypatch.setattr(threads, "_AGAIN", -1.0)
    beside_another = {1: 50, 2: 780}
    assert taken(tmp_path, beside_another, steps=(7, 8)) == [1, 1]
    assert recorded(tmp_path) == [[0, 2], [7, 1]]
    # A run that lost its last steps takes them as it did.
    again = {1: 1, 2: 1}
    assert taken(tmp_path, again, steps=(6, 7)) == [2, 1]


def test_threads_that_pay_by_now_are_taken_from_a_step_that_is_written_down(
    tmp_path, monkeypatch
):
    taken(tmp_path, {1: 50, 2: 780})
    monkeypatch.setattr(threads, "_AGAIN", -1.0)
    assert taken(tmp_path, {1: 10, 2: 6, 4: 6}, steps=(7, 8)) == [2, 2]
    assert recorded(tmp_path) == [[0, 1], [7, 2]]


def test_a_number_that_is_asked_for_is_taken(tmp_path):
    assert taken(tmp_path, {}, request=3) == [3]
    assert taken(tmp_path, {}, request=2, steps=(5,)) == [2]
    assert recorded(tmp_path) == [[0, 3], [5, 2]]


def test_another_device_has_one_thread_beside_it(tmp_path):
    assert taken(tmp_path, {}, device="cuda") == [1]


@pytest.mark.parametrize("choice", [[0, 0], [-1, 1], [0, 100_000]])
def test_a_record_of_threads_that_cannot_be_is_refused(tmp_path, choice):
    (tmp_path / "machine.json").write_text(json.dumps({"threads": [choice]}))
    with pytest.raises(ValueError, match="threads are 1 to 1024"):
        taken(tmp_path, {})


@pytest.mark.parametrize("count", [0, -1, 100_000, 1.5, True, "many"])
def test_threads_that_cannot_be_started_are_refused(count):
    with pytest.raises(ValueError, match="threads is .*; give auto, or 1 to 1024"):
        check_threads(count)
