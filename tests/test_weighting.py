import json
import math

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robomtl.cli import train as command
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Batch, Spec
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.balancing import Balancing, check_tasks
from robomtl.training.combining import NotFiniteError
from robomtl.training.gradnorm import GradNorm, gradnorm_target
from robomtl.training.joined_learner import JoinedLearner
from robomtl.training.learner import learner_for
from robomtl.training.sampling import Even, Weighted, by_loss, tempered
from robomtl.training.weighting import (
    Dwa,
    Famo,
    Fixed,
    Uncertainty,
    check_positive_losses,
)

pytestmark = pytest.mark.usefixtures("forked_workers")

TASKS = ("a", "b", "c")
SMALL = {"width": 32, "layers": 1, "task_width": 16}
QUICK = {
    "steps": 40,
    "batch_size": 32,
    "save_every": 20,
    "validate_every": 10,
    "log_every": 10,
    "threads": 1,
    "validation": 0.25,
    "precision": "float32",
}
METHODS = ["uncertainty", "dwa", "gradnorm", "famo"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


def quick(data, out, objective="cloning", policy_config=SMALL, **changes):
    return train(
        data,
        out=out,
        policy="mlp",
        policy_config=policy_config,
        objective=objective,
        config=TrainConfig(**{**QUICK, **changes}),
    )


def policy(loss="l1"):
    torch.manual_seed(0)
    return MLP(MLPConfig(**SMALL, loss=loss), Spec(state=3, action=2, embedding=3))


def batch(step=0, each=6, order=None):
    generator = torch.Generator().manual_seed(step)
    task = torch.arange(3).repeat_interleave(each)
    order = torch.arange(3 * each) if order is None else order
    state = torch.randn(3 * each, 3, generator=generator)
    scale = torch.tensor([0.1, 0.5, 1.0])[task]
    return Batch(
        observation={"state": state[order]},
        action=(state[:, :2].tanh() * scale[:, None])[order, None],
        mask=torch.ones(3 * each, 1),
        task_embedding=torch.eye(3)[task][order],
        task=task[order],
    )


def gradient(losses, formula):
    leaf = losses.clone().requires_grad_()
    return torch.autograd.grad(formula(leaf), leaf)[0]


LOSSES = torch.tensor([0.2, 0.5, 1.5])


def test_uncertainty_is_kendall_s_equation():
    rule = Uncertainty(3, 0.1)
    assert torch.allclose(rule.weights(LOSSES), torch.ones(3))  # At s = 0.
    s = torch.zeros(3, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.1)
    for _ in range(5):
        adam.zero_grad()
        (0.5 * (-s).exp() * LOSSES + 0.5 * s).sum().backward()
        adam.step()
        expected = 2 * gradient(LOSSES, lambda x: (0.5 * (-s).exp() * x).sum())
        assert torch.allclose(rule.weights(LOSSES), expected.detach(), atol=1e-6)
    assert expected[0] > expected[1] and expected[2] < 1


def test_famo_is_liu_s_algorithm():
    rule = Famo(3, 0.025, 1e-3)
    w = torch.zeros(3, requires_grad=True)
    adam = torch.optim.Adam([w], lr=0.025, weight_decay=1e-3)
    for step in range(5):
        z = w.softmax(0).detach()
        scale = 1 / (z / LOSSES).sum()
        expected = gradient(LOSSES, lambda x, z=z, c=scale: c * (z * x.log()).sum())
        found = rule.weights(LOSSES)
        assert torch.allclose(found, 3 * expected, atol=1e-5)
        assert found.mean() == pytest.approx(1, abs=1e-5)
        after = LOSSES * torch.tensor([0.9, 1.0, 0.5 + 0.1 * step])
        rule.learn(after)
        fallen = LOSSES.log() - after.log()
        w.grad = torch.autograd.grad(w.softmax(0), w, fallen)[0]
        adam.step()
    assert w[2] < w[1]  # What falls fast weighs less.


def test_dwa_compares_the_last_two_windows():
    rule = Dwa(window=2, softness=2.0)
    for losses in (LOSSES, LOSSES + 0.2, LOSSES * 0.5, LOSSES * 0.7):
        assert torch.equal(rule.weights(losses), torch.ones(3))
    rates = (LOSSES * 0.6) / (LOSSES + 0.1)
    expected = 3 * (rates / 2).softmax(0)
    assert torch.allclose(rule.weights(LOSSES), expected)


def test_gradnorm_pulls_norms_together_and_slow_tasks_up():
    target = gradnorm_target(
        torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.0, 1.5]), 1.0
    )
    assert torch.allclose(target, torch.tensor([1.0, 2.0, 3.0]))
    rule = GradNorm(3, 0.05, 0.0)
    norms = torch.tensor([1.0, 2.0, 4.0])
    assert torch.equal(rule.weights(LOSSES, norms), torch.ones(3))
    for _ in range(200):
        weights = rule.weights(LOSSES, norms)
    assert weights.mean() == pytest.approx(1)
    assert torch.allclose(weights * norms, (weights * norms).mean().expand(3), rtol=0.2)


