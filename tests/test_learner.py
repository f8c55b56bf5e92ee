"""Learners: their contract, and optimiser groups for parts of a policy."""

import pytest
import torch

from robomtl.errors import InputError
from robomtl.policies.film import Film, FilmConfig
from robomtl.policy import Batch, Spec
from robomtl.training import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.loop import Hook, take_steps
from robomtl.training.processes import ALONE

SPEC = Spec(state=4, action=2, embedding=3)
PARTS = ("encoder", "stem", "trunk", "norm", "head")
SETTINGS = {"steps": 12, "batch_size": 16, "precision": "float32", "threads": 1}


class Random:
    """Batches of random numbers, each by its step alone."""

    def batch(self, step, size):
        generator = torch.Generator().manual_seed(step)

        def rand(*shape):
            return torch.rand(shape, generator=generator)

        return Batch(
            observation={"state": rand(size, 4)},
            action=rand(size, 1, 2),
            mask=torch.ones(size, 1),
            task_embedding=rand(size, 3),
            task=torch.arange(size) % 2,
        )


def learner_of(kind, processes=ALONE, **settings):
    torch.manual_seed(0)
    config = TrainConfig(learner=kind, **{**SETTINGS, **settings})
    policy = Film(FilmConfig(width=16, blocks=1, task_width=8), SPEC)
    made = learner_for(policy, config, tasks=("a", "b"), processes=processes)
    return made, config


def losses(kind, **settings):
    """Losses of all steps, and the averaged weights."""
    learner, config = learner_of(kind, **settings)
    seen = []
    hook = Hook(1, lambda taken: seen.append(taken.loss.per_sample.mean().item()))
    take_steps(learner, Random(), config, hooks=[hook])
    return seen, learner


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_grad_norm": 0.01, "weighting": "uncertainty"},
        {"learning_rate_factors": (("head", 0.1), ("trunk", 0.0))},
        {"ema_decay": 0.0, "weight_decays": (("head", 1.0),)},
    ],
    ids=["usual", "clipped", "groups", "decays"],
)
def test_both_learners_have_the_same_losses_and_averages(settings):
    (joined, one), (module, other) = (
        losses(k, **settings) for k in ("joined", "module")
    )
    assert joined == pytest.approx(module, rel=1e-5)
    there = other.averaged()
    for name, value in one.averaged().items():
        assert torch.allclose(value, there[name], atol=1e-6)


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_every_learner_goes_on_bit_for_bit(kind, tmp_path):
    groups = {"learning_rate_factors": (("head", 0.1),)}
    whole, config = learner_of(kind, **groups)
    for step in range(8):
        if step == 5:
            whole.save(tmp_path / "state.safetensors")
        whole.update(Random().batch(step, 16))
    resumed, _ = learner_of(kind, **groups)
    resumed.restore(tmp_path / "state.safetensors")
    for step in range(5, 8):
        resumed.update(Random().batch(step, 16))
    there = whole.averaged()
    assert resumed.step == 8
    for name, value in resumed.averaged().items():
        assert torch.equal(value, there[name])


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_a_part_without_a_learning_rate_stays_as_it_is(kind):
    before, _ = learner_of(kind)
    start = before.averaged()
    _, after = losses(
        kind, learning_rate_factors=(("trunk", 0.0), ("trunk.0.inner", 1.0))
    )
    moved = {k for k, v in after.averaged().items() if not torch.equal(v, start[k])}
    assert {name for name in moved if name.startswith("trunk")} == {
        "trunk.0.inner.weight",
        "trunk.0.inner.bias",
    }
    assert any(name.startswith("head") for name in moved)


def test_a_factor_multiplies_the_learning_rate_of_its_part():
    learner, _ = learner_of("joined", learning_rate_factors=(("head", 0.5),))
    learner.update(Random().batch(0, 16))
    rates = [group["lr"] for group in learner.optimiser.param_groups]
    assert len(rates) == 2 and min(rates) == 0.5 * max(rates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate_factors": (("hed", 1.0),)}, "'hed'. Did you mean 'head'"),
        ({"weight_decays": (("hed", 1.0),)}, "'hed'. Did you mean 'head'"),
        (
            {"learning_rate_factors": (("head", -1.0),)},
            "has -1.0 for 'head'; give 0 or",
        ),
        ({"weight_decays": (("head", 0.1),) * 2}, "two values for 'head'; give one"),
        (
            {"learning_rate_factors": tuple((part, 0.0) for part in PARTS)},
            "No parameter of the policy is left to train",
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        learner_of("joined", **settings)


def test_hooks_run_in_order_after_the_steps_they_name():
    learner, config = learner_of("joined", steps=4)
    seen = []
    hooks = [
        Hook(2, lambda taken: seen.append(("second", taken.step))),
        Hook(1, lambda taken: seen.append(("every", taken.step))),
        Hook(0, lambda taken: seen.append(("never", taken.step))),
    ]
    last = take_steps(learner, Random(), config, hooks=hooks)
    assert seen == [
        ("every", 1),
        ("second", 2),
        ("every", 2),
        ("every", 3),
        ("second", 4),
        ("every", 4),
    ]
    assert last.step == 4
    assert take_steps(learner, Random(), config) is None
