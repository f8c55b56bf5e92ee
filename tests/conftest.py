import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks wait for threads longer than they compute."""
    torch.set_num_threads(1)
