"""Settings and flags of earlier versions are still understood."""

import pytest

from robomtl.adaptation.adapting import configure
from robomtl.cli.earlier_flags import present_flags
from robomtl.earlier import present
from robomtl.request import differences
from robomtl.training.config import TrainConfig, config_of

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
    assert list(differences(there, here)) == [
        "training.batch_size is 8 there and 9 here"
    ]


def test_a_request_without_a_setting_that_was_added_since_does_not_differ():
    here = {"training": {**PRESENT, "learner": "joined", "weight_decays": []}}
    assert not list(differences({"training": PRESENT}, here))
    here["training"]["learner"] = "module"
    assert list(differences({"training": PRESENT}, here)) == [
        "training.learner is 'joined' there and 'module' here"
    ]


def test_a_setting_that_is_left_open_does_not_differ_from_what_earlier_versions_did():
    here = {"training": {**PRESENT, "history": None}}
    assert not list(differences({"training": PRESENT}, here))
    here["training"]["history"] = 2
    assert list(differences({"training": PRESENT}, here)) == [
        "training.history is 1 there and 2 here"
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


def test_a_method_takes_a_setting_by_its_earlier_name():
    assert configure("finetune", {"ema": 0.5}) == configure(
        "finetune", {"ema_decay": 0.5}
    )


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
