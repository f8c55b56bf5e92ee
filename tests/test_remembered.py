import pytest
import torch

from robomtl.remembered import Remembered


def test_what_is_remembered_is_loaded_in_the_size_it_was_saved_in():
    saved = Remembered({"state": torch.zeros(0, 3), "action": torch.zeros(0, 2)})
    saved.fill({"state": torch.ones(5, 3), "action": torch.ones(5, 2)})
    outer = torch.nn.Sequential(
        Remembered({"state": torch.zeros(0, 3), "action": torch.zeros(0, 2)})
    )
    outer.load_state_dict(torch.nn.Sequential(saved).state_dict())
    assert outer[0]["state"].equal(torch.ones(5, 3))


def test_a_name_that_is_not_there_is_not_filled():
    with pytest.raises(AttributeError, match="goal"):
        Remembered({"state": torch.zeros(1)}).fill({"goal": torch.zeros(1)})
