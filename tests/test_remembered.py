import pytest
import torch

from robomtl.layers.remembered import Remembered


def remembered():
    tensors = {"state": torch.zeros(0, 3), "action": torch.zeros(0, 2)}
    return Remembered(tensors, axes={"state": "step _", "action": "step _"})


def test_what_is_remembered_is_loaded_in_the_size_it_was_saved_in():
    saved = remembered()
    saved.fill({"state": torch.ones(5, 3), "action": torch.ones(5, 2)})
    outer = torch.nn.Sequential(remembered())
    outer.load_state_dict(torch.nn.Sequential(saved).state_dict())
    assert outer[0]["state"].equal(torch.ones(5, 3))


def test_a_name_that_is_not_there_is_not_filled():
    with pytest.raises(AttributeError, match="goal"):
        remembered().fill({"goal": torch.zeros(1)})


@pytest.mark.parametrize(
    ("state", "action"), [((5, 4), (5, 2)), ((5, 3), (4, 2)), ((5,), (5, 2))]
)
def test_tensors_that_do_not_fit_one_another_are_refused(state, action):
    saved = {"state": torch.zeros(state), "action": torch.zeros(action)}
    with pytest.raises(RuntimeError, match=r"expected state \(step x _\), action"):
        remembered().load_state_dict(saved)
