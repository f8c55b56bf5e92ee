import pytest
import torch

from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Batch, Spec
from robomtl.training.affinity import task_affinity

TASKS = ("left", "also-left", "right")


def policy(loss="l2"):
    torch.manual_seed(0)
    config = MLPConfig(width=16, layers=1, task_width=4, loss=loss)
    return MLP(config, Spec(state=3, action=1, embedding=0))


def batch(each=8):
    """Three tasks in the same states, of which the third wants the opposite."""
    state = torch.randn(each, 3, generator=torch.Generator().manual_seed(0)).repeat(
        3, 1
    )
    wanted = torch.tensor([-0.8, -0.8, 0.8]).repeat_interleave(each)
    return Batch(
        observation={"state": state},
        action=wanted[:, None, None],
        mask=torch.ones(3 * each, 1),
        task_embedding=torch.zeros(3 * each, 0),
        task=torch.arange(3).repeat_interleave(each),
    )


def test_a_step_helps_tasks_that_want_the_same_and_harms_the_opposite():
    found = task_affinity(policy(), batch(), TASKS)
    assert found.shape == (3, 3)
    assert (found.diagonal() > 0).all()
    assert found[0, 1] == pytest.approx(found[0, 0].item(), rel=1e-4)
    assert found[0, 2] < 0 and found[2, 0] < 0


def test_an_affinity_is_the_fraction_of_the_loss_that_a_step_takes_away():
    made, drawn = policy(), batch()
    found = task_affinity(made, drawn, TASKS, fraction=0.05)
    before = made.loss(drawn).per_sample.view(3, -1).mean(1)
    before[2].backward()
    gradient = [parameter.grad for parameter in made.parameters()]
    square = torch.cat([each.flatten() for each in gradient]).square().sum()
    with torch.no_grad():
        for parameter, each in zip(made.parameters(), gradient, strict=True):
            parameter -= 0.05 * before[2].detach() * each / square
        after = made.loss(drawn).per_sample.view(3, -1).mean(1)
    assert torch.allclose(found[2], 1 - after / before, atol=1e-5)


def test_the_policy_and_the_order_of_samples_are_left_alone():
    made, drawn = policy(), batch()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    found = task_affinity(made, drawn, TASKS)
    order = torch.randperm(24)
    mixed = Batch(
        observation={"state": drawn.observation["state"][order]},
        action=drawn.action[order],
        mask=drawn.mask[order],
        task_embedding=drawn.task_embedding[order],
        task=drawn.task[order],
    )
    assert torch.allclose(task_affinity(made, mixed, TASKS), found, atol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())


def test_a_task_without_samples_is_refused():
    with pytest.raises(
        ValueError, match="no sample of elsewhere; weighting tasks needs"
    ):
        task_affinity(policy(), batch(), (*TASKS, "elsewhere"))


def test_a_step_takes_the_same_fraction_of_its_own_loss_however_steep_that_is():
    drawn = batch()
    steep = drawn._replace(
        action=drawn.action * torch.tensor([1, 1, 0.1])[drawn.task, None, None]
    )
    found = task_affinity(policy(), steep, TASKS, fraction=1e-3)
    assert torch.allclose(found.diagonal(), torch.tensor(1e-3), rtol=0.01)


def test_a_step_that_takes_nothing_is_refused():
    with pytest.raises(ValueError, match="fraction is 0; give more than 0"):
        task_affinity(policy(), batch(), TASKS, fraction=0)


def test_a_likelihood_has_no_parts():
    made = policy("gaussian")
    with torch.no_grad():
        made.head.linear.weight.zero_()
        made.head.linear.bias[:] = torch.tensor([-0.8, -9.0])
    with pytest.raises(ValueError, match="'task_affinity' needs losses above 0, and"):
        task_affinity(made, batch(), TASKS)
