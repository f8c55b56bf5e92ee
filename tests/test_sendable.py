import threading
from functools import partial

import pytest

from robomtl.errors import StartError
from robomtl.execution.sendable import check_sendable
from robomtl.gymnasium_factory import from_gymnasium


def make(lock=None):
    raise AssertionError("It is only sent.")


def suite(**parts):
    return from_gymnasium(
        "mine",
        **{"envs": {"a": make}, "instructions": {"a": ["go"]}, **parts},
        horizon=5,
    )


def inner():
    def expert(observation):
        return observation

    return expert


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (partial(max, suite(envs={"a": lambda: 1})), r"1\.envs\['a'\], .*lambda"),
        (suite(experts={"a": inner()}), r"experts\['a'\], .*local object.*'def'"),
        (
            suite(success=lambda outcome: True),
            r"Suite\.settings\.success, .*at the top of a module",
        ),
        (suite(envs={"a": partial(make, threading.Lock())}), r"argument 1, .*lock"),
    ],
)
def test_the_part_that_workers_cannot_receive_is_named(work, message):
    with pytest.raises(StartError, match=message):
        check_sendable(work)


def test_what_modules_define_is_sent():
    check_sendable(suite(envs={"a": partial(make, lock=3)}))
