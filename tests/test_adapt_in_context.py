import time

import pytest
import torch
from hidden_goals import errors
from prompts import act, build, draw_batch, draw_context, losses

import robomtl
from robomtl.adaptation import Support, draw_support
from robomtl.adaptation.meta.inferring import support_context
from robomtl.adaptation.methods.in_context import InContextTraining
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policies.in_context import InContextConfig, InContextTransformer
from robomtl.policies.regent import Regent
from robomtl.policy import Batch, Context, Spec
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.material import materials

pytestmark = pytest.mark.usefixtures("forked_workers")

TINY = {"policy": "in_context", "policy_config": {"width": 32, "blocks": 2, "chunk": 2}}
SMALL = {"shots": 3, "steps": 8, "tasks": 4}
EVERY = pytest.mark.parametrize("kind", [InContextTransformer, Regent])
CONFIG = TrainConfig(steps=30, batch_size=32, threads=1, ema_decay=0.9)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=8),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "points"
    tasks = ["reach-ball"]
    return collect(
        suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=8, tasks=tasks),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train(
        data,
        out=tmp_path_factory.mktemp("runs") / "in_context",
        objective="in_context",
        objective_config=SMALL,
        config=CONFIG,
        **TINY,
    )


def full_forward(policy, batch, context):
    """Outputs for queries, each in one sequence with its prompt under one mask.

    Written out from the description: tokens of a demonstration see each other, the query
    sees every demonstration, all see nothing beside that, of which keys are zeros.
    """
    shots, time = context.progress.shape[1:]
    episode = torch.arange(shots).repeat_interleave(time)
    sees = torch.zeros(shots * time + 1, shots * time + 2, dtype=torch.bool)
    sees[:-1, 1:-1] = episode[:, None] == episode
    sees[-1, :-1] = True
    steps = [policy.normaliser(context.state[0]), context.action[0]]
    prompt = policy.prompt(torch.cat([*steps, context.progress[0, ..., None]], -1))
    state = policy.normaliser(batch.observation["state"])
    query = policy.stem(state) + policy.encoder(batch.task_embedding)
    rows = []
    for row in query:
        tokens = torch.cat([prompt.flatten(0, 1), row[None]])
        for block in policy.trunk:
            normed = block.attention_norm(tokens)
            keys, values = block.key_value(normed).chunk(2, dim=-1)
            parts = []
            for q, k, v in zip(
                block.query(normed).chunk(block.heads, -1),
                keys.chunk(block.heads, -1),
                values.chunk(block.heads, -1),
                strict=True,
            ):
                nothing = torch.zeros_like(k[:1])
                scores = q @ torch.cat([nothing, k]).T / k.shape[1] ** 0.5
                weights = scores.masked_fill(~sees, -torch.inf).softmax(-1)
                parts.append(weights @ torch.cat([nothing, v]))
            tokens = tokens + block.output(torch.cat(parts, -1))
            hidden = torch.nn.functional.gelu(block.inner(block.norm(tokens)))
            tokens = tokens + block.outer(hidden)
        rows.append(policy.norm(tokens[-1]))
    return policy.head(torch.stack(rows))


def test_acting_from_cached_keys_and_values_equals_the_full_forward():
    policy, context, batch = build(blocks=3), draw_context(), draw_batch()
    policy.remember(context)
    expected = full_forward(policy, batch, context)
    first, memory = act(policy, batch)
    again, after = act(policy, batch, memory)
    assert after is memory
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(again, expected, atol=1e-5, rtol=0)


def test_cached_keys_and_values_serve_other_observations():
    policy, batch = build(), draw_batch()
    policy.remember(draw_context())
    _, memory = act(policy, batch)
    other = batch._replace(observation={"state": -batch.observation["state"]})
    assert torch.equal(act(policy, other, memory)[0], act(policy, other)[0])


def test_every_row_of_the_memory_is_a_view_of_one_prompt():
    policy = build()
    policy.remember(draw_context())
    _, memory = act(policy, draw_batch())
    for tensor in memory.tensors.values():
        assert len(tensor) == 10
        assert tensor.stride(0) == 0


