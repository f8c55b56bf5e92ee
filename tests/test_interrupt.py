import os
import signal
import threading

import pytest

from robomtl.execution.interrupt import (
    deferred_interrupt,
    interrupting_terminate,
    keeping_terminate,
)


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


@pytest.fixture
def unhandled():
    """SIGTERM has no handler, as in a process that has not connected to Ray."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_does_what_ctrl_c_does(unhandled):
    with interrupting_terminate() as came:
        with deferred_interrupt() as deferral:
            os.kill(os.getpid(), signal.SIGTERM)
            assert deferral.pressed.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert came.is_set()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_interrupts_where_ctrl_c_is_ignored(unhandled):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupting_terminate(), pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_of_sigterm_that_is_there_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with interrupting_terminate() as came:
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert not came.is_set()


def test_a_handler_of_sigterm_comes_back_that_a_library_replaces(unhandled):
    with interrupting_terminate() as came, pytest.raises(KeyboardInterrupt):
        with keeping_terminate():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)
    assert came.is_set()
