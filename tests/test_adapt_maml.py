import pytest
import torch
from tanh_policy import Tanh, gradients, joined, policy_for, problems
from torch import nn

from robomtl import checkpoint
from robomtl.adaptation import Budget, adapt
from robomtl.adaptation.meta.inner_loop import (
    by_task,
    inner_loop,
    losses_of,
    weights_of,
)
from robomtl.adaptation.methods.maml import (
    AnilObjective,
    MamlObjective,
    MetaSgdObjective,
    MilObjective,
    first_bias,
)
from robomtl.adaptation.methods.reptile import ReptileObjective, minibatches
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policy import Batch
from robomtl.suites import suite
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

NAMES = ["anil", "imaml", "maml", "meta_sgd", "mil", "reptile"]
QUICK = TrainConfig(
    steps=4,
    batch_size=16,
    log_every=2,
    validate_every=4,
    save_every=4,
    threads=1,
    validation=0.34,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "training"
    return collect(
        suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=6),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def support(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "held-out"
    made = suite("points/ML4")
    return collect(
        made,
        folder,
        config=CollectionConfig(episodes=2, tasks=["reach-ball"]),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A run of each objective, trained on first use."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name):
        extra = {"layers": 1} if name == "mil" else {"blocks": 1}
        train(
            data,
            out=folder / name,
            policy="mlp" if name == "mil" else "film",
            policy_config={"width": 16, "task_width": 8} | extra,
            objective=name,
            config=QUICK,
        )
        return folder / name

    return run


def one(batch, task=0):
    """The rows of one task."""
    seen = {name: value[task] for name, value in batch.observation.items()}
    return Batch(seen, *(value[task] for value in batch[1:]))


def unrolled(policy, support, query, *, steps, rate, constant):
    """MAML's loss for a loop over tasks, by autograd alone."""
    losses, means = losses_of(policy), []
    for task in range(len(support.task)):
        values = dict(weights_of(policy))
        for _ in range(steps):
            mean = losses(values, one(support, task)).mean()
            found = torch.autograd.grad(
                mean,
                list(values.values()),
                create_graph=not constant,
                retain_graph=True,
            )
            values = {
                name: value - rate * gradient
                for (name, value), gradient in zip(values.items(), found, strict=True)
            }
        means.append(losses(values, one(query, task)).mean())
    return torch.stack(means).mean()


@pytest.mark.parametrize(
    "objective",
    [
        MamlObjective(inner_rate=0.3),
        AnilObjective(inner_rate=0.3),
        MetaSgdObjective(inner_rate=0.3),
        MilObjective(inner_rate=0.3, steps=2, transformation=3),
        MilObjective(inner_rate=0.3, steps=2, adapts="head", rates="learned"),
    ],
    ids=["maml", "anil", "meta_sgd", "mil", "mil of the head at learned rates"],
)
def test_the_second_order_meta_gradient_is_that_of_finite_differences(objective):
    policy, (support, query) = policy_for(objective), problems()
    found = gradients(objective, policy, support, query)
    small = 1e-6
    for name, parameter in policy.named_parameters():
        direction, values = torch.randn_like(parameter), []
        for distance in (small, -2 * small):
            parameter.data.add_(direction, alpha=distance)
            values.append(objective.query_losses(policy, support, query)[0].mean())
        parameter.data.add_(direction, alpha=small)
        expected = (values[0] - values[1]) / (2 * small)
        slope = (found[name] * direction).sum()
        torch.testing.assert_close(slope, expected, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("order", ["second", "first"])
def test_first_order_is_second_order_with_inner_gradients_for_constants(order):
    objective = MamlObjective(inner_rate=0.3, order=order)
    policy, (support, query) = policy_for(objective), problems()
    found = gradients(objective, policy, support, query)
    policy.zero_grad()
    unrolled(
        policy, support, query, steps=3, rate=0.3, constant=order == "first"
    ).backward()
    for name, parameter in policy.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)


def test_the_orders_differ():
    found = [
        joined(gradients(objective, policy_for(objective), *problems()))
        for objective in (
            MamlObjective(inner_rate=0.3, order="second"),
            MamlObjective(inner_rate=0.3, order="first"),
        )
    ]
    assert not torch.allclose(*found, rtol=1e-3)


def test_anil_changes_the_head_alone():
    objective = AnilObjective()
    policy, (support, _) = policy_for(objective), problems()
    adapted = objective.adapted(policy, [one(support)] * 3)
    assert set(adapted) == {"head.weight", "head.bias"}
    assert not adapted["head.weight"].equal(policy.head.weight)


def test_meta_sgd_at_equal_rates_is_maml():
    learned, fixed = MetaSgdObjective(), MamlObjective()
    policy, (support, query) = policy_for(learned), problems()
    for name, parameter in policy.named_parameters():
        if name.startswith("meta."):
            nn.init.zeros_(parameter)
    found = gradients(learned, policy, support, query)
    expected = gradients(fixed, policy_for(fixed), support, query)
    assert set(expected) < set(found)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_learned_rate_is_that_of_its_own_weight():
    objective = MetaSgdObjective(steps=1, inner_rate=0.2)
    policy, (support, _) = policy_for(objective), problems()
    after = objective.adapted(policy, [one(support)])
    plain = MamlObjective(steps=1, inner_rate=0.2).adapted(policy, [one(support)])
    before = dict(policy.named_parameters())
    for name, value in weights_of(policy).items():
        rate = before[f"meta.log_rates.{name.replace('.', '/')}"].exp()
        torch.testing.assert_close(after[name] - value, rate * (plain[name] - value))


class Concatenating(nn.Module):
    """A tanh policy whose first layer also sees a constant vector, as in the paper."""

    def __init__(self, policy, matrix, vector):
        super().__init__()
        self.policy = policy
        self.matrix, self.vector = matrix, vector

    def loss(self, batch):
        task = self.policy.encoder(batch.task_embedding)
        constant = self.vector.expand(len(task), -1)
        seen = torch.cat([batch.observation["state"], task, constant], dim=-1)
        weight = torch.cat([self.policy.trunk.weight, self.matrix], dim=-1)
        hidden = nn.functional.linear(seen, weight, self.policy.trunk.bias)
        error = self.policy.head(hidden.tanh()) - batch.action[:, 0]
        return error.square().mean()


def test_the_transformation_is_a_vector_beside_the_first_input():
    objective = MilObjective(inner_rate=0.3, steps=3, transformation=2)
    policy, (support, query) = policy_for(objective), problems()
    adapted = objective.adapted(policy, [one(support)] * 3)
    found = losses_of(policy)(adapted, one(query)).mean()

    matrix, vector = (policy.get_parameter(f"meta.{n}") for n in ("matrix", "vector"))
    paper = Concatenating(Tanh(), matrix, vector)
    with torch.no_grad():  # Departure 3: there, the sum is in the bias already.
        paper.policy.trunk.bias.sub_(matrix @ vector)
    descent = torch.optim.SGD(paper.parameters(), lr=0.3)
    for _ in range(3):
        descent.zero_grad()
        paper.loss(one(support)).backward()
        descent.step()
    torch.testing.assert_close(found, paper.loss(one(query)))


def test_a_transformation_that_has_not_adapted_changes_nothing():
    objective = MilObjective()
    policy = policy_for(objective)
    adapted = objective.adapted(policy, [])
    for name, value in weights_of(policy).items():
        assert adapted[name].equal(value)


def test_entries_of_the_inner_gradient_are_clipped():
    objective = MamlObjective(steps=1, inner_rate=1.0, clip=0.01)
    policy, (support, _) = policy_for(objective), problems()
    adapted = objective.adapted(policy, [one(support)])
    moves = [adapted[name] - value for name, value in weights_of(policy).items()]
    assert max(move.abs().max() for move in moves) <= 0.01 + 1e-12
    assert any((move.abs() > 0.0099).any() for move in moves)


def test_tasks_are_mapped_as_if_each_came_alone():
    objective = MamlObjective()
    policy, (support, query) = policy_for(objective), problems()
    together = objective.query_losses(policy, support, query)[0]
    for task in range(3):
        values = objective.adapted(policy, [one(support, task)] * 3)
        alone = losses_of(policy)(values, one(query, task))
        torch.testing.assert_close(together[task], alone)


def test_rows_are_split_by_task_in_their_order():
    support, _ = problems()
    rows = Batch(
        {"state": support.observation["state"].flatten(0, 1)},
        *(value.flatten(0, 1) for value in support[1:]),
    )
    again = by_task(rows, 3)
    assert again.observation["state"].equal(support.observation["state"])
    assert again.task.equal(support.task)


def test_reptiles_gradient_is_the_way_back_from_where_training_leads():
    objective = ReptileObjective(steps=3, inner_rate=0.2)
    policy, (support, query) = policy_for(objective), problems()
    found = gradients(objective, policy, support, query)
    ends = []
    for task in range(3):
        values = {n: v.detach().clone() for n, v in weights_of(policy).items()}
        for step in range(3):
            (part,) = [
                batch
                for i, batch in enumerate(minibatches(one(support, task), 3))
                if i == step
            ]
            values = inner_loop(losses_of(policy), values, [part], rates=0.2)
        ends.append(values)
    for name, value in weights_of(policy).items():
        mean = torch.stack([end[name] for end in ends]).mean(0)
        torch.testing.assert_close(found[name], value - mean)


def test_reptile_tells_the_loss_of_queries_after_training():
    objective = ReptileObjective(steps=3, inner_rate=0.2)
    policy, (support, query) = policy_for(objective), problems()
    losses = objective.query_losses(policy, support, query)[0]
    end = objective.adapted(policy, minibatches(one(support, 1), 3))
    torch.testing.assert_close(losses[1], losses_of(policy)(end, one(query, 1)))


def test_minibatches_take_every_row_once_before_any_twice():
    support, _ = problems(samples=5)
    rows = one(support)._replace(task=torch.arange(5))
    assert [b.task.tolist() for b in minibatches(rows, 2)] == [[0, 2, 4], [1, 3]]
    assert [b.task.tolist() for b in minibatches(rows, 7)] == [
        [0], [1], [2], [3], [4], [0], [1]
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_adapting_changes_the_weights_that_the_training_adapts(name, runs, support):
    trained = checkpoint.load(runs(name))
    before = {k: v.clone() for k, v in trained.policy.state_dict().items()}
    made = adapt(trained, support, method=name)
    changed = [k for k, v in made.policy.state_dict().items() if not v.equal(before[k])]
    assert changed
    assert not any(key.startswith(("meta.", "normaliser.")) for key in changed)
    if name == "anil":
        assert all(key.startswith("head.") for key in changed)


def test_more_steps_than_trained_go_further(runs, support):
    trained = checkpoint.load(runs("maml"))
    few, many = (
        adapt(trained, support, method="maml", budget=budget)
        for budget in (Budget(), Budget(steps=30))
    )
    start = weights_of(trained.policy)
    far, farther = (
        sum((v - start[k]).square().sum() for k, v in weights_of(m.policy).items())
        for m in (few, many)
    )
    assert farther > far > 0


def test_the_trained_number_of_steps_and_rate_are_taken(data, support, tmp_path):
    config = {"steps": 2, "inner_rate": 0.01}
    train(
        data,
        out=tmp_path,
        policy="mlp",
        policy_config={"width": 16, "task_width": 8},
        objective="maml",
        objective_config=config,
        config=QUICK,
    )
    trained = checkpoint.load(tmp_path)
    default = adapt(trained, support, method="maml")
    asked = adapt(trained, support, method="maml", budget=Budget(steps=2))
    assert default.fingerprint == asked.fingerprint


def test_an_inner_loop_that_diverges_says_so(data, support, tmp_path):
    trained = train(
        data,
        out=tmp_path,
        policy="mlp",
        policy_config={"width": 8, "layers": 1, "task_width": 4},
        objective="maml",
        config=QUICK,
    )
    weights = trained.policy.state_dict()
    weights["head.linear.bias"].fill_(float("inf"))
    with pytest.raises(FloatingPointError, match=r"inner loop .* not finite"):
        adapt(trained, support, method="maml")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "steps is 0; give at least 1"),
        ({"tasks": 0}, "tasks is 0; give at least 1"),
        ({"shots": 0}, "shots is 0; give at least 1"),
        ({"inner_rate": 0.0}, "inner_rate is 0.0; give more than 0"),
        ({"inner_rate": float("nan")}, "inner_rate is nan; give more than 0"),
        ({"clip": 0.0}, "clip is 0.0; give more than 0"),
        ({"transformation": -1}, "transformation is -1; give 0 or more"),
        ({"order": "third"}, "Unknown order 'third'.*Known: first, second"),
        ({"adapts": "haed"}, "Did you mean 'head'.*Known: all, head"),
        ({"rates": "learnt"}, "Did you mean 'learned'.*Known: fixed, learned"),
    ],
)
def test_impossible_settings_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        MamlObjective(**fields)


def test_a_policy_without_a_head_cannot_adapt_it():
    policy = Tanh()
    del policy.head
    with pytest.raises(
        ValueError, match="Tanh has no module named head; .*adapts='all'"
    ):
        AnilObjective().meta(policy)


def test_a_policy_without_a_first_layer_cannot_be_shifted():
    policy = Tanh()
    assert first_bias(policy) == "trunk.bias"
    policy.trunk = nn.Linear(7, 4, bias=False)
    with pytest.raises(ValueError, match="Tanh has no linear layer.*transformation=0"):
        MilObjective().meta(policy)


def test_validation_needs_two_held_out_episodes_of_a_task(data, tmp_path):
    config = TrainConfig(
        steps=2, batch_size=8, validate_every=1, threads=1, validation=0.0
    )
    train(
        data,
        out=tmp_path,
        policy="mlp",
        policy_config={"width": 8, "layers": 1, "task_width": 4},
        objective="maml",
        config=config,
    )
    assert (tmp_path / "policy.json").exists()