def test_fixed_weights_count_by_their_ratios():
    one, other = (Fixed([("a", s), ("b", 2 * s), ("c", s)], TASKS) for s in (1, 7))
    assert torch.allclose(one.weights(LOSSES), torch.tensor([0.75, 1.5, 0.75]))
    assert torch.allclose(one.weights(LOSSES), other.weights(LOSSES))


@pytest.mark.parametrize("name", METHODS)
def test_a_weighting_learns_and_goes_on_bit_for_bit(name, tmp_path):
    settings = Balancing(window=3)
    config = TrainConfig(
        weighting=name, balancing=settings, precision="float32", schedule="constant"
    )

    def learner():
        return learner_for(policy(), config, tasks=TASKS)

    def steps(learner, start, stop):
        return [
            learner.update(batch(step))[0].per_sample.mean().item()
            for step in range(start, stop)
        ]

    whole, half, rest = learner(), learner(), learner()
    losses = steps(whole, 0, 40)
    steps(half, 0, 20)
    half.save(tmp_path / "half.safetensors")
    rest.restore(tmp_path / "half.safetensors")
    steps(rest, 20, 40)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert len({round(weight, 6) for weight in whole.weights().values()}) == 3
    assert whole.weights() == rest.weights()
    for key, value in whole.averaged().items():
        assert torch.equal(value, rest.averaged()[key]), key


@pytest.mark.parametrize("name", ["uncertainty", "dwa", "gradnorm"])
def test_the_first_step_is_that_of_the_mean(name):
    norms = [
        learner_for(
            policy(), TrainConfig(precision="float32", weighting=weighting), tasks=TASKS
        ).update(batch())[1]
        for weighting in ("fixed", name)
    ]
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)


def test_weights_of_the_config_change_the_gradient():
    config = TrainConfig(
        precision="float32",
        balancing=Balancing(weights=(("a", 0.0), ("b", 0.0), ("c", 1.0))),
    )
    learner = learner_for(policy(), config, tasks=TASKS)
    _, norm = learner.update(batch())
    alone = policy()
    part = alone.loss(batch()).per_sample[12:].mean()
    grads = torch.autograd.grad(part, list(alone.parameters()))
    expected = torch.cat([each.flatten() for each in grads]).norm()
    assert norm == pytest.approx(expected.item(), rel=1e-4)
    assert learner.weights() == {"a": 0.0, "b": 0.0, "c": 3.0}


@pytest.mark.parametrize(
    "settings",
    [{"weighting": "famo"}, {"weighting": "gradnorm"}, {"aggregation": "mgda"}],
)
def test_a_loss_that_is_not_finite_changes_no_weight(settings):
    config = TrainConfig(precision="float32", **settings)
    learner = learner_for(policy(), config, tasks=TASKS)
    drawn = batch()
    drawn.action[3] = math.nan
    before = {name: it.clone() for name, it in learner.policy.state_dict().items()}
    with pytest.raises(NotFiniteError, match="The loss is nan") as error:
        learner.update(drawn)
    assert error.value.per_sample.isfinite().sum() == 17
    assert all(
        torch.equal(before[k], v) for k, v in learner.policy.state_dict().items()
    )


def test_weights_draw_tasks_in_proportion():
    draws = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    frames = torch.tensor([100, 300, 600])
    found = Weighted(tempered(frames, 1.0)).groups(draws).bincount() / 20_000
    assert torch.allclose(found, torch.tensor([0.1, 0.3, 0.6]), atol=0.02)
    weights = by_loss(tempered(frames, math.inf), torch.tensor([1.0, 1.0, 2.0]))
    found = Weighted(weights).groups(draws).bincount() / 20_000
    assert torch.allclose(found, torch.tensor([0.25, 0.25, 0.5]), atol=0.02)


def test_even_draws_are_sorted_and_equally_many():
    even = Even(torch.arange(3), torch.ones(3))
    assert (even.size(11), even.size(2)) == (9, 3)
    assert even.groups(torch.rand(6)).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("sampling", "temperature"), [("uniform", math.inf), ("proportional", 1.0)]
)
def test_a_sampling_by_name_is_a_temperature(sampling, temperature, data, tmp_path):
    named = quick(data, tmp_path / "named", sampling=sampling, steps=10)
    given = quick(data, tmp_path / "given", temperature=temperature, steps=10)
    weights = given.policy.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in named.policy.state_dict().items())


