"""Methods that start from the policy's weights: fine-tuning, LoRA, task embedding."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, nn

import robomtl
from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.adaptation import Budget, Support, adapt, draw_support
from robomtl.adaptation.adapting import adapt_by, configure
from robomtl.adaptation.meta.cotraining import joined
from robomtl.adaptation.meta.parts import belongs
from robomtl.adaptation.meta.switching import wordings
from robomtl.adaptation.methods.finetune import Finetune
from robomtl.adaptation.methods.lora import Lora, LowRank, merge
from robomtl.adaptation.methods.scratch import Scratch
from robomtl.adaptation.methods.task_embedding import TaskEmbedding
from robomtl.cli.train import main as train_command
from robomtl.conditioning import Conditioning, InstructionAugmentation
from robomtl.conditioning.embeddings import embed
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policy import POLICIES, Spec
from robomtl.task import Task, find_task
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

NEW = "reach-ball"
FEW = Budget(steps=4, batch_size=16)
SIZES = {"film": {"width": 16, "blocks": 2}, "mlp": {"width": 16, "layers": 2}}
KEEPING = (Lora(), TaskEmbedding())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Demonstrations of the training tasks, and of the held-out ones."""
    folder = tmp_path_factory.mktemp("data")
    suite = robomtl.suite("points/ML4")
    parts = {"old": suite.train_tasks, "new": suite.held_out_tasks}
    return {
        part: collect(
            suite,
            folder / part,
            config=CollectionConfig(episodes=6, tasks=[t.name for t in tasks]),
            compute=Compute(workers=1),
        )
        for part, tasks in parts.items()
    }


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A policy of each architecture."""
    return {
        name: train(
            data["old"],
            out=tmp_path_factory.mktemp(name),
            policy=name,
            policy_config={**sizes, "task_width": 16},
            config=TrainConfig(steps=30, batch_size=32, threads=1),
        )
        for name, sizes in SIZES.items()
    }


@pytest.fixture
def support(data):
    drawn = draw_support(data["new"], NEW, shots=3, draw=0)
    return replace(drawn, prior=data["old"])


def changed(before, after):
    """Names of the tensors in which two policies differ."""
    there, here = before.state_dict(), after.state_dict()
    return {name for name in there if not there[name].equal(here[name])}


def batches(trained, data, tasks):
    """All frames of some tasks, under every wording; a batch for each wording."""
    suite = robomtl.suite("points/ML4")
    conditioning = trained.card.conditioning
    for task in (*suite.train_tasks, *suite.held_out_tasks):
        if task.name not in tasks:
            continue
        state = torch.from_numpy(data.select(tasks=[task.name]).state)
        for words in (*task.instructions, *task.held_out_instructions):
            fixed = conditioning.fixed([TaskInfo(task.name, words)])
            task_embedding = conditioning.embedding(fixed.expand(len(state), -1), state)
            yield {"state": state}, task_embedding


# Trained parts


@pytest.mark.parametrize(
    ("name", "expected"),
    [("film", ("trunk.1", "norm", "head")), ("mlp", ("trunk.3", "trunk.4", "trunk.5", "head"))],
)  # fmt: skip
def test_the_last_layers_are_the_head_and_the_last_block_of_the_trunk(
    name, expected, trained
):
    assert trained[name].policy.last_layers == expected


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("part", ["all", "last_layers", "head"])
def test_finetuning_changes_the_named_part_alone(name, part, trained, support):
    policy = trained[name].policy
    config = {"part": part}
    made = adapt(
        trained[name], support, method=configure("finetune", config), budget=FEW
    )
    named = {n for n, _ in policy.named_parameters() if belongs(policy, part, n)}
    assert changed(policy, made.policy) == named
    if part == "all":
        assert len(named) == len(list(policy.parameters()))


def test_a_probe_trains_the_head_first_and_then_all(trained, support):
    film = trained["film"]
    method = Finetune(probe_steps=3, learning_rate=1e-2)
    first, cost = adapt_by(method, film, support, Budget(steps=3, batch_size=16), 0)
    assert changed(film.policy, first.policy) == {
        "head.linear.weight",
        "head.linear.bias",
    }
    assert cost.steps == 3
    assert cost.parameters == sum(p.numel() for p in film.policy.head.parameters())
    second, cost = adapt_by(method, film, support, Budget(steps=6, batch_size=16), 0)
    assert "trunk.0.inner.weight" in changed(film.policy, second.policy)
    assert (cost.steps, cost.parameters) == (6, film.policy.num_parameters)


@pytest.mark.parametrize("name", SIZES)
def test_task_embedding_changes_encoder_and_modulation_alone(name, trained, support):
    old = trained[name].policy
    made = adapt(trained[name], support, method="task_embedding", budget=FEW)
    expected = {n for n, _ in old.named_parameters() if n.startswith("encoder.")}
    if name == "film":
        expected |= {f"trunk.{i}.modulation.{n}" for i in "01" for n in ("weight", "bias")}  # fmt: skip
    assert changed(old, made.policy.changed) == expected


def test_lora_changes_the_weights_of_linear_layers_alone(trained, support):
    old = trained["film"].policy
    made, cost = adapt_by(Lora(rank=2), trained["film"], support, FEW, 0)
    linear = [(n, m) for n, m in old.named_modules() if isinstance(m, nn.Linear)]
    assert changed(old, made.policy.changed) == {f"{n}.weight" for n, _ in linear}
    assert cost.parameters == sum(2 * sum(m.weight.shape) for _, m in linear)


def test_lora_of_a_part_changes_its_linear_layers_alone(trained, support):
    old = trained["film"].policy
    config = {"part": "last_layers"}
    made = adapt(trained["film"], support, method=configure("lora", config), budget=FEW)
    layers = ("modulation", "inner", "outer")
    expected = {f"trunk.1.{n}.weight" for n in layers} | {"head.linear.weight"}
    assert changed(old, made.policy.changed) == expected


def test_settings_that_methods_share_are_the_same_fields():
    for method in (Scratch(), Finetune(), *KEEPING):
        config = replace(method, ema_decay=0.5, weight_decay=0.25).descent(FEW)
        assert (config.ema_decay, config.weight_decay) == (0.5, 0.25)
        assert (config.steps, config.batch_size) == (4, 16)
        assert method.descent(Budget()).steps == method.steps


# Low rank


def test_lora_is_the_papers_equation_and_merging_keeps_it():
    layer, x = nn.Linear(7, 5), torch.randn(4, 7)
    frozen = layer.weight.detach().clone()
    added = LowRank(layer, rank=2, alpha=3.0, generator=Generator().manual_seed(0))
    added.b.data.normal_()
    factored = x @ frozen.T + 3.0 / 2 * (x @ added.a.T) @ added.b.T + layer.bias
    model = nn.Sequential(layer)
    nn.utils.parametrize.register_parametrization(layer, "weight", added)
    torch.testing.assert_close(model(x), factored)
    merge(model)
    assert set(model.state_dict()) == {"0.weight", "0.bias"}
    torch.testing.assert_close(model(x), factored)
    assert torch.linalg.matrix_rank(layer.weight - frozen) == 2


def test_lora_starts_as_the_policy_itself(trained, data):
    policy = checkpoint.packed(trained["film"].policy, trained["film"].card).policy
    observation, task_embedding = next(batches(trained["film"], data["new"], [NEW]))
    expected = policy.act(observation, task_embedding, None)[0]
    copied = checkpoint.build(trained["film"].card)
    copied.load_state_dict(policy.state_dict())
    Lora().factorise(copied, Generator().manual_seed(0))
    assert copied.act(observation, task_embedding, None)[0].equal(expected)
    merge(copied)
    assert changed(policy, copied) == set()


def test_a_layer_takes_no_greater_rank_than_its_matrix_has():
    added = LowRank(nn.Linear(7, 3), rank=8, alpha=8.0, generator=Generator())
    assert (added.a.shape, added.b.shape) == ((3, 7), (3, 3))


# Co-training


def test_a_cotraining_batch_has_the_requested_fraction_of_the_prior(
    trained, support, data
):
    method = Finetune(cotraining=0.25)
    draws = method.draws(trained["film"], support, Generator().manual_seed(0))
    batch = draws.batch(0, 32)
    assert (batch.task == 0).tolist() == [True] * 24 + [False] * 8
    assert set(draws.batch(0, 400).task.tolist()) == {0, 1, 2, 3, 4}
    old = torch.from_numpy(data["old"].state)
    new = torch.from_numpy(support.demonstrations.state)
    distance = torch.cdist(batch.observation["state"], new).amin(1)
    assert (distance < 1e-3).tolist()[:24] == [True] * 24
    assert torch.cdist(batch.observation["state"][24:], old).amin(1).max() < 1e-3


def test_prior_samples_are_conditioned_on_their_own_task(trained, support, data):
    method = Finetune(cotraining=0.5, instruction_augmentation=InstructionAugmentation(noise=0.0, mixing=0.0))  # fmt: skip
    draws = method.draws(trained["film"], support, Generator().manual_seed(0))
    batch = draws.batch(0, 64)
    for task, task_embedding in zip(
        batch.task[32:], batch.task_embedding[32:], strict=True
    ):
        name = data["old"].tasks[int(task) - 1]
        words = find_task(robomtl.suite("points/ML4"), name).instructions
        known = trained["film"].card.conditioning.fixed(
            [TaskInfo(name, each) for each in words]
        )
        assert (known - task_embedding).abs().amax(1).min() < 1e-5


def test_each_part_of_a_cotraining_batch_has_a_sample(trained, support):
    draws = Finetune(cotraining=0.01).draws(
        trained["film"], support, Generator().manual_seed(0)
    )
    assert (draws.batch(0, 8).task > 0).sum() == 1
    with pytest.raises(ValueError, match="batches of at least 2.*batch_size=1"):
        draws.batch(0, 1)


def test_joined_batches_have_the_rows_of_both(trained, support):
    draws = Finetune().draws(trained["film"], support, Generator().manual_seed(0))
    first, second = draws.batch(0, 3), draws.batch(1, 2)
    both = joined(first, second)
    assert both.observation["state"][3:].equal(second.observation["state"])
    assert [len(part) for part in both[1:]] == [5] * 4


@pytest.mark.parametrize("method", ["finetune", "lora", "task_embedding"])
def test_every_transfer_method_can_cotrain(method, trained, support):
    config = {"cotraining": 0.5}
    made = adapt(trained["film"], support, method=configure(method, config), budget=FEW)
    alone = adapt(trained["film"], support, method=method, budget=FEW)
    assert made.fingerprint != alone.fingerprint


def test_cotraining_without_prior_demonstrations_is_refused(trained, support):
    bare = Support(demonstrations=support.demonstrations)
    config = {"cotraining": 0.5}
    with pytest.raises(ValueError, match=r"give Support\(prior=...\), or cotraining=0"):
        adapt(trained["film"], bare, method=configure("finetune", config), budget=FEW)


def test_prior_demonstrations_of_another_size_are_refused(trained, support):
    card = trained["film"].card
    odd = replace(trained["film"], card=replace(card, spec=Spec(state=9, action=2, embedding=384)))  # fmt: skip
    with pytest.raises(ValueError, match="state of length 9; the prior.* have 12"):
        Finetune(cotraining=0.5).draws(odd, support, Generator())


# Forgetting


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("method", KEEPING, ids=lambda m: type(m).__name__)
def test_the_old_tasks_are_kept_bit_for_bit(name, method, trained, support, data):
    method = replace(method, learning_rate=0.1)
    made, _ = adapt_by(method, trained[name], support, FEW, 0)
    old, new = trained[name].policy, made.policy
    for observation, task_embedding in batches(
        trained[name], data["old"], data["old"].tasks
    ):
        expected, _ = old.act(observation, task_embedding, None)
        assert new.act(observation, task_embedding, None)[0].equal(expected)
    for observation, task_embedding in batches(trained[name], data["new"], [NEW]):
        expected, _ = new.changed.act(observation, task_embedding, None)
        assert new.act(observation, task_embedding, None)[0].equal(expected)
        assert not old.act(observation, task_embedding, None)[0].equal(expected)


def test_rows_of_both_act_each_by_their_own(trained, support, data):
    made = adapt(trained["film"], support, method="lora", budget=FEW).policy
    state, old_embedding = next(batches(trained["film"], data["old"], ["reach-red"]))
    _, new_embedding = next(batches(trained["film"], data["new"], [NEW]))
    rows = min(len(old_embedding), len(new_embedding))
    state = {"state": state["state"][:rows]}
    is_new = torch.arange(rows) % 3 == 0
    task_embedding = torch.where(
        is_new[:, None], new_embedding[:rows], old_embedding[:rows]
    )
    memory, remembered = None, {"base": None, "changed": None}
    for _ in range(2):
        chunk, memory = made.act(state, task_embedding, memory)
        for name, rows_of in (("base", ~is_new), ("changed", is_new)):
            part = getattr(made, name)
            alone, remembered[name] = part.act(state, task_embedding, remembered[name])
            assert chunk[rows_of].equal(alone[rows_of])
            for key, value in remembered[name].tensors.items():
                assert memory.tensors[f"{name}.{key}"].equal(value)


def test_who_acts_follows_from_the_present_instruction(trained, support, data):
    made, memory = (
        adapt(trained["mlp"], support, method="lora", budget=FEW).policy,
        None,
    )
    state, old = next(batches(trained["mlp"], data["old"], ["reach-red"]))
    _, new = next(batches(trained["mlp"], data["new"], [NEW]))
    new = new[:1].expand(len(old), -1)
    for task_embedding, name in (
        (old, "base"),
        (old, "base"),
        (new, "changed"),
        (old, "base"),
    ):
        chunk, memory = made.act(state, task_embedding, memory)
        assert chunk.equal(getattr(made, name).act(state, task_embedding, None)[0])


def test_the_loss_of_a_row_is_that_of_the_policy_that_acts(trained, support):
    made = adapt(trained["film"], support, method="lora", budget=FEW).policy
    method = Finetune(cotraining=0.5)
    batch = method.draws(trained["film"], support, Generator()).batch(0, 32)
    loss = made.loss(batch).per_sample
    assert loss[:16].equal(made.changed.loss(batch).per_sample[:16])
    assert loss[16:].equal(made.base.loss(batch).per_sample[16:])
    half = type(batch)({"state": batch.observation["state"][:16]}, *(p[:16] for p in batch[1:]))  # fmt: skip
    assert made.loss(half).per_sample.equal(made.changed.loss(half).per_sample)
    assert "action_error" in made.loss(half).metrics


def test_the_policy_that_acts_in_no_row_is_not_called(trained, support, data):
    made = adapt(trained["film"], support, method="lora", budget=FEW).policy
    made.changed = nn.Identity()  # It cannot act.
    observation, task_embedding = next(
        batches(trained["film"], data["old"], ["reach-red"])
    )
    _, memory = made.act(observation, task_embedding, None)
    assert not any(name.startswith("changed.") for name in memory.tensors)


def test_wordings_that_nobody_listed_find_their_task(trained, support, data):
    made = adapt(trained["film"], support, method="lora", budget=FEW).policy
    method = Finetune(cotraining=0.5)  # Mixes wordings and adds noise.
    draws = method.draws(trained["film"], support, Generator().manual_seed(0))
    batch = draws.batch(0, 400)
    assert made.changes(batch.task_embedding).equal(batch.task == 0)


def test_a_wording_of_both_tasks_is_the_new_one_s(trained):
    card, said = trained["film"].card, "reach the red target"
    new_words, others = wordings(card, Task(name="again", instructions=(said,)))
    assert new_words.equal(embed([said]))
    assert len(others) == 4 * (6 + 2) - 1
    assert (others @ new_words.T).max() < 1 - 1e-4


def test_every_wording_of_meta_world_finds_its_task(trained):
    suite = robomtl.suite("metaworld/ML10")
    conditioning = Conditioning(
        kinds=("language",), tasks=tuple(task.name for task in suite.train_tasks)
    )
    card = replace(trained["film"].card, suite=suite.name, conditioning=conditioning, suite_options={})  # fmt: skip
    switch = POLICIES.get("switched")(
        POLICIES.get("switched").Config(base_config={"width": 8, "blocks": 1}),
        Spec(state=39, action=4, embedding=384),
    )
    for task in suite.held_out_tasks:
        new_words, others = wordings(card, task)
        switch.wordings.fill({"new": new_words, "others": others})
        assert switch.changes(new_words).all()
        assert not switch.changes(others).any()
        assert len(new_words) == len({*task.instructions, *task.held_out_instructions})


def test_a_trial_without_instruction_gets_the_old_policy(trained, support):
    made = adapt(trained["film"], support, method="lora", budget=FEW).policy
    assert made.changes(torch.zeros(1, 384)).tolist() == [False]


def test_a_policy_without_instructions_cannot_distinguish_tasks(
    data, support, tmp_path
):
    goal = train(
        data["old"],
        out=tmp_path,
        policy_config=SIZES["film"],
        conditioning=("goal",),
        config=TrainConfig(steps=5, batch_size=16, threads=1),
    )
    made = adapt(goal, support, method="lora", budget=FEW).policy
    assert made.changes(torch.randn(3, 2)).all()


def test_a_task_trained_on_can_be_adapted_to_again(trained, data):
    again = draw_support(data["old"], "reach-red", shots=2, draw=0)
    made = adapt(trained["film"], again, method="lora", budget=FEW).policy
    _, task_embedding = next(batches(trained["film"], data["old"], ["reach-red"]))
    _, other = next(batches(trained["film"], data["old"], ["reach-blue"]))
    assert made.changes(task_embedding).all()
    assert not made.changes(other).any()


# On disk, and on again


def test_a_saved_switched_policy_acts_as_before(trained, support, data, tmp_path):
    made = adapt(trained["film"], support, method="lora", budget=FEW, out=tmp_path)
    loaded = checkpoint.load(tmp_path)
    assert loaded.fingerprint == made.fingerprint
    for part, task in (("old", "reach-red"), ("new", NEW)):
        for observation, task_embedding in batches(loaded, data[part], [task]):
            expected = made.policy.act(observation, task_embedding, None)[0]
            assert loaded.policy.act(observation, task_embedding, None)[0].equal(
                expected
            )


def test_what_was_learned_beside_a_policy_is_left_out(trained, support, data):
    film = trained["film"]
    beside = checkpoint.build(film.card)
    beside.load_state_dict(film.policy.state_dict())
    beside.meta = nn.Linear(2, 2)
    with_meta = checkpoint.packed(beside, film.card)
    made = adapt(with_meta, support, method="lora", budget=FEW)
    alone = adapt(film, support, method="lora", budget=FEW)
    assert made.fingerprint == alone.fingerprint
    assert made.card.objective == "cloning"


def test_what_adaptation_made_is_not_adapted_again(trained, support):
    made = adapt(trained["film"], support, method="lora", budget=FEW)
    with pytest.raises(ValueError, match="'switched', the result of adapting another"):
        adapt(made, support, method="finetune", budget=FEW)


def test_what_adaptation_makes_is_not_trained(data, tmp_path):
    with pytest.raises(
        ValueError, match="not trained but made.*film, flow, in_context, .*mlp"
    ):
        train(data["old"], out=tmp_path, policy="switched")


def test_what_adaptation_makes_is_refused_before_anything_is_collected(tmp_path):
    flags = ["--policy", "switched", "--suite", "points/MT4", "--out", str(tmp_path)]
    with pytest.raises(ValueError, match="not trained but made"):
        train_command(flags)
    assert not list(tmp_path.iterdir())


def test_a_fresh_switched_policy_is_its_changed_one():
    architecture = POLICIES.get("switched")
    policy = architecture(
        architecture.Config(base="mlp", base_config={"width": 8, "chunk": 3}),
        Spec(state=4, action=2, embedding=5),
    )
    assert policy.chunk == 3
    state, task_embedding = {"state": torch.randn(2, 4)}, torch.randn(2, 5)
    expected = policy.changed.act(state, task_embedding, None)[0]
    assert policy.act(state, task_embedding, None)[0].equal(expected)


# Refusals


@pytest.mark.parametrize(
    ("method", "config", "message"),
    [
        (Finetune, {"part": "haed"}, "Unknown part of a policy 'haed'. Did you mean 'head'"),
        (Finetune, {"probe_steps": 300}, "probe_steps is 300; give 0 to below the 300"),
        (Finetune, {"probe_steps": 5, "part": "head"}, "part='head' trains the head only"),
        (Finetune, {"cotraining": 1.0}, "cotraining is 1.0; give 0 to below 1"),
        (Finetune, {"learning_rate": 0.0}, "learning_rate is 0.0; give more than 0"),
        (Scratch, {"steps": 0}, "steps is 0; give at least 1"),
        (Lora, {"rank": 0}, "rank is 0; give at least 1"),
        (Lora, {"alpha": 0.0}, "alpha is 0.0; give more than 0"),
        (Lora, {"part": "tail"}, "Unknown part of a policy 'tail'"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(method, config, message):
    with pytest.raises(ValueError, match=message):
        method(**config)