@EVERY
def test_the_loss_of_a_remembered_prompt_is_that_of_the_given_one(kind):
    policy, context, batch = build(kind), draw_context(), draw_batch()
    expected = losses(policy, batch, context)
    assert not torch.allclose(policy.loss(batch).per_sample, expected)
    policy.remember(context)
    torch.testing.assert_close(policy.loss(batch).per_sample, expected)


@EVERY
def test_permuting_trials_under_a_prompt_permutes_their_actions(kind):
    policy, batch = build(kind), draw_batch()
    policy.remember(draw_context())
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    permuted = Batch(
        {"state": batch.observation["state"][order]},
        *(part[order] for part in batch[1:]),
    )
    assert torch.equal(act(policy, permuted)[0], act(policy, batch)[0][order])


@EVERY
def test_the_order_of_demonstrations_changes_nothing(kind):
    policy, context, batch = build(kind), draw_context(), draw_batch()
    permuted = Context(*(part[:, [1, 3, 0, 2]] for part in context))
    torch.testing.assert_close(
        losses(policy, batch, permuted), losses(policy, batch, context)
    )


@EVERY
def test_the_order_of_steps_matters(kind):
    policy, context, batch = build(kind), draw_context(), draw_batch()
    backwards = context._replace(progress=context.progress.flip(-1))
    there = losses(policy, batch, backwards)
    assert not torch.allclose(there, losses(policy, batch, context))


@EVERY
def test_masked_demonstrations_change_nothing(kind):
    policy, context, batch = build(kind), draw_context(), draw_batch()
    masked = context._replace(mask=torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    there = Context(*(part[:, :2] for part in context))
    torch.testing.assert_close(
        losses(policy, batch, masked), losses(policy, batch, there)
    )


@EVERY
def test_without_demonstrations_it_is_as_with_all_of_them_masked(kind):
    policy, context, batch = build(kind), draw_context(), draw_batch()
    masked = context._replace(mask=torch.zeros_like(context.mask))
    torch.testing.assert_close(
        policy.loss(batch).per_sample, losses(policy, batch, masked)
    )


@EVERY
def test_every_task_of_a_batch_has_its_own_prompt(kind):
    policy, context, batch = build(kind), draw_context(tasks=3), draw_batch(tasks=3)
    together = losses(policy, batch, context).reshape(3, 10)
    for task in range(3):
        rows = slice(10 * task, 10 * (task + 1))
        part = Batch(
            {"state": batch.observation["state"][rows]},
            *(each[rows] for each in batch[1:]),
        )
        alone = Context(*(each[[task]] for each in context))
        torch.testing.assert_close(losses(policy, part, alone), together[task])


@EVERY
def test_the_loss_counts_queries_only_and_reaches_every_weight(kind):
    policy, batch = build(kind), draw_batch()
    result = losses(policy, batch, draw_context())
    assert result.shape == (10,)
    result.mean().backward()
    without = {n for n, p in policy.named_parameters() if p.grad is None}
    assert not without


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="width is 30, which 4 attention heads do not"):
        InContextConfig(width=30)


def test_adapting_fills_a_copy_s_prompt_within_a_second(trained, new):
    support = draw_support(new, "reach-ball", shots=5, draw=0)
    before = {k: v.clone() for k, v in trained.policy.state_dict().items()}
    begun = time.process_time()
    adapted = robomtl.adapt(trained, support, method="in_context")
    assert time.process_time() - begun < 1
    remembered = adapted.policy.remembered
    context = support_context(support, SMALL["steps"], torch.device("cpu"))
    assert torch.equal(remembered["state"], context.state[0])
    assert torch.equal(remembered["action"], context.action[0])
    after = trained.policy.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_more_demonstrations_than_in_training_may_come(trained, new):
    support = Support(demonstrations=new)
    assert support.shots > SMALL["shots"]
    adapted = robomtl.adapt(trained, support, method="in_context")
    assert adapted.policy.remembered["state"].shape[:2] == (8, SMALL["steps"])


