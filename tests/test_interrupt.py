import os
import signal
import threading

import pytest

from robomtl.interrupt import deferred_interrupt


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_sets_the_event_and_does_not_break_in():
    with deferred_interrupt() as deferral:
        assert not deferral.pressed.is_set()
        press()
        assert deferral.pressed.is_set()


def test_a_second_ctrl_c_breaks_in():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        press()


def test_ctrl_c_breaks_in_at_once_where_the_deferral_is_lifted():
    with deferred_interrupt() as deferral:
        with pytest.raises(KeyboardInterrupt), deferral.lifted():
            press()
        press()
        assert deferral.pressed.is_set()


def test_ctrl_c_is_as_before_afterwards():
    with deferred_interrupt():
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_other_threads_are_left_alone():
    seen = []

    def work():
        with deferred_interrupt() as deferral:
            seen.append(deferral.pressed.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
