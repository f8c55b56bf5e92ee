"""Conformance of every registered policy, built in or plugged in."""

import json
from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch
from safetensors.torch import load_file

from robomtl import checkpoint
from robomtl.action_head import HEADS, HeadConfig
from robomtl.adaptation.meta.inner_loop import by_task, losses_of, mapped, weights_of
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.policy import POLICIES, Batch, Spec
from robomtl.training.adamw import AdamW

SPEC = Spec(state=6, action=3, embedding=4, tasks=3)
# Policies that adaptation methods build have no architecture of their own.
POLICY_NAMES = [name for name in POLICIES.names() if POLICIES.get(name).trainable]
DRAWING = ["diffusion", "flow"]
"""Policies that sample their actions."""
HEADED = [
    name
    for name in POLICY_NAMES
    if issubclass(POLICIES.get(name).Config, HeadConfig) and name not in DRAWING
]
"""Policies whose action head can be chosen."""
SMALL = {name: {"head_width": 32, "head_blocks": 1} for name in DRAWING}


def usual(name):
    """Settings unless others are given."""
    return {"chunk": 1, "loss": "l1"} if name in HEADED else {"chunk": 1}


def build(name, spec=SPEC, **config):
    torch.manual_seed(0)
    architecture = POLICIES.get(name)
    policy = architecture(architecture.Config(**usual(name) | config), spec)
    for parameter in policy.parameters():  # Layers that start at zero hide mistakes.
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return policy


def make_batch(size=32, chunk=1):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return Batch(
        observation={"state": draw(size, SPEC.state)},
        action=draw(size, chunk, SPEC.action).clamp(-1, 1),
        mask=torch.ones(size, chunk),
        task_embedding=draw(size, SPEC.embedding),
        task=torch.arange(size) % SPEC.tasks,
    )


def act(policy, batch):
    torch.default_generator.manual_seed(0)  # Some draw.
    return policy.eval().act(batch.observation, batch.task_embedding, None)[0]


@pytest.mark.parametrize("name", POLICY_NAMES)
@pytest.mark.parametrize("chunk", [1, 5])
def test_a_policy_predicts_a_chunk_of_actions_within_bounds(name, chunk):
    policy = build(name, chunk=chunk)
    (
        policy.head.network.last if name in DRAWING else policy.head.linear
    ).weight.data *= 100
    actions = act(policy, make_batch())
    assert actions.shape == (32, chunk, SPEC.action)
    if name == "rt2":  # Its likeliest tokens are seldom the outermost.
        assert actions.abs().max() <= 1.0
    else:
        assert actions.abs().max() == 1.0


@pytest.mark.parametrize(
    ("name", "loss"),
    sorted({*product(HEADED, ["gaussian"]), *product(["mlp"], HEADS.names())}),
)
def test_the_loss_is_one_number_a_sample_with_every_policy_and_head(name, loss):
    result = build(name, loss=loss, chunk=4).loss(make_batch(chunk=4))
    assert result.per_sample.shape == (32,)
    assert all(value.ndim == 0 for value in result.metrics.values())
    assert not any(value.requires_grad for value in result.metrics.values())


@pytest.mark.parametrize("name", HEADED)
def test_one_batch_can_be_overfitted(name):
    assert learns(build(name, width=64), make_batch(8))


@pytest.mark.parametrize("name", sorted({*POLICY_NAMES} - {*HEADED}))
def test_one_batch_can_be_overfitted_by_policies_with_a_head_of_their_own(name):
    policy = build(name, width=64, chunk=1, **SMALL.get(name, {}))
    result = policy.loss(make_batch())
    assert result.per_sample.shape == (32,)
    assert not any(value.requires_grad for value in result.metrics.values())
    assert learns(policy, make_batch(8), steps=1500)


@pytest.mark.parametrize("loss", HEADS.names())
def test_one_batch_can_be_overfitted_with_every_head(loss):
    settings = {"width": 64, "head_width": 32, "head_blocks": 1, "bins": 32}
    assert learns(build("mlp", loss=loss, **settings), make_batch(8), steps=1500)


