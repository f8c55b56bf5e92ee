import signal

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks wait for threads longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C works in tests and their children, even in a job that ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
