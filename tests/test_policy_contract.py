"""Plug-in policies that return wrong shapes or types."""

from dataclasses import dataclass

import pytest
import torch

from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.acting.policy_actor import Predictor
from robomtl.acting.policy_episodes import PredictionRequest
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import InputError, PlugInError
from robomtl.evaluation.rollout import roll
from robomtl.evaluation.trials import Chunk
from robomtl.policies.mlp import MLP
from robomtl.policy import POLICIES, Batch, Loss, Memory, Spec
from robomtl.policy_contract import actions_of, loss_of
from robomtl.task import Trial
from robomtl.training import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.needed_memory import count_parameters
from robomtl.training.objective import OBJECTIVES, Cloning

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
            r"a tensor of shape \(8, 2\) .*shape \(8, chunk, 2\), with at least 1",
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
        (
            lambda a: a.to("meta"),
            r"a tensor without values \(device meta\) of shape \(8, 1, 2\).*a dense",
        ),
        (
            lambda a: a.detach().to_sparse(),
            r"Own.act returned a sparse_coo tensor of shape \(8, 1, 2\) .*; expected a dense",
        ),
        (lambda a: (a, [1]), "a list of 1 as its memory; expected None, or a .*Memory"),
        (lambda a: (a, Memory([a])), "a Memory of 1 as its memory; expected None"),
        (
            lambda a: (a, Memory({"x": a[:2], "y": 3})),
            r"'x' as a tensor of shape \(2, 1, 2\) .*, 'y' as a int as its memory;.*8 rows",
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


def raises(error):
    def chunk(actions):
        raise error

    return own(chunk=chunk)


def acted(policy):
    return actions_of(policy, {"state": torch.zeros(8, 3)}, torch.zeros(8, 0), None)


def test_an_exception_of_a_policy_of_ones_own_names_it_and_the_line():
    message = r"Own.act raised an exception: KeyError: 'gripper' \(test_policy_contract.py, line \d+\)"
    with pytest.raises(PlugInError, match=message):
        acted(built(raises(KeyError("gripper"))))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, FloatingPointError])
def test_exceptions_that_are_answered_elsewhere_stay_as_they_are(error):
    with pytest.raises(error, match="said"):
        acted(built(raises(error("said"))))


def test_an_exception_of_a_built_in_policy_is_a_bug(monkeypatch):
    policy = built(MLP)
    monkeypatch.setattr(policy, "trunk", None)
    with pytest.raises(TypeError):
        acted(policy)


def test_a_trial_names_its_step_where_its_policy_fails():
    class Fails:
        def start(self, trials, task_infos):
            pass

        def __call__(self, observations, running):
            raise PlugInError("Own.act raised KeyError.")

    trial = Trial("points/MT4", "reach-red", 1_000_000)
    told = TaskInfo("reach-red", None)
    chunk = Chunk(task="reach-red", trials=(trial,), task_infos=(told,))
    message = "^reach-red, variation 1000000, step 1: Own.act raised KeyError.$"
    with pytest.raises(PlugInError, match=message):
        roll([PointsEnv("reach-red", 3)], Fails(), chunk)


def test_a_policy_with_lazy_layers_is_refused(monkeypatch):
    class Lazy(MLP):
        def __init__(self, config, spec):
            super().__init__(config, spec)
            self.more = torch.nn.LazyLinear(3)

    monkeypatch.setitem(POLICIES._items, "lazy", Lazy)
    conditioning = Conditioning(kinds=("none",), tasks=("a",))
    card = Card(
        policy="lazy",
        config={},
        spec=SPEC,
        conditioning=conditioning,
        suite="",
        suite_options={},
        step=1,
    )
    message = "Lazy has lazy parameters without shapes: more.weight, more.bias; replace"
    for make in (count_parameters, checkpoint.build):
        with pytest.raises(InputError, match=message):
            make(card)


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


@dataclass(frozen=True, kw_only=True)
class Summed(Cloning):
    """An objective that returns something else than a loss of each sample."""

    returned: str

    def loss(self, policy, batch):
        loss = super().loss(policy, batch)
        if self.returned == "tensor":
            return loss.per_sample.mean()
        return Loss(loss.per_sample[:, None], loss.metrics)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            "tensor",
            r"Summed.loss returned a tensor of shape \(\) .*expected a Loss with a",
        ),
        (
            "column",
            r"Summed.loss returned per_sample as .*1\) .*one loss per sample, of",
        ),
    ],
)
def test_an_objective_that_returns_no_loss_of_each_sample_is_named(returned, message):
    objective = Summed(returned=returned)
    config = TrainConfig(precision="float32")
    learner = learner_for(built(MLP), config, objective)
    for step in (learner.update, learner.rehearse):
        with pytest.raises(InputError, match=message):
            step(BATCH)


def test_an_objective_without_settings_that_can_be_recorded_is_refused(monkeypatch):
    class Plain:
        """No dataclass."""

    monkeypatch.setitem(OBJECTIVES._items, "plain", Plain)
    with pytest.raises(
        InputError, match="'plain': .*Plain, are not a dataclass; decorate"
    ):
        checkpoint.configure_objective("plain", {})


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
    """A policy with one weight of another dtype."""

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
