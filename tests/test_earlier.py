"""Settings, flags and tensors of earlier versions are still understood."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from robomtl import checkpoint
from robomtl.adaptation.adapting import configure
from robomtl.alignment import aligned
from robomtl.checkpoint import Card
from robomtl.cli.earlier_flags import present_flags
from robomtl.conditioning import Conditioning
from robomtl.earlier import present, present_card, present_tensors
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.files.request import differences
from robomtl.files.weights import digest_of
from robomtl.mismatch import Mismatch
from robomtl.policy import Batch, Spec
from robomtl.training.config import TrainConfig, config_of
from robomtl.training.learner import learner_for

EARLIER = {"batch": 8, "clip": 2.0, "ema": 0.5, "warm_up": 0.2}
PRESENT = {
    "batch_size": 8,
    "max_grad_norm": 2.0,
    "ema_decay": 0.5,
    "warmup_fraction": 0.2,
    "schedule": "warmup_cosine",
}


def test_a_training_recorded_under_earlier_names_is_read():
    recorded = {**EARLIER, "schedule": "one_cycle"}
    assert config_of(recorded, where="run.json") == TrainConfig(**PRESENT)


def test_earlier_names_of_a_request_do_not_differ_from_present_ones():
    there = {"training": {**EARLIER, "schedule": "one_cycle"}}
    assert not list(differences(there, {"training": PRESENT}))
    here = {"training": {**PRESENT, "batch_size": 9}}
    assert list(differences(there, here)) == [Mismatch("training.batch_size", 8, 9)]


def test_a_request_without_a_setting_that_was_added_since_does_not_differ():
    here = {"training": {**PRESENT, "learner": "joined", "weight_decays": []}}
    assert not list(differences({"training": PRESENT}, here))
    here["training"]["learner"] = "module"
    assert list(differences({"training": PRESENT}, here)) == [
        Mismatch("training.learner", "joined", "module")
    ]


def test_a_removed_setting_of_an_objective_does_not_differ():
    there = {"objective": "alpaca", "objective_config": {"context": 4, "tasks": 8}}
    here = {"objective": "alpaca", "objective_config": {"tasks": 8}}
    assert not list(differences(there, here))
    here["objective_config"]["tasks"] = 9
    assert list(differences(there, here)) == [Mismatch("objective_config.tasks", 8, 9)]
    kept = {"objective": "context", "objective_config": {"context": 4}}
    assert present_card(kept) == kept


def test_a_setting_that_is_left_open_does_not_differ_from_what_earlier_versions_did():
    here = {"training": {**PRESENT, "history": None}}
    assert not list(differences({"training": PRESENT}, here))
    here["training"]["history"] = 2
    assert list(differences({"training": PRESENT}, here)) == [
        Mismatch("training.history", 1, 2)
    ]


def test_augmentations_of_instructions_and_of_samples_are_distinguished_by_their_fields():
    recorded = {"augmentation": {"mixing": 0.2}, "construction": {"mirror": 0.5}}
    found = config_of(recorded, where="run.json")
    assert found.instruction_augmentation.mixing == 0.2
    assert found.augmentation.mirror == 0.5
    here = {"training": {"augmentation": {"mirror": 0.5}}}
    assert not list(differences({"training": {"construction": {"mirror": 0.5}}}, here))
    assert present(recorded | here["training"], ["augmentation"])["augmentation"] == {
        "mirror": 0.5
    }


def test_a_name_that_is_still_a_setting_stays_as_it_is():
    assert present({"clip": 10.0}, ["clip", "max_grad_norm"]) == {"clip": 10.0}


@pytest.mark.parametrize(
    ("method", "earlier", "present"),
    [
        ("finetune", "ema", "ema_decay"),
        ("retrieval", "share", "support_fraction"),
        ("retrieval", "kept", "retrieved_fraction"),
    ],
)
def test_a_method_takes_a_setting_by_its_earlier_name(method, earlier, present):
    assert configure(method, {earlier: 0.25}) == configure(method, {present: 0.25})


@pytest.mark.parametrize(
    ("earlier", "expected", "hint"),
    [
        ("--batch 8", "--batch-size 8", "--batch is now --batch-size."),
        ("--ema=0.5", "--ema-decay=0.5", "--ema is now --ema-decay."),
        ("--schedule=one_cycle", "--schedule=warmup_cosine", ""),
        (
            "--pretraining.maml.training.warm-up 0.2",
            "--pretraining.maml.training.warmup-fraction 0.2",
            "--pretraining.maml.training.warm-up is now",
        ),
        (
            "--construction.mirror 0.5",
            "--augmentation.mirror 0.5",
            "--construction.mirror is now --augmentation.mirror.",
        ),
        (
            "--training.augmentation.mixing=1",
            "--training.instruction-augmentation.mixing=1",
            "--training.augmentation.mixing is now",
        ),
        ("--augmentation.mirror 0.5", "--augmentation.mirror 0.5", ""),
        ("--meta.clip 1 --out one_cycle", "--meta.clip 1 --out one_cycle", ""),
    ],
)
def test_an_earlier_flag_works_and_is_answered_by_its_present_name(
    earlier, expected, hint, capsys
):
    assert present_flags(earlier.split()) == expected.split()
    said = capsys.readouterr().err
    assert hint in said and bool(said) == bool(hint)


EARLIER_TENSORS = {
    "normaliser.std": "normaliser.deviation",
    "encoder.projection": "encoder.told",
    "wordings.new": "wordings.told",
    "position": "place",
}
POLICIES_BEFORE = {
    "multi_head": ("normaliser.deviation", "encoder.told.weight"),
    "act": ("normaliser.deviation", "chunk_encoder.place"),
    "switched": ("base.normaliser.deviation", "wordings.told"),
}


def made_of(name):
    """A policy and its card."""
    conditioning = Conditioning(kinds=("one_hot",), tasks=("a", "b"))
    spec = Spec(state=4, action=2, embedding=conditioning.size, tasks=2)
    card = Card(
        policy=name,
        config={},
        spec=spec,
        conditioning=conditioning,
        suite="",
        suite_options={},
        step=3,
    )
    torch.manual_seed(0)
    policy = checkpoint.build(card)
    policy.normaliser.fit(torch.randn(9, 4))
    return policy, card


def rename(path):
    """Gives the tensors of a file their earlier names, and returns these."""
    found = {}
    for name, value in load_file(path).items():
        for new, before in EARLIER_TENSORS.items():
            name = re.sub(rf"\b{new}\b", before, name)
        found[name] = value
    save_file(found, path)
    return set(found)


@pytest.mark.parametrize("name", POLICIES_BEFORE)
def test_a_policy_whose_tensors_have_their_earlier_names_is_loaded(name, tmp_path):
    policy, card = made_of(name)
    checkpoint.save(tmp_path, policy, card)
    assert {*POLICIES_BEFORE[name]} < rename(tmp_path / "policy.safetensors")
    path = tmp_path / "policy.json"
    known = json.loads(path.read_text())
    known["weights"] = digest_of(tmp_path / "policy.safetensors")
    path.write_text(json.dumps(known))
    there, expected = checkpoint.load(tmp_path).policy.state_dict(), policy.state_dict()
    assert there.keys() == expected.keys()
    assert all(torch.equal(there[key], expected[key]) for key in expected)


def test_a_card_whose_alignment_has_its_earlier_names_is_loaded(tmp_path):
    robots = tuple(
        Embodiment(
            name=name,
            observation={"state": Feature(kind="state", shape=(2,))},
            action=ActionFeature(size=2, names=names, units=("0.1 m", "0.1 m")),
        )
        for name, names in (("a", ("x", "y")), ("b", ("y", "z")))
    )
    spec = Spec(embodiments=robots, embedding=0, alignment=aligned(robots))
    card = Card(
        policy="mlp",
        config={},
        spec=spec,
        conditioning=Conditioning(kinds=(), tasks=("a",)),
        suite="",
        suite_options={},
        step=3,
    )
    checkpoint.save(tmp_path, checkpoint.build(card), card)
    path = tmp_path / "policy.json"
    path.write_text(path.read_text().replace('"indices"', '"places"'))
    assert checkpoint.load(tmp_path).card.spec.alignment.indices == ((0, 1), (1, 2))


@pytest.mark.parametrize("card", [{}, {"spec": 1}, {"spec": {"alignment": None}}])
def test_a_card_without_an_alignment_stays_as_it_is(card):
    assert present_card(card) == card


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_a_training_whose_tensors_have_their_earlier_names_goes_on(kind, tmp_path):
    config = TrainConfig(learner=kind, steps=3, precision="float32", threads=1)
    batch = Batch(
        observation={"state": torch.rand(8, 4)},
        action=torch.rand(8, 10, 2),
        mask=torch.ones(8, 10),
        task_embedding=torch.eye(2)[torch.arange(8) % 2],
        task=torch.arange(8) % 2,
    )
    whole, resumed = (
        learner_for(made_of("multi_head")[0], config, tasks=("a", "b"))
        for _ in range(2)
    )
    whole.update(batch)
    whole.save(tmp_path / "training.safetensors")
    assert "policy.encoder.told.weight" in rename(tmp_path / "training.safetensors")
    resumed.restore(tmp_path / "training.safetensors")
    whole.update(batch)
    resumed.update(batch)
    there = resumed.averaged()
    assert all(torch.equal(it, there[key]) for key, it in whole.averaged().items())


def test_tensors_keep_names_that_are_there_or_have_no_present_one():
    known = ["place", "normaliser.std", "keys.key/normaliser/std"]
    given = {"place": 1, "normaliser.deviation": 2, "told": 3}
    expected = {"place": 1, "normaliser.std": 2, "told": 3}
    assert present_tensors(given, known) == expected
    both = {"normaliser.deviation": 1, "normaliser.std": 2}
    assert present_tensors(both, known) == both
    assert present_tensors({"keys.key/normaliser/deviation": 1}, known) == {
        "keys.key/normaliser/std": 1
    }
