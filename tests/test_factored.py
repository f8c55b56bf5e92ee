"""Gradients per task from layer inputs, compared with explicit gradients."""

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from robomtl.policy import Batch, Loss
from robomtl.training.factored import factored
from robomtl.training.gradients import task_gradients
from robomtl.training.scored import Scored
from robomtl.training.stacked import stacked

TASKS = ("reach", "push", "pull")


class Squares(NamedTuple):
    """Minimises the squares of what a network makes of the states."""

    def loss(self, network, batch):
        squares = network(batch.observation["state"]).square()
        return Loss(squares.flatten(1).mean(1), {"squares": squares.mean()})


class Network(nn.Module):
    """Two layers with norms; ``inner`` reads and gives features."""

    def __init__(self, inner):
        super().__init__()
        self.first, self.last = nn.Linear(5, 8), nn.Linear(8, 2)
        self.norm = nn.LayerNorm(8)
        self.inner = inner

    def forward(self, state):
        return self.last(self.norm(self.inner(self.first(state).tanh())))


class Twice(nn.Module):
    """A network that uses one layer and one norm twice."""

    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, features):
        once = self.norm(self.layer(features).tanh())
        return features + self.norm(self.layer(once))


class Frozen(nn.Module):
    """Layers of which only a weight, only a bias, and nothing is trained."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.layers[0].bias.requires_grad_(False)
        self.layers[1].weight.requires_grad_(False)
        self.layers[2].requires_grad_(False)

    def forward(self, features):
        for layer in self.layers:
            features = layer(features)
        return features


class Layered(nn.Module):
    """A network with one layer; subclasses define ``forward``."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)


class Transposed(Layered):
    """A layer whose weight is used a second time, the other way round."""

    def forward(self, features):
        return self.layer(features) @ self.layer.weight


class Unused(Layered):
    """A layer that is there for nothing."""

    def forward(self, features):
        return features


class Overwritten(Layered):
    """A layer whose output is written to afterwards."""

    def forward(self, features):
        return self.layer(features).mul_(2)


class Learned(nn.Module):
    """A parameter that no layer has."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, features):
        return features * self.scale


class TimeFirst(Layered):
    """A layer that reads samples along the second axis."""

    def forward(self, features):
        return self.layer(torch.stack([features, -features])).sum(0)


class Folded(TimeFirst):
    """A layer that reads time and samples along one axis."""

    def forward(self, features):
        return self.layer(torch.cat([features, -features])).unflatten(0, (2, -1)).sum(0)


class Normed(nn.Module):
    """A layer whose weight is computed from parameters."""

    def __init__(self):
        super().__init__()
        self.layer = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))

    def forward(self, features):
        return self.layer(features)


class Attending(nn.Module):
    """Attention over samples' single tokens."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, features):
        token = features[None]
        return self.attention(token, token, token, need_weights=False)[0][0]


def batch(size=18, *, axes=(), shuffled=False):
    torch.manual_seed(1)
    task = torch.arange(len(TASKS)).repeat_interleave(size // len(TASKS))
    if shuffled:
        task = torch.randint(len(TASKS), (size,))
    return Batch(
        observation={"state": torch.randn(size, *axes, 5)},
        action=torch.zeros(size, 1, 2),
        mask=torch.ones(size, 1),
        task_embedding=torch.zeros(size, 0),
        task=task,
    )


def scored(inner=nn.Identity, precision=torch.float32):
    torch.manual_seed(0)
    return Scored(Network(inner()), Squares(), precision)


def rows(found):
    given = [found.combined(row) for row in torch.eye(len(found.losses))]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in given])


@pytest.mark.parametrize("inner", [nn.Identity, Twice, Frozen])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("axes", [(), (4,), (4, 3)])
@pytest.mark.parametrize("size", [6, 18, 300])  # Few rows, and more than weights.
def test_factored_gradients_are_those_written_out(inner, shuffled, axes, size):
    given = batch(size, axes=axes, shuffled=shuffled)
    fast = factored(scored(inner), given, TASKS)
    slow = stacked(scored(inner), given, TASKS)
    expected = rows(slow)
    assert (rows(fast) - expected).abs().max() < 1e-6
    assert torch.allclose(fast.gramian(), expected @ expected.T, rtol=1e-5, atol=1e-6)
    assert torch.allclose(fast.losses, slow.losses)
    assert torch.allclose(fast.loss.per_sample, slow.loss.per_sample)
    assert torch.allclose(fast.loss.metrics["squares"], slow.loss.metrics["squares"])


@pytest.mark.parametrize("inner", [nn.Identity, Twice])
def test_in_bfloat16_factored_gradients_are_near_the_exact(inner):
    given = batch(300)
    exact = rows(stacked(scored(inner), given, TASKS))
    found = factored(scored(inner, torch.bfloat16), given, TASKS)
    assert 0 < (rows(found) - exact).norm() < 0.02 * exact.norm()
    assert (found.gramian() - exact @ exact.T).norm() < 0.02 * (exact @ exact.T).norm()


@pytest.mark.parametrize(
    "inner",
    [
        Transposed,
        Unused,
        Overwritten,
        Learned,
        TimeFirst,
        Folded,
        Normed,
        Attending,
    ],
)
def test_what_layers_do_not_tell_is_written_out(inner):
    asked = scored(inner)
    assert factored(asked, batch(), TASKS) is None
    found = task_gradients(asked, batch(), TASKS)
    assert not asked.factors
    total = functional.one_hot(batch().task).float() / 6
    losses = asked(batch()).per_sample @ total
    for place, loss in enumerate(losses):
        exact = torch.autograd.grad(
            loss,
            list(asked.trained().values()),
            retain_graph=True,
            materialize_grads=True,
        )
        expected = torch.cat([part.flatten() for part in exact])
        assert torch.allclose(rows(found)[place], expected, atol=1e-6)


def test_as_many_steps_as_samples_are_not_taken_for_samples():
    class Turned(Network):
        def forward(self, state):  # (sample, time, state), time first inside.
            return super().forward(state.transpose(0, 1)).transpose(0, 1)

    given = batch(18, axes=(18,))
    torch.manual_seed(0)
    assert (
        factored(Scored(Turned(nn.Identity()), Squares(), torch.float32), given, TASKS)
        is None
    )


def test_a_task_without_a_sample_is_named():
    given = batch()._replace(task=torch.zeros(18, dtype=torch.long))
    with pytest.raises(ValueError, match="no sample of push, pull"):
        factored(scored(), given, TASKS)


def test_layers_that_no_task_reaches_are_left_as_they_are():
    given = batch()
    given.observation["state"].zero_()
    found = factored(scored(), given, TASKS)
    assert torch.isfinite(found.gramian()).all()
    assert not found.combined(torch.ones(3))[0].any()  # The first weight reads zeros.
