import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policies.film import Film, FilmConfig
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.training import TrainConfig
from robomtl.training.aggregating import rule_for
from robomtl.training.balancing import Balancing
from robomtl.training.combining import Aggregating
from robomtl.training.conflicts import History, conflict, cosines
from robomtl.training.gradients import task_gradients
from robomtl.training.learner import learner_for
from robomtl.training.objective import Cloning
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig
from robomtl.training.scored import Scored
from robomtl.training.stacked import _one_by_one
from robomtl.training.weighting import Fixed

pytestmark = pytest.mark.usefixtures("forked_workers")

NAMES = [
    "pcgrad",
    "cagrad",
    "mgda",
    "imtl_g",
    "nash_mtl",
    "aligned_mtl",
    "upgrad",
    "dual_proj",
]
SPEC = Spec(state=12, action=2, embedding=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def sampler(data):
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    source = frames(data, range(len(data)), torch.device("cpu"))
    table = InstructionEmbeddings(
        conditioning, [("x",)] * len(data.tasks), InstructionAugmentation()
    )
    return Sampler(
        source, table, conditioning, chunk=2, config=SamplerConfig(seed=0)
    ).evenly()


def film(chunk=2, loss="l1"):
    torch.manual_seed(0)
    sizes = {"width": 32, "blocks": 2, "task_width": 16, "chunk": chunk}
    made = Film(FilmConfig(**sizes, loss=loss), SPEC)
    with torch.no_grad():
        for block in made.trunk:  # Modulations start at zero: tell tasks apart.
            block.modulation.weight.normal_(std=0.1)
    return made


def mlp(loss="l1"):
    torch.manual_seed(0)
    sizes = {"width": 32, "layers": 2, "task_width": 16, "chunk": 2}
    return MLP(MLPConfig(**sizes, loss=loss), SPEC)


def scored(policy, precision=torch.float32):
    return Scored(policy, Cloning(), precision)


def gradients(policy):
    found = [parameter.grad.clone() for parameter in policy.parameters()]
    policy.zero_grad()
    return torch.cat([each.flatten() for each in found])


def matrix(found):
    rows = [found.combined(row) for row in torch.eye(len(found.losses))]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


@pytest.mark.parametrize("build", [film, mlp])
@pytest.mark.parametrize("name", ["fast", "slow"])
def test_the_mean_of_task_gradients_is_that_of_the_batch(build, name, sampler, data):
    policy, batch = build(), sampler.batch(0, 64)
    policy.loss(batch).per_sample.mean().backward()
    expected = gradients(policy)
    rule = rule_for("mean", Balancing())
    combiner = Aggregating(rule, Fixed((), data.tasks), data.tasks)
    if name == "slow":
        order = torch.randperm(64)
        parts = [part[order] for part in (batch.action, batch.mask)]
        batch = batch._replace(
            observation={"state": batch.observation["state"][order]},
            action=parts[0],
            mask=parts[1],
            task_embedding=batch.task_embedding[order],
            task=batch.task[order],
        )
    loss = combiner.backward(scored(policy), batch)
    assert (gradients(policy) - expected).abs().max() < 1e-6
    assert loss.per_sample.shape == (64,)


def test_at_once_and_one_by_one_find_the_same_gradients(sampler, data):
    policy, batch = film(), sampler.batch(0, 64)
    fast = task_gradients(scored(policy), batch, data.tasks)
    slow = _one_by_one(scored(policy), batch, data.tasks)
    assert torch.allclose(matrix(fast), matrix(slow), atol=1e-6)
    assert torch.allclose(fast.losses, slow.losses, atol=1e-6)
    assert torch.allclose(fast.loss.per_sample, slow.loss.per_sample, atol=1e-6)
    assert fast.loss.metrics.keys() == slow.loss.metrics.keys()
    expected = matrix(slow) @ matrix(slow).T
    assert torch.allclose(fast.gramian(), expected, atol=1e-6)


@pytest.mark.parametrize("build", [film, mlp])
def test_in_bfloat16_they_are_those_of_plain_training(build, sampler, data):
    # The slope of l1 jumps where rounding turns a sign.
    policy, batch = build(loss="l2"), sampler.batch(0, 64)
    half = scored(policy, torch.bfloat16)
    half(batch).per_sample.mean().backward()
    expected = gradients(policy)
    found = matrix(task_gradients(half, batch, data.tasks)).mean(0)
    exact = matrix(task_gradients(scored(policy), batch, data.tasks)).mean(0)
    assert (found - expected).norm() < 0.02 * expected.norm()
    assert not torch.equal(found, exact)  # It is bfloat16.


def conflicting(tasks=4, seed=1):
    """Gradients of which some conflict; (task, weight)."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, 6, generator=generator)
    rows[0] -= 0.7 * rows[1:].sum(0)
    return rows


def combined(name, rows, **settings):
    return rule_for(name, Balancing(**settings))(rows @ rows.T) @ rows


def test_pcgrad_projects_two_gradients_off_each_other():
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    first = one - (one @ other) / (other @ other) * other
    second = other - (one @ other) / (one @ one) * one
    found = combined("pcgrad", torch.stack([one, other]))
    assert torch.allclose(found, (first + second) / 2)


def test_pcgrad_without_conflicts_is_the_mean():
    rows = conflicting().abs()
    assert torch.allclose(combined("pcgrad", rows), rows.mean(0))


def test_cagrad_solves_its_dual():
    rows = conflicting().double()
    mean = rows.mean(0)
    length = 0.5 * float(mean.norm())

    def dual(weights):
        along = torch.from_numpy(weights) @ rows
        return float(along @ mean + length * along.norm())

    solved = minimize(
        dual,
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12},
    )
    along = torch.from_numpy(solved.x) @ rows
    expected = mean + length * along / along.norm()
    found = combined("cagrad", rows, radius=0.5)
    assert torch.allclose(found, expected, atol=1e-5)


def test_cagrad_of_gradients_that_cancel_each_other_takes_no_step():
    rows = torch.tensor([[3.0, 1.0], [-1.0, 2.0], [-1.0, -2.0]])
    assert combined("cagrad", rows).norm() == 0


def test_cagrad_of_radius_0_is_the_mean():
    rows = conflicting()
    assert torch.allclose(combined("cagrad", rows, radius=0.0), rows.mean(0))


def test_mgda_finds_the_shortest_convex_combination():
    rows = torch.tensor([[3.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    # The nearest point of the triangle to the origin lies on its last side.
    expected = torch.tensor([1.0, 0.0])
    assert torch.allclose(combined("mgda", rows), expected, atol=1e-5)


def test_imtl_g_has_equal_projections_on_all_gradients():
    rows = conflicting(tasks=3)
    units = rows / rows.norm(dim=1, keepdim=True)
    projections = units @ combined("imtl_g", rows)
    assert torch.allclose(projections, projections.mean().expand(3), rtol=1e-3)


def test_nash_mtl_s_weights_are_the_inverse_of_the_progress():
    rows = conflicting(tasks=3)
    gramian = rows @ rows.T
    weights = rule_for("nash_mtl", Balancing())(gramian)
    products = weights * (gramian @ weights)  # 1 each, but for one factor.
    assert torch.allclose(products / products.mean(), torch.ones(3), atol=1e-3)
    assert weights.sum() == pytest.approx(1)


def test_aligned_mtl_makes_gradients_orthogonal_and_equally_long():
    rows = conflicting(tasks=3).double()
    left, values, right = torch.linalg.svd(rows, full_matrices=False)
    expected = (values.min() * left @ right).mean(0)
    assert torch.allclose(combined("aligned_mtl", rows), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["upgrad", "dual_proj", "mgda", "nash_mtl", "imtl_g"])
def test_no_task_loses_to_a_method_that_resolves_conflicts(name):
    rows = conflicting(tasks=3)
    assert (rows @ rows.mean(0) < 0).any()
    assert (rows @ combined(name, rows)).min() > -1e-4


def test_dual_proj_solves_its_quadratic_programme():
    rows = conflicting(tasks=3).double()
    gramian, mean = (rows @ rows.T).numpy(), np.full(3, 1 / 3)
    solved = minimize(
        lambda v: v @ gramian @ v,
        np.ones(3),
        bounds=[(1 / 3, None)] * 3,
        options={"ftol": 1e-14},
    )
    assert solved.x.min() >= mean[0] - 1e-9
    expected = torch.from_numpy(solved.x) @ rows
    assert torch.allclose(combined("dual_proj", rows), expected, atol=1e-5)


def test_upgrad_of_two_gradients_projects_each_off_the_other():
    rows = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    expected = combined("pcgrad", rows)  # The same where there are two that conflict.
    assert torch.allclose(combined("upgrad", rows), expected, atol=1e-5)


def dependent():
    """Gradients of which some repeat others."""
    rows = conflicting()
    return torch.cat([rows, rows[:2], 2 * rows[:1]])


def test_mgda_gains_nothing_by_gradients_that_repeat_others():
    expected = combined("mgda", conflicting())
    assert torch.allclose(combined("mgda", dependent()), expected, atol=1e-5)


def test_mgda_is_at_a_gradient_that_is_all_but_zero():
    rows = conflicting()
    rows[2] *= 1e-4
    weights = rule_for("mgda", Balancing())(rows @ rows.T)
    assert weights.sum() == pytest.approx(1)
    assert combined("mgda", rows).norm() <= rows[2].norm() * 1.001


@pytest.mark.parametrize("name", ["upgrad", "dual_proj"])
def test_no_task_loses_where_gradients_repeat_others(name):
    rows = dependent()
    assert (rows @ rows.mean(0) < 0).any()
    assert (rows @ combined(name, rows)).min() > -1e-4


@pytest.mark.parametrize("name", NAMES)
def test_the_length_of_gradients_does_not_change_their_weights(name):
    rows = conflicting()
    first, second = (
        rule_for(name, Balancing())(scale * rows @ rows.T)
        for scale in (1.0, 1e-8)
        if torch.manual_seed(0)
    )
    assert torch.allclose(first, second, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_that_vanish_give_finite_weights(name):
    weights = rule_for(name, Balancing())(torch.zeros(4, 4))
    assert weights.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_every_aggregation_learns_and_goes_on_bit_for_bit(
    name, sampler, data, tmp_path
):
    config = TrainConfig(aggregation=name, precision="float32", schedule="constant")

    def learner():
        return learner_for(mlp(), config, tasks=data.tasks)

    def steps(learner, start, stop):
        losses = []
        for step in range(start, stop):
            torch.manual_seed(step)
            losses.append(learner.update(sampler.batch(step, 32))[0].per_sample.mean())
        return losses

    whole, half, rest = learner(), learner(), learner()
    losses = steps(whole, 0, 30)
    steps(half, 0, 15)
    half.save(tmp_path / "half.safetensors")
    rest.restore(tmp_path / "half.safetensors")
    steps(rest, 15, 30)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert set(whole.weights()) == set(data.tasks)
    for key, value in whole.averaged().items():
        assert torch.equal(value, rest.averaged()[key]), key


def test_fixed_weights_scale_the_gradients_that_are_aggregated(sampler, data):
    batch = sampler.batch(0, 32)
    rule = rule_for("mean", Balancing())
    policy = mlp()
    weights = Fixed([(data.tasks[0], 5.0)], data.tasks)
    Aggregating(rule, weights, data.tasks).backward(scored(policy), batch)
    rows = matrix(task_gradients(scored(policy), batch, data.tasks))
    expected = torch.tensor([5.0, 1.0, 1.0, 1.0]) / 8 @ rows
    assert torch.allclose(gradients(policy), expected, atol=1e-6)


def test_cosines_are_those_of_the_gradients():
    rows = conflicting()
    expected = torch.nn.functional.cosine_similarity(rows[:, None], rows, dim=-1)
    assert torch.allclose(cosines(rows @ rows.T), expected, atol=1e-6)
    rows[2] = 0
    assert not cosines(rows @ rows.T)[2].any()


def test_a_conflict_is_summed_up_over_different_tasks():
    cosine = torch.tensor([[1.0, 0.5, -0.5], [0.5, 1.0, 0.0], [-0.5, 0.0, 1.0]])
    found = conflict(cosine)
    assert found.mean == pytest.approx(0)
    assert found.negative == pytest.approx(1 / 3)
    assert found.by_task == pytest.approx((0.0, 0.25, -0.25))


def test_a_history_drops_what_a_killed_run_measured_later(tmp_path):
    path = tmp_path / "conflicts.json"

    def measured(step, *more):
        history = History(path, ["a", "b"], name="cosines", step=step)
        for at, value in more:
            history.add(at, torch.full((2, 2), value))
        history.write()

    measured(0, (10, 0.1), (20, 0.2), (30, 0.3))
    measured(15, (20, 0.9))
    from robomtl.files.untrusted import read_json

    assert read_json(path, dict) == {
        "tasks": ["a", "b"],
        "steps": [10, 20],
        "cosines": [[[0.1, 0.1]] * 2, [[0.9, 0.9]] * 2],
    }