def learns(policy, batch, steps=300):
    """Whether a policy comes to act as a batch does, within some steps.

    Draws are as near as another network that is trained for as long can make them.
    """
    near = 0.25 if steps > 300 else 0.1
    optimiser = AdamW(policy.parameters(), lr=3e-3, weight_decay=0, fused=True)
    for step in range(steps):
        if step % 20 == 0 and (act(policy, batch) - batch.action).abs().mean() < near:
            return True
        torch.default_generator.manual_seed(1 + step)
        optimiser.zero_grad()
        policy.train().loss(batch).per_sample.mean().backward()
        optimiser.step()
    return False


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_permuting_a_batch_permutes_its_actions(name, monkeypatch):
    policy, batch = build(name), make_batch(16)
    monkeypatch.setattr(torch, "randn", torch.zeros)  # What is drawn is for a row.
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    permuted = Batch(
        {"state": batch.observation["state"][order]},
        *(part[order] for part in batch[1:]),
    )
    assert torch.equal(act(policy, permuted), act(policy, batch)[order])


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_another_task_embedding_changes_the_actions(name):
    policy, batch = build(name), make_batch()
    other = batch._replace(task_embedding=-batch.task_embedding)
    assert not torch.allclose(act(policy, other), act(policy, batch))


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_steps_past_the_end_of_an_episode_do_not_count(name, **head):
    policy, batch = build(name, chunk=4, **head), make_batch(chunk=4)
    mask = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(32, 4)
    garbage = batch.action.clone()
    garbage[:, 2:] = 0.123
    losses = []
    for action in (batch.action, garbage):
        torch.manual_seed(0)
        losses.append(policy.loss(batch._replace(mask=mask, action=action)).per_sample)
    assert torch.equal(*losses)


@pytest.mark.parametrize("loss", HEADS.names())
def test_no_head_reads_steps_past_the_end_of_an_episode(loss):
    test_steps_past_the_end_of_an_episode_do_not_count("mlp", loss=loss)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_policy_needs_no_conditioning(name):
    policy = build(name, spec=Spec(state=6, action=3, embedding=0), chunk=1)
    batch = make_batch()._replace(task_embedding=torch.zeros(32, 0))
    assert act(policy, batch).shape == (32, 1, 3)


@pytest.mark.parametrize("name", sorted({*POLICY_NAMES} - {"diffusion", "regent"}))
def test_a_policy_without_conditioning_learns(name):
    # diffusion has the network of flow; regent reads differences from demonstrations
    # alone, of which there are none here.
    settings = {"width": 64, "chunk": 1, **SMALL.get(name, {})}
    policy = build(name, spec=Spec(state=6, action=3, embedding=0), **settings)
    batch = make_batch(8)._replace(task_embedding=torch.zeros(8, 0))
    assert learns(policy, batch, steps=1500 if name in DRAWING else 300)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_gradients_mapped_over_tasks_are_those_of_one_task_after_the_other(name):
    policy, batch = build(name, width=16, chunk=1), make_batch(12)
    order = batch.task.argsort(stable=True)
    sorted_ = mapped(lambda rows: rows[order], batch)
    losses, weights = losses_of(policy), weights_of(policy)

    def mean(parameters, task):
        return losses(parameters, task).mean()

    split = by_task(sorted_, SPEC.tasks)
    mapped_gradient = torch.func.vmap(
        torch.func.grad(mean), (None, 0), randomness="different"
    )
    together = mapped_gradient(weights, split)
    if name in {*DRAWING, "act"}:  # Each task has draws of its own.
        assert all(gradient.isfinite().all() for gradient in together.values())
        return
    for task in range(SPEC.tasks):
        policy.zero_grad()
        policy.loss(
            mapped(lambda rows, t=task: rows[t], split)
        ).per_sample.mean().backward()
        for key, parameter in policy.named_parameters():
            alone = torch.zeros(()) if parameter.grad is None else parameter.grad
            close = torch.allclose(together[key][task], alone, atol=1e-6)
            assert close, key


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_parts_are_addressed_by_name(name):
    parts = {key.partition(".")[0] for key, _ in build(name).named_parameters()}
    assert {"encoder", "trunk", "head"} <= parts


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_saved_policy_acts_as_before(name, tmp_path):
    policy, batch = build(name, chunk=2), make_batch(chunk=2)
    policy.normaliser.fit(batch.observation["state"])
    checkpoint.save(tmp_path, policy, card(name, chunk=2))
    loaded = checkpoint.load(tmp_path)
    assert torch.equal(act(loaded.policy, batch), act(policy, batch))
    assert loaded.card == card(name, chunk=2)


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_size_of_zero_is_refused(name):
    with pytest.raises(ValueError, match="width is 0; give at least 1"):
        POLICIES.get(name).Config(width=0)


