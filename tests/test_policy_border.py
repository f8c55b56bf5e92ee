"""Policies of somebody's own that return other shapes or types than the contract has."""

import pytest
import torch

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.policies.mlp import MLP
from robomtl.policy import POLICIES, Batch, Loss, Spec, actions_of, loss_of
from robomtl.policy_actor import Predictor
from robomtl.policy_episodes import PredictionRequest
from robomtl.training import TrainConfig
from robomtl.training.learner import learner_for

SPEC = Spec(state=3, action=2, embedding=0)
BATCH = Batch(
    observation={"state": torch.zeros(8, 3)},
    action=torch.zeros(8, 1, 2),
    mask=torch.ones(8, 1),
    task_embedding=torch.zeros(8, 0),
    task=torch.zeros(8, dtype=torch.long),
)


def own(*, loss=lambda loss: loss, chunk=lambda chunk: chunk):
    """A policy that returns something made of what it should return."""

    class Own(MLP):
        def loss(self, batch):
            return loss(super().loss(batch))

        def act(self, observation, task_embedding, memory):
            actions, kept = super().act(observation, task_embedding, memory)
            changed = chunk(actions)
            return changed if isinstance(changed, tuple) else (changed, kept)

    return Own


def built(policy):
    return policy(MLP.Config(width=8, layers=1, chunk=1), SPEC)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (
            lambda loss: (loss.per_sample, {}),
            "Own.loss returned a tuple of 2; expected",
        ),
        (lambda loss: loss.per_sample, r"Own.loss returned a tensor of shape \(8,\)"),
        (lambda loss: None, "Own.loss returned nothing; expected a Loss"),
        (
            lambda loss: Loss(loss.per_sample.mean(), {}),
            r"per_sample as a tensor of shape \(\).*of shape \(8,\), not their mean",
        ),
        (
            lambda loss: loss._replace(per_sample=loss.per_sample.long()),
            "per_sample as .* type int64; .* and of a floating type",
        ),
        (
            lambda loss: loss._replace(metrics={"norm": torch.zeros(8)}),
            r"Own.loss returned norm as a tensor of shape \(8,\).*; expected a dict of",
        ),
        (lambda loss: loss._replace(metrics=None), "returned metrics as nothing"),
    ],
)
def test_a_loss_of_another_kind_names_the_policy(loss, said):
    with pytest.raises(InputError, match=said):
        loss_of(built(own(loss=loss)), BATCH)


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (
            lambda a: a[:, 0],
            r"a tensor of shape \(8, 2\) .*shape \(8, chunk, 2\), of 1",
        ),
        (
            lambda a: torch.cat([a, a], -1),
            r"Own.act returned a tensor of shape \(8, 1, 4",
        ),
        (lambda a: a[:1], r"Own.act returned a tensor of shape \(1, 1, 2\)"),
        (lambda a: a[:, :0], r"Own.act returned a tensor of shape \(8, 0, 2\)"),
        (lambda a: a.long(), "and type int64; expected an action chunk"),
        (
            lambda a: a.detach().numpy(),
            r"Own.act returned an array of shape \(8, 1, 2\)",
        ),
        (
            lambda a: (a, None, None),
            "Own.act returned a tuple of 3; expected an action",
        ),
    ],
)
def test_a_chunk_of_another_shape_names_the_policy(chunk, said):
    with pytest.raises(InputError, match=said):
        actions_of(
            built(own(chunk=chunk)),
            {"state": torch.zeros(8, 3)},
            torch.zeros(8, 0),
            None,
        )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_loss_of_another_precision_is_taken(dtype):
    policy = built(own(loss=lambda loss: Loss(loss.per_sample.to(dtype), {"x": 1.0})))
    assert loss_of(policy, BATCH).per_sample.dtype == torch.float32


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_a_loss_that_depends_on_no_parameter_is_refused(kind):
    policy = built(own(loss=lambda loss: Loss(loss.per_sample.detach(), {})))
    learner = learner_for(policy, TrainConfig(learner=kind, precision="float32"))
    for step in (learner.update, learner.rehearse):
        with pytest.raises(InputError, match="depends on no parameter.*detach"):
            step(BATCH)


class Tied(MLP):
    """Two layers of it have one weight."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.again = torch.nn.Linear(spec.inputs, config.width)
        self.again.weight = self.trunk[0].weight


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_layers_that_share_a_weight_share_its_average_and_are_saved(
    kind, tmp_path, monkeypatch
):
    monkeypatch.setitem(POLICIES._items, "tied", Tied)
    config = {"width": 8, "layers": 1, "chunk": 1}
    learner = learner_for(built(Tied), TrainConfig(learner=kind, precision="float32"))
    learner.update(BATCH)
    learner.save(tmp_path / "state.safetensors")
    learner.restore(tmp_path / "state.safetensors")
    averaged = learner.averaged()
    assert torch.equal(averaged["again.weight"], averaged["trunk.0.weight"])
    assert not torch.equal(averaged["again.weight"], learner.policy.again.weight)
    card = Card(
        policy="tied",
        config=config,
        spec=SPEC,
        conditioning=Conditioning(kinds=("none",), tasks=("a",)),
        suite="",
        suite_options={},
        step=1,
    )
    policy = checkpoint.build(card)
    policy.load_state_dict(averaged)
    checkpoint.save(tmp_path, policy, card)
    loaded = checkpoint.load(tmp_path).policy.state_dict()
    assert torch.equal(loaded["again.weight"], averaged["trunk.0.weight"])


class Mixed(MLP):
    """One of its weights is of another type."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.scale = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))


def test_weights_of_several_types_are_refused_by_the_learner_that_joins_them():
    with pytest.raises(InputError, match="types float32, float64, and .*--learner mod"):
        learner_for(built(Mixed), TrainConfig(learner="joined", precision="float32"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_chunk_of_another_precision_is_taken(dtype):
    policy = built(own(chunk=lambda a: a.to(dtype)))
    request = PredictionRequest(
        0, True, {"state": torch.zeros(10, 3).numpy()}, torch.zeros(10, 0).numpy(), 0
    )
    assert Predictor(policy)(request).dtype == "float32"
