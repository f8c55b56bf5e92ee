import pytest
import torch

from robomtl.action_head import (
    HEADS,
    ActionHead,
    HeadConfig,
    action_head,
    masked_mean,
)
from robomtl.errors import InputError
from robomtl.features import vector_embodiment
from robomtl.policy import Batch, Spec

LONG, SHORT = (
    vector_embodiment(state=2, action=action, name=f"{action}") for action in (3, 1)
)
ROBOTS = Spec(embodiments=(LONG, SHORT), embedding=0)


def batch_of_robots(chunk=2):
    generator = torch.Generator().manual_seed(0)
    robot = torch.tensor([0, 1, 0, 1])
    action = torch.rand(4, chunk, 3, generator=generator)
    action[robot == 1, :, 1:] = 0
    return Batch(
        observation={"embodiment": robot},
        action=action,
        mask=torch.ones(4, chunk),
        task_embedding=torch.zeros(4, 0),
        task=torch.zeros(4, dtype=torch.long),
    )


def test_the_masked_mean_divides_by_the_steps_within_the_episode():
    elements = torch.tensor([[[1.0, 3.0], [100.0, 100.0]]])
    assert masked_mean(elements, torch.tensor([[1.0, 0.0]])) == 2.0


@pytest.mark.parametrize("loss", HEADS.names())
def test_a_head_gives_each_robot_the_components_that_it_has(loss):
    torch.manual_seed(0)
    head = action_head(5, HeadConfig(chunk=2, loss=loss), ROBOTS)
    batch, features = batch_of_robots(), torch.randn(4, 5)
    robot = batch.observation["embodiment"]
    actions = head(features, robot)
    assert actions.shape == (4, 2, 3)
    assert actions.abs().max() <= 1
    assert (actions[robot == 1, :, 1:] == 0).all()
    assert actions[robot == 1, :, 0].all() and actions[robot == 0].all()


@pytest.mark.parametrize("loss", HEADS.names())
def test_components_that_a_robot_lacks_do_not_count(loss):
    torch.manual_seed(0)
    head = action_head(5, HeadConfig(chunk=2, loss=loss), ROBOTS)
    batch, features, found = batch_of_robots(), torch.randn(4, 5), []
    other = batch.action.clone()
    other[batch.observation["embodiment"] == 1, :, 1:] = 0.7
    for action in (batch.action, other):
        torch.manual_seed(1)
        found.append(head.loss(features, batch._replace(action=action)).per_sample)
    torch.testing.assert_close(*found, rtol=0, atol=0)


@pytest.mark.parametrize("loss", HEADS.names())
def test_a_head_computes_in_bfloat16(loss):
    head = action_head(5, HeadConfig(chunk=2, loss=loss), ROBOTS)
    batch, features = batch_of_robots(), torch.randn(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = head.loss(features, batch).per_sample
        acted = head(features, batch.observation["embodiment"])
    assert found.dtype == acted.dtype == torch.float32
    found.sum().backward()
    assert all(p.grad is not None for p in head.parameters())


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="chunk is 0; give at least 1"):
        HeadConfig(chunk=0)


def test_an_unknown_head_names_the_nearest():
    with pytest.raises(ValueError, match="Unknown head 'flwo'. Did you mean 'flow'"):
        HeadConfig(loss="flwo")


def test_a_head_of_no_kind_is_refused_with_the_function_that_builds_one():
    message = (
        r"call action_head\(width, config, spec\) .* that config.loss names: .* l1"
    )
    with pytest.raises(InputError, match=message):
        ActionHead(2, action=3, chunk=1, loss="l1")


def test_no_sampling_steps_are_refused():
    with pytest.raises(ValueError, match="sampling_steps is 0; give at least 1"):
        HeadConfig(loss="flow", sampling_steps=0)


def test_more_sampling_steps_than_noise_levels_are_refused():
    message = "sampling_steps is 101 and noise_levels 100; give at least 1 sampling"
    with pytest.raises(ValueError, match=message):
        HeadConfig(loss="diffusion", sampling_steps=101)
    assert HeadConfig(loss="flow", sampling_steps=101)  # It has no levels.


def test_a_single_bin_is_refused():
    with pytest.raises(ValueError, match="bins is 1; the head 'bins' needs at least 2"):
        HeadConfig(loss="bins", bins=1)