def card(name, **config):
    full = POLICIES.get(name).Config(**usual(name) | config)
    return Card(
        policy=name,
        config=json.loads(json.dumps(vars(full))),
        spec=SPEC,
        conditioning=Conditioning(kinds=("one_hot",), tasks=("a", "b", "c", "d")),
        suite="points",
        suite_options={},
        step=7,
    )


def test_weights_that_are_not_the_card_s_are_refused(tmp_path):
    checkpoint.save(tmp_path, build("mlp"), card("mlp"))
    weights = tmp_path / "policy.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"policy\.safetensors is missing, or is not"):
        checkpoint.load(tmp_path)


def test_a_card_that_was_cut_short_is_refused(tmp_path):
    checkpoint.save(tmp_path, build("mlp"), card("mlp"))
    path = tmp_path / "policy.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match=r"policy\.json is damaged or cut short"):
        checkpoint.load(tmp_path)


def test_a_card_of_another_format_is_refused(tmp_path):
    checkpoint.save(tmp_path, build("mlp"), card("mlp"))
    path = tmp_path / "policy.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(ValueError, match="has format 9; this version reads 1"):
        checkpoint.load(tmp_path)


def test_a_card_that_lacks_a_field_is_refused(tmp_path):
    checkpoint.save(tmp_path, build("mlp"), card("mlp"))
    path = tmp_path / "policy.json"
    path.write_text(path.read_text().replace('"spec"', '"sepc"'))
    with pytest.raises(
        ValueError,
        match=r"policy\.json is damaged: \$: object missing required field spec",
    ):
        checkpoint.load(tmp_path)


def test_a_card_from_before_tasks_were_counted_is_read(tmp_path):
    checkpoint.save(tmp_path, build("film"), card("film"))
    path = tmp_path / "policy.json"
    values = json.loads(path.read_text())
    del values["spec"]["tasks"]
    path.write_text(json.dumps(values))
    loaded = checkpoint.load(tmp_path)
    assert loaded.card.spec == replace(SPEC, tasks=1)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no policy\.json; name a run directory"):
        checkpoint.load(tmp_path)
    with pytest.raises(ValueError, match="nowhere does not exist"):
        checkpoint.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("abc", "a whole number"), (1.5, "a whole number"), (True, "a whole number")],
)
def test_a_setting_of_another_type_is_refused(value, allowed):
    message = rf"Policy 'film': width is {value!r}; give {allowed}\."
    with pytest.raises(ValueError, match=message):
        checkpoint.configure("film", {"width": value})


def test_a_config_refuses_values_by_a_value_error_and_has_bugs_by_any_other(
    monkeypatch,
):
    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of a plug-in."""

        width: int = 1

        def __post_init__(self):
            if self.width < 0:
                raise ValueError("width is below 0.")
            _ = [0][self.width]

    monkeypatch.setattr(POLICIES.get("mlp"), "Config", Config)
    with pytest.raises(InputError, match=r"^Policy 'mlp': width is below 0\.$"):
        checkpoint.configure("mlp", {"width": -1})
    with pytest.raises(IndexError):
        checkpoint.configure("mlp", {"width": 3})


def test_a_config_field_that_does_not_exist_is_refused():
    wrong = Card(**{**vars(card("mlp")), "config": {"widht": 3}})
    with pytest.raises(ValueError, match="Policy 'mlp'.*widht"):
        checkpoint.build(wrong)


def test_an_impossible_spec_is_refused():
    with pytest.raises(
        ValueError, match="without embodiments, both must be at least 1"
    ):
        Spec(state=0, action=1, embedding=0)


def test_saved_weights_are_plain_tensors(tmp_path):
    checkpoint.save(tmp_path, build("film"), card("film"))
    stored = load_file(tmp_path / "policy.safetensors")
    assert set(stored) == set(build("film").state_dict())


@torch.inference_mode()
def test_film_acts_by_the_present_instruction_whatever_it_remembers():
    film, batch, memory = build("film").eval(), make_batch(), None
    for task_embedding in (
        batch.task_embedding,
        batch.task_embedding,
        -batch.task_embedding,
    ):
        expected = film.head(film(batch.observation, task_embedding))
        actions, memory = film.act(batch.observation, task_embedding, memory)
        assert actions.equal(expected)