def test_sampling_by_validation_loss_goes_on_bit_for_bit(data, tmp_path, monkeypatch):
    settings = {"sampling": "validation_loss", "steps": 40}
    whole = quick(data, tmp_path / "whole", **settings)
    uniform = quick(data, tmp_path / "uniform", steps=40)
    update = JoinedLearner.update

    def stopping(self, batch):
        if self.step == 35:
            raise InterruptedError
        return update(self, batch)

    monkeypatch.setattr(JoinedLearner, "update", stopping)
    with pytest.raises(InterruptedError):
        quick(data, tmp_path / "rest", **settings)
    monkeypatch.setattr(JoinedLearner, "update", update)
    rest = quick(data, tmp_path / "rest", **settings)
    weights = whole.policy.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in rest.policy.state_dict().items())
    assert not all(
        torch.equal(weights[k], v) for k, v in uniform.policy.state_dict().items()
    )


def test_weights_and_conflicts_are_logged_by_task(data, tmp_path):
    quick(data, tmp_path, weighting="dwa", conflicts_every=20)
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = set(log.Tags()["scalars"])
    assert {"conflict/mean_cosine", "conflict/fraction_negative"} <= tags
    for task in data.tasks:
        assert {f"weight_task/{task}", f"conflict_task/{task}"} <= tags
    kept = json.loads((tmp_path / "conflicts.json").read_text())
    assert kept["tasks"] == list(data.tasks) and kept["steps"] == [20, 40]
    picture = (tmp_path / "conflicts.svg").read_text()
    assert all(task in picture for task in data.tasks)


def test_measuring_conflicts_does_not_change_the_run(data, tmp_path):
    one = quick(data, tmp_path / "one", steps=20)
    other = quick(data, tmp_path / "other", steps=20, conflicts_every=5)
    weights = one.policy.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in other.policy.state_dict().items())


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("sampling", "validation", "validation_loss"),
        ("weighting", "fano", "famo"),
        ("aggregation", "pcgard", "pcgrad"),
    ],
)
def test_an_unknown_name_says_the_nearest(field, value, nearest):
    with pytest.raises(
        ValueError, match=f"{field} '{value}'. Did you mean '{nearest}'"
    ):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weighting": "famo", "aggregation": "pcgrad"},
            "weighting 'famo' and aggregation 'pcgrad' would each set the weights",
        ),
        (
            {"sampling": "uniform", "temperature": 2.0},
            "sampling 'uniform' fixes the temperature, which is 2.0; leave one",
        ),
        (
            {"sampling": "proportional", "aggregation": "mgda"},
            "'mgda' draws equally many samples of every task; leave sampling at",
        ),
        (
            {"temperature": 2.0, "weighting": "dwa"},
            "'dwa' draws equally many samples .* not 'temperature' and 2.0",
        ),
        (
            {"weighting": "famo", "balancing": Balancing(weights=(("a", 1.0),))},
            "balancing.weights are for weighting 'fixed', not 'famo'",
        ),
        ({"conflicts_every": -1}, "conflicts_every is -1; give 0 or more"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window is 0; give at least 1"),
        ({"rate": 0.0}, "rate is 0.0; give more than 0"),
        ({"decay": -1.0}, "decay is -1.0; give 0 or more"),
        ({"radius": 1.0}, "radius is 1.0; give 0 to below 1"),
        ({"weights": (("a", -1.0),)}, "The weight of a is -1.0; give 0 or more"),
        ({"weights": (("a", 1.0), ("a", 2.0))}, "Task a has two weights; give one"),
    ],
)
def test_settings_of_balancing_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Balancing(**settings)


@pytest.mark.parametrize(
    "settings", [{"weighting": "famo"}, {"sampling": "validation_loss"}]
)
def test_a_likelihood_is_refused_at_once(settings, data, tmp_path):
    message = "needs losses above 0, and the policy's loss 'gaussian' is a likelihood"
    gaussian = {**SMALL, "loss": "gaussian"}
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path / "run", policy_config=gaussian, **settings)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_becomes_negative_is_refused_with_its_task():
    with pytest.raises(
        ValueError, match="'dwa' needs losses above 0, and that of b is -1"
    ):
        check_positive_losses("dwa", torch.tensor([1.0, -1.0, 2.0]), TASKS)


