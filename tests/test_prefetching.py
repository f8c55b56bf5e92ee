"""Batches that a thread draws in advance equal those drawn without it."""

import threading
from dataclasses import replace

import pytest
import torch

from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.registry import suite
from robomtl.training import TrainConfig, prefetching, train
from robomtl.training.prefetching import Prefetched, prefetched

pytestmark = pytest.mark.usefixtures("forked_workers")

QUICK = TrainConfig(steps=12, batch_size=16, threads=1, conflicts_every=4, save_every=5)
SMALL = {"width": 16, "layers": 1, "task_width": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


class Clock:
    """A clock that tests advance."""

    now = 0.0

    def perf_counter(self):
        return self.now


class Draws:
    """Draws the step's number, and notes its thread."""

    def __init__(self, clock=None, seconds=0.0):
        self.clock, self.seconds, self.threads = clock or Clock(), seconds, []

    def batch(self, step, size):
        self.threads.append(threading.current_thread().name)
        self.clock.now += self.seconds
        if step == 3:
            raise ValueError("no batch of step 3")
        return step


class Stepping:
    """A learner whose steps take a second."""

    step = 0

    def __init__(self, clock=None):
        self.clock = clock or Clock()

    def rehearse(self, batch):
        self.clock.now += 1.0


def run(data, out, **settings):
    made = train(
        data,
        out=out,
        policy="mlp",
        policy_config=SMALL,
        config=replace(QUICK, **settings),
    )
    return made.policy.state_dict(), (out / "conflicts.json").read_text()


def test_a_run_with_a_thread_has_the_numbers_of_one_without(data, tmp_path):
    here, measured = run(data, tmp_path / "off", prefetch="off")
    there, again = run(data, tmp_path / "on", prefetch="on")
    assert measured == again
    for name, value in here.items():
        assert torch.equal(value, there[name])


def test_a_run_goes_on_with_another_prefetching(data, tmp_path):
    run(data, tmp_path, schedule="constant", prefetch="off")
    longer, _ = run(data, tmp_path, schedule="constant", steps=15, prefetch="on")
    whole, _ = run(data, tmp_path / "whole", schedule="constant", steps=15)
    for name, value in longer.items():
        assert torch.equal(value, whole[name])


def test_the_next_batch_is_drawn_in_a_thread_and_none_after_the_last():
    draws = Draws()
    ahead = Prefetched(draws, 3)
    assert [ahead.batch(step, 8) for step in range(3)] == [0, 1, 2]
    ahead.close()
    assert [name.startswith("prefetch") for name in draws.threads] == [
        False,
        True,
        True,
    ]


def test_an_error_of_drawing_is_raised_with_its_step():
    ahead = Prefetched(Draws(), 9)
    assert ahead.batch(2, 8) == 2
    with pytest.raises(ValueError, match="no batch of step 3"):
        ahead.batch(3, 8)
    ahead.close()


@pytest.mark.parametrize(
    ("drawing", "cores", "steps", "expected"),
    [
        (0.2, 2, 100, Prefetched),
        (0.05, 2, 100, Draws),
        (0.2, 1, 100, Draws),
        (0.2, 2, 99, Draws),
    ],
    ids=["slow", "fast", "no free core", "few steps"],
)
def test_a_thread_draws_where_that_pays(drawing, cores, steps, expected, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(prefetching, "time", clock)
    monkeypatch.setattr(prefetching, "cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    config = replace(QUICK, steps=steps)
    with prefetched(Draws(clock, drawing), Stepping(clock), config) as draws:
        assert type(draws) is expected


def test_nothing_is_drawn_ahead_where_validation_changes_the_next_batch():
    config = replace(QUICK, prefetch="on", sampling="validation_loss", validate_every=3)
    with prefetched(Draws(), Stepping(), config) as draws:
        assert type(draws) is Draws
