"""Properties of the policy with one head per task."""

import pytest
import torch
from test_policies import SPEC, build, make_batch
from torch.nn import functional

import robomtl
from robomtl.action_head import HEADS
from robomtl.adaptation.adapting import configure
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policies.multi_head import MultiHead, MultiHeadConfig
from robomtl.policy import Spec
from robomtl.suites import suite

pytestmark = pytest.mark.usefixtures("forked_workers")

WIDTH = 16


@pytest.fixture
def policy():
    """Takes about as many samples for one task as for another."""
    made = build("multi_head", width=WIDTH)
    classifier = made.encoder.classifier
    with torch.no_grad():
        classifier[-1].bias -= classifier(make_batch().task_embedding).mean(0)
    return made


@pytest.fixture
def batch(policy):
    """Samples whose tasks are those that the policy takes them for."""
    made = make_batch()
    return made._replace(task=policy.choices(made.task_embedding))


def gradients(policy, batch):
    policy.zero_grad()
    policy.loss(batch).per_sample.mean().backward()
    return {name: p.grad.clone() for name, p in policy.named_parameters()}


def heads(weight):
    """The weights and biases of each head; (task, output, width + 1)."""
    return weight.view(SPEC.action, SPEC.tasks, WIDTH + 1).transpose(0, 1)


def test_the_samples_of_a_task_change_its_head_alone(policy, batch):
    assert len(batch.task.unique()) == SPEC.tasks
    for task in range(SPEC.tasks):
        rows = batch.task == task
        some = batch._replace(
            observation={"state": batch.observation["state"][rows]},
            **{n: getattr(batch, n)[rows] for n in batch._fields if n != "observation"},
        )
        moved = heads(gradients(policy, some)["head.linear.weight"]).abs().amax((1, 2))
        assert (moved > 0).tolist() == [other == task for other in range(SPEC.tasks)]


@torch.no_grad()
def test_an_action_is_that_of_the_chosen_head(policy, batch):
    acted = policy.eval().act(batch.observation, batch.task_embedding, None)[0][:, 0]
    task = policy.encoder(batch.task_embedding)
    hidden = policy.trunk(torch.cat([batch.observation["state"], task], dim=1))
    seen = functional.pad(hidden, (0, 1), value=1.0)
    for row, task in enumerate(batch.task):
        head = heads(policy.head.linear.weight)[task]
        expected = head @ seen[row] + policy.head.linear.bias
        torch.testing.assert_close(acted[row], expected.clamp(-1, 1))


@pytest.mark.parametrize("loss", HEADS.names())
def test_the_loss_is_that_of_what_the_policy_does(loss):
    policy, batch = build("multi_head", loss=loss, chunk=2), make_batch(chunk=2)
    features = policy(batch.observation, batch.task_embedding)
    torch.manual_seed(0)
    expected = policy.head.loss(features, batch).per_sample
    for made in (policy, policy.eval()):
        torch.manual_seed(0)
        torch.testing.assert_close(made.loss(batch).per_sample, expected)


def test_the_classifier_learns_beside_the_policy_and_changes_nothing_in_it(policy):
    batch = make_batch()
    training, acting = gradients(policy.train(), batch), None
    policy.zero_grad()
    policy.eval().loss(batch).per_sample.mean().backward()
    acting = {name: p.grad for name, p in policy.named_parameters()}
    for name, gradient in training.items():
        if name.startswith("encoder.classifier."):
            assert acting[name] is None and gradient.any()
        else:
            torch.testing.assert_close(gradient, acting[name])


def test_the_classifier_comes_to_name_the_task(policy):
    batch = make_batch()
    optimiser = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(100):
        optimiser.zero_grad()
        loss = policy.train().loss(batch)
        loss.per_sample.mean().backward()
        optimiser.step()
    assert loss.metrics["wrong_head"] == 0
    assert policy.choices(batch.task_embedding).equal(batch.task)


def test_several_heads_and_nothing_to_choose_by_are_refused():
    with pytest.raises(ValueError, match="3 tasks but no conditioning.*or train film"):
        MultiHead(MultiHeadConfig(), Spec(state=6, action=3, embedding=0, tasks=3))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return collect(
        suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=2),
        compute=Compute(workers=1),
    )


def train(data, out, **settings):
    return robomtl.train(
        data,
        out=out,
        policy="multi_head",
        policy_config={"width": WIDTH, "layers": 1, "task_width": 8},
        config=robomtl.TrainConfig(steps=2, batch_size=8, threads=1),
        **settings,
    )


def test_training_untold_is_refused_before_the_run_is_claimed(data, tmp_path):
    with pytest.raises(ValueError, match="4 tasks but no conditioning"):
        train(data, tmp_path / "run", conditioning=("none",))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("config", [{}, {"part": "last_layers"}, {"cotraining": 0.5}])
def test_fine_tuning_leaves_the_classifier_as_training_made_it(data, tmp_path, config):
    trained = train(data, tmp_path / "run")
    new = collect(
        suite("points/ML4"),
        tmp_path / "new",
        config=CollectionConfig(tasks=["reach-ball"], episodes=2),
        compute=Compute(workers=1),
    )
    adapted = robomtl.adapt(
        trained,
        robomtl.adaptation.Support(demonstrations=new, prior=data),
        method=configure("finetune", config),
        budget=robomtl.Budget(steps=2, batch_size=8),
    )
    before, after = trained.policy.state_dict(), adapted.policy.state_dict()
    same = {name for name in before if before[name].equal(after[name])}
    assert {n for n in before if n.startswith("encoder.classifier.")} <= same
    assert "head.linear.weight" not in same