@pytest.mark.parametrize("name", ["mgda", "famo", "conflicts_every"])
def test_one_task_alone_cannot_be_weighed(name):
    with pytest.raises(
        ValueError, match=f"'{name}' compares tasks .* is only a; leave"
    ):
        check_tasks(["", name], ["a"], batch_size=8, loss="l1")


def test_fewer_samples_than_tasks_are_refused(data, tmp_path):
    message = (
        "A batch of 3 cannot hold a sample of each of 4 tasks, which 'pcgrad' needs"
    )
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path, aggregation="pcgrad", batch_size=3)


def test_a_weight_of_no_task_names_the_nearest(data, tmp_path):
    weights = Balancing(weights=(("reach-rad", 2.0),))
    message = "Unknown task in balancing.weights 'reach-rad'. Did you mean 'reach-red'"
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path, balancing=weights)


def test_weights_of_0_alone_are_refused():
    with pytest.raises(ValueError, match="All balancing.weights are 0; give one"):
        Fixed([("a", 0.0), ("b", 0.0), ("c", 0.0)], TASKS)


def test_a_weight_of_0_is_refused_where_gradients_are_aggregated():
    weights = Balancing(weights=(("a", 0.0), ("b", 2.0)))
    message = "balancing.weights has 0 for a, whose gradient vanishes; .* 'mgda' out"
    with pytest.raises(ValueError, match=message):
        TrainConfig(aggregation="mgda", balancing=weights)
    assert TrainConfig(balancing=weights).balancing == weights


def test_an_objective_that_draws_some_tasks_only_is_refused(data, tmp_path):
    message = "has no sample of .*weighting tasks needs all 4 in every batch"
    with pytest.raises(ValueError, match=message):
        train(
            data,
            out=tmp_path,
            policy="mlp",
            policy_config=SMALL,
            objective="context",
            objective_config={"tasks": 2},
            config=TrainConfig(**{**QUICK, "weighting": "famo"}),
        )


def test_an_objective_of_problems_of_all_tasks_is_aggregated(data, tmp_path):
    train(
        data,
        out=tmp_path,
        policy="mlp",
        policy_config=SMALL,
        objective="context",
        objective_config={"tasks": 4},
        config=TrainConfig(**{**QUICK, "steps": 3, "aggregation": "mgda"}),
    )
    assert (tmp_path / "policy.json").exists()


def test_validation_losses_need_held_out_episodes_and_frames(data, tmp_path):
    message = "needs held-out episodes of every task, and there are none of reach-red"
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path / "none", sampling="validation_loss", validation=0.0)
    message = "objective 'context' draws problems of its own; leave sampling out"
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path / "own", objective="context", sampling="validation_loss")
    message = "temperature 2.0 says how frames are drawn.*leave temperature out"
    with pytest.raises(ValueError, match=message):
        quick(data, tmp_path / "own", objective="context", temperature=2.0)


def test_validation_losses_that_would_come_after_the_last_draw_are_refused():
    message = "first measured at step 1000, of 500; give a smaller validate_every"
    with pytest.raises(ValueError, match=message):
        TrainConfig(sampling="validation_loss", steps=500)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "changes",
    [
        *({"weighting": name} for name in METHODS),
        {"aggregation": "pcgrad"},
        {"sampling": "validation_loss"},
    ],
)
def test_tasks_are_balanced_on_a_gpu_and_go_on_there(data, tmp_path, changes):
    changes = {**changes, "device": "cuda", "save_every": 10}
    quick(data, tmp_path, steps=20, **changes)
    (tmp_path / "policy.json").unlink()
    again = quick(data, tmp_path, steps=20, **changes)
    assert all(w.isfinite().all() for w in again.policy.state_dict().values())


def test_the_command_line_names_all_three(data, tmp_path, capsys):
    command.main(
        f"--data {data.path} --out {tmp_path / 'run'} --policy mlp --steps 2"
        " --architecture.width 16 --threads 1 --weighting famo --balancing.rate 0.1"
        " --sampling uniform --aggregation mean".split()
    )
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["training"]
    assert settings["weighting"] == "famo" and settings["balancing"]["rate"] == 0.1


def test_affinities_are_kept_and_do_not_change_the_run(data, tmp_path):
    one = quick(data, tmp_path / "one", steps=20)
    other = quick(data, tmp_path / "other", steps=20, affinity_every=10)
    weights = one.policy.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in other.policy.state_dict().items())
    kept = json.loads((tmp_path / "other" / "affinity.json").read_text())
    assert kept["tasks"] == list(data.tasks) and kept["steps"] == [10, 20]
    measured = torch.tensor(kept["affinity"])
    assert measured.shape == (2, 4, 4)
    assert (measured.diagonal(dim1=1, dim2=2) > 0).all()