def test_cloning_and_zero_shot_work_without_a_prompt(data, new, tmp_path):
    made = train(data, out=tmp_path, config=CONFIG, **TINY)
    support = draw_support(new, "reach-ball", shots=1, draw=0)
    adapted = robomtl.adapt(made, support, method="zero_shot")
    assert len(adapted.policy.remembered["state"]) == 0
    with pytest.raises(ValueError, match="robomtl train --objective in_context"):
        robomtl.adapt(made, support, method="in_context")


def test_a_policy_without_a_prompt_is_refused(data, tmp_path):
    message = "^The objective in_context .* which MLP does not have; choose policy='in_"
    with pytest.raises(ValueError, match=message):
        train(data, out=tmp_path, objective="in_context", policy="mlp", config=CONFIG)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="shots is 0; give at least 1"):
        InContextTraining(shots=0)
    with pytest.raises(ValueError, match="withhold is 1.5; give 0 to below 1"):
        InContextTraining(withhold=1.5)
    with pytest.raises(ValueError, match="negatives is -1; give 0 or more"):
        InContextTraining(negatives=-1)
    with pytest.raises(ValueError, match="tasks is 1; negatives need at least 2"):
        InContextTraining(negatives=1.0, tasks=1)


@pytest.fixture(scope="module")
def problems(data):
    conditioning = conditioning_for(data, (), InContextTraining(**SMALL))
    material, _ = materials(data, conditioning, CONFIG, chunk=1)
    return EpisodicSampler(material, tasks=4, shots=3, steps=8, seed=0).batch(0, 40)


def test_right_demonstrations_have_to_serve_better_than_those_of_another_task(problems):
    spec = Spec(state=12, action=2, embedding=0)
    policy = InContextTransformer(InContextConfig(width=16, blocks=2), spec)
    plain, contrasted = (
        InContextTraining(**SMALL, withhold=0, negatives=weight, margin=0.2)
        for weight in (0.0, 2.0)
    )
    context = problems.context
    others = Context(*(part[[3, 0, 1, 2]] for part in context))
    right = losses(policy, problems.query, context)
    wrong = losses(policy, problems.query, others)
    expected = right + 2 * (0.2 + right - wrong).clamp(min=0)
    assert torch.equal(plain.loss(policy.train(), problems).per_sample, right)
    torch.testing.assert_close(contrasted.loss(policy, problems).per_sample, expected)
    assert torch.equal(contrasted.loss(policy.eval(), problems).per_sample, right)


def test_the_wrong_demonstrations_are_shown_where_right_ones_are_withheld(
    problems, monkeypatch
):
    spec = Spec(state=12, action=2, embedding=0)
    policy = InContextTransformer(InContextConfig(width=16, blocks=2), spec)
    objective = InContextTraining(**SMALL, withhold=0.5, negatives=1.0)
    prompted, shown = policy.prompted_loss, []

    def recorded(batch, context):
        shown.append(context.mask.amax(1))
        return prompted(batch, context)

    monkeypatch.setattr(policy, "prompted_loss", recorded)
    torch.manual_seed(0)
    objective.loss(policy.train(), problems)
    right, wrong = shown
    assert 0 < right.sum() < len(right)
    assert wrong.all()


def test_demonstrations_are_withheld_in_training_only(problems):
    objective, batch = InContextTraining(**SMALL, withhold=0.999), problems
    spec = Spec(state=12, action=2, embedding=0)
    policy = InContextTransformer(InContextConfig(width=16, blocks=2), spec)
    torch.manual_seed(0)
    withheld = objective.loss(policy.train(), batch).per_sample
    shown = objective.loss(policy.eval(), batch).per_sample
    torch.testing.assert_close(withheld, policy.loss(batch.query).per_sample)
    assert not torch.allclose(shown, withheld)


@pytest.mark.slow
def test_a_prompt_tells_a_goal_that_no_state_shows():
    right, wrong, nothing = errors(
        InContextTraining(**{**SMALL, "tasks": 32}),
        name="in_context",
        policy="in_context",
        policy_config={"width": 32, "blocks": 2},
        steps=150,
    )
    assert right < 0.6 * nothing
    assert wrong > 0.9 * nothing
