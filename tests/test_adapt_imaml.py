from dataclasses import replace

import pytest
import torch
from tanh_policy import gradients, joined, policy_for, problems
from torch.func import hessian
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from robomtl.adaptation.meta.inner_loop import (
    carrying,
    inner_loop,
    losses_of,
    weights_of,
)
from robomtl.adaptation.methods.imaml import (
    ImamlObjective,
    conjugate_gradients,
    implicit_gradient,
    parted,
    proximal,
)
from robomtl.adaptation.methods.imaml import joined as in_order
from robomtl.policy import Batch

STRONG = ImamlObjective(steps=60, inner_rate=0.1, proximity=5.0, solver_steps=30)


def one(batch, task=0):
    """The rows of one task."""
    seen = {name: value[task] for name, value in batch.observation.items()}
    return Batch(seen, *(value[task] for value in batch[1:]))


def exact(policy, support, query, *, proximity, steps, rate):
    """The meta-gradient through every inner step, averaged over tasks."""
    losses, start = losses_of(policy), weights_of(policy)
    policy.zero_grad(set_to_none=True)
    held, means = proximal(losses, start, proximity), []
    for task in range(len(support.task)):
        end = inner_loop(held, start, [one(support, task)] * steps, rates=rate)
        means.append(losses(end, one(query, task)).mean())
    torch.stack(means).mean().backward()
    return {name: parameter.grad for name, parameter in policy.named_parameters()}


def test_the_meta_gradient_is_that_of_exact_maml_run_to_convergence():
    policy, (support, query) = policy_for(STRONG), problems()
    found = joined(gradients(STRONG, policy, support, query))
    through = exact(policy, support, query, proximity=5.0, steps=60, rate=0.1)
    expected = joined(through)
    assert torch.cosine_similarity(found, expected, dim=0) > 0.999
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_it_is_not_the_first_order_gradient():
    plain = ImamlObjective(steps=60, inner_rate=0.1, proximity=5.0, solver_steps=0)
    policy, (support, query) = policy_for(plain), problems()
    found = [joined(gradients(o, policy, support, query)) for o in (STRONG, plain)]
    assert not torch.allclose(*found, rtol=1e-2)


def test_conjugate_gradients_arrive_at_the_direct_solution():
    policy, (support, query) = policy_for(STRONG), problems()
    support, query = one(support), one(query)
    losses = losses_of(policy)
    end = {name: v.detach() for name, v in STRONG.adapted(policy, [support]).items()}
    shapes = {name: value.shape for name, value in end.items()}
    found, residual = implicit_gradient(
        losses, end, support, query, proximity=5.0, steps=60
    )

    def mean(values, batch):
        return losses(parted(values, shapes), batch).mean()

    curvature = hessian(mean)(in_order(end), support)
    target = torch.func.grad(mean)(in_order(end), query)
    expected = torch.linalg.solve(torch.eye(len(target)) + curvature / 5.0, target)
    torch.testing.assert_close(in_order(found), expected, rtol=1e-5, atol=1e-8)
    assert residual < 1e-5


def test_conjugate_gradients_solve_a_positive_problem_in_as_many_steps_as_unknowns():
    torch.manual_seed(0)
    root = torch.randn(6, 6, dtype=torch.float64)
    matrix, target = root @ root.T + torch.eye(6), torch.randn(6, dtype=torch.float64)
    found = conjugate_gradients(lambda x: matrix @ x, target, 6)
    torch.testing.assert_close(matrix @ found.value, target, rtol=1e-4, atol=1e-5)
    assert found.residual < 1e-5


def test_where_the_problem_curves_downwards_the_first_order_gradient_is_left():
    matrix = torch.diag(torch.tensor([-2.0, -3.0], dtype=torch.float64))
    target = torch.tensor([1.0, 1.0], dtype=torch.float64)
    found = conjugate_gradients(lambda x: matrix @ x, target, 5)
    assert found.value.equal(target)
    assert found.residual > 1


def test_a_solution_that_is_worse_than_the_beginning_is_dropped():
    matrix = torch.diag(torch.tensor([4.0, -2.9], dtype=torch.float64))
    target = torch.tensor([1.0, 0.9], dtype=torch.float64)
    found = conjugate_gradients(lambda x: matrix @ x, target, 1)
    residual = (target - matrix @ found.value).norm() / target.norm()
    torch.testing.assert_close(found.residual, residual)
    assert residual <= (target - matrix @ target).norm() / target.norm()


def test_the_inner_loop_solves_the_proximal_problem():
    policy, (support, _) = policy_for(STRONG), problems()
    start, losses = weights_of(policy), losses_of(policy)
    end = STRONG.adapted(policy, [one(support)] * 80)

    def mean(values):
        return losses(values, one(support)).mean()

    slope = torch.func.grad(mean)(end)
    for name, value in end.items():
        torch.testing.assert_close(
            slope[name] + 5.0 * (value - start[name]),
            torch.zeros_like(value),
            atol=1e-8,
            rtol=0,
        )


def test_carried_gradients_leave_the_values_and_weigh_with_the_tasks():
    theta = {"w": torch.tensor([2.0, 3.0], requires_grad=True)}
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    given = {"w": torch.tensor([[1.0, 0.0], [0.0, 5.0]])}
    carried = carrying(values, theta, given)
    assert carried.equal(values)
    (carried.mean(1) @ torch.tensor([0.25, 0.75])).backward()
    torch.testing.assert_close(theta["w"].grad, torch.tensor([0.25, 3.75]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"proximity": 0.0}, "proximity is 0.0; give more than 0"),
        ({"solver_steps": -1}, "solver_steps is -1; give 0 or more"),
        ({"inner_rate": 0.5, "proximity": 4.0}, "diverges at proximity=4.0; .* = 0.5"),
    ],
)
def test_impossible_settings_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ImamlObjective(**fields)


class Peak(TorchDispatchMode):
    """The most bytes that tensors made in its block hold at one time."""

    def __init__(self):
        super().__init__()
        self.bytes, self._held, self._calls = 0, {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(given):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._held[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._calls += 1
        if self._calls % 50 == 0:
            self._held = {k: it for k, it in self._held.items() if not it[0].expired()}
            self.bytes = max(self.bytes, sum(size for _, size in self._held.values()))
        return given


def measured(steps, *, implicit):
    """The meta-gradient after some inner steps, and the most bytes that it takes."""
    objective = replace(STRONG, steps=steps)
    policy, (support, query) = policy_for(objective), problems()
    with Peak() as peak:
        if implicit:
            found = gradients(objective, policy, support, query)
        else:
            found = exact(policy, support, query, proximity=5.0, steps=steps, rate=0.1)
    return joined(found), peak.bytes


def test_memory_grows_with_the_inner_steps_of_exact_maml_and_not_of_the_implicit_gradient():
    steps = (1, 5, 20)
    implicit, through = (
        [measured(n, implicit=each) for n in steps] for each in (True, False)
    )
    _, flat = zip(*implicit, strict=True)
    _, rising = zip(*through, strict=True)
    assert max(flat) <= 1.05 * min(flat)
    slopes = [(rising[k + 1] - rising[k]) / (steps[k + 1] - steps[k]) for k in range(2)]
    assert slopes[1] == pytest.approx(slopes[0], rel=0.15)
    assert rising[2] > 3 * rising[1]
    cosines = [
        float(torch.cosine_similarity(a, b, dim=0))
        for (a, _), (b, _) in zip(implicit, through, strict=True)
    ]
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.99
