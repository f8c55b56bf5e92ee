import hashlib
import json
import os
import resource

import pytest
import torch
from safetensors.torch import load_file, save_file

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import POLICIES, Batch, Spec
from robomtl.training.config import TrainConfig
from robomtl.training.learner import learner_for

SPEC = Spec(state=6, action=3, embedding=4)
SMALL = {"width": 8, "task_width": 8, "layers": 2}


@pytest.fixture
def run(tmp_path):
    config = POLICIES.get("film").Config(width=8, task_width=8)
    card = Card(
        policy="film",
        config=vars(config),
        spec=SPEC,
        conditioning=Conditioning(kinds=("one_hot",), tasks=("a", "b", "c", "d")),
        suite="points",
        suite_options={},
        step=7,
    )
    checkpoint.save(tmp_path, checkpoint.build(card), card)
    return tmp_path


def change(run, *, tensors=None, **values):
    """Changes fields of the card, by their paths, and weights with the card's hash."""
    card = json.loads((run / "policy.json").read_text())
    if tensors:
        save_file(
            load_file(run / "policy.safetensors") | tensors, run / "policy.safetensors"
        )
        content = (run / "policy.safetensors").read_bytes()
        card["weights"] = hashlib.sha256(content).hexdigest()
    for path, value in values.items():
        *outer, name = path.split("__")
        inner = card
        for each in outer:
            inner = inner[each]
        inner[name] = value
    (run / "policy.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"policy": "own"},
            "policy.json cannot be used: Unknown policy 'own'.*--import",
        ),
        ({"objective": "own"}, "policy.json cannot be used: Unknown objective 'own'"),
        ({"config__blocks": 10**6}, "does not fit its card: its network has more than"),
        ({"config__width": 10**9}, "does not fit its card"),
        (
            {"config__width": 2**62},
            "a whole number in it is beyond 2147483648",
        ),
        ({"config__blocks": 4}, "(?s)does not fit its card: .*Missing key"),
        ({"config__blocks": "4"}, "blocks is '4'; give a whole number"),
        ({"config__chunk": 2**31}, "does not fit its card"),
        ({"spec__state": 2**31}, "state is 2147483648, but the embodiments have 6"),
        (
            {"spec__embedding": 5},
            "its conditioning has length 4, its spec.embedding is",
        ),
        ({"spec__state": "6"}, r"policy.json is damaged: \$.spec.state: expected int"),
        (
            {"conditioning__goal": [1]},
            r"\$.conditioning.goal: expected array of length",
        ),
        ({"conditioning__goal": [4, 99]}, "goal .* of a state of length 6"),
        ({"conditioning__goal": [-3, 2]}, "goal .* of a state of length 6"),
        ({"conditioning__inferred": {"a": [1.0]}}, "inferred for 'a' has length 1"),
        (
            {"weights": 3},
            "is missing, or is not the file for which its card was written",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_refused_before_memory_is_taken(
    run, values, message
):
    change(run, **values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=message):
        checkpoint.load(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # [kB]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"stem.bias": torch.zeros(8, dtype=torch.float64)},
            "stem.bias is torch.float64",
        ),
        ({"stem.bias": torch.full((8,), torch.nan)}, "tensor stem.bias is not finite"),
        ({"stem.bias": torch.zeros(9)}, "size mismatch for stem.bias"),
        ({"other": torch.zeros(9)}, "Unexpected key"),
    ],
)
def test_weights_that_do_not_fit_are_refused(run, tensors, message):
    change(run, tensors=tensors)
    with pytest.raises(InputError, match=message):
        checkpoint.load(run)


def test_weights_that_are_no_file_of_weights_are_refused(run):
    path = run / "policy.safetensors"
    for content, message in (
        (b"\xff" * 8, "has a header of"),
        (b"\x02\0\0\0\0\0\0\0{}", "does not fit its card"),
        (b"\x02\0", "is damaged"),
    ):
        path.write_bytes(content)
        change(run, weights=hashlib.sha256(content).hexdigest())
        with pytest.raises(InputError, match=message):
            checkpoint.load(run)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is not a regular file"):
        checkpoint.load(run)


@pytest.fixture
def learner():
    spec = Spec(state=6, action=2, embedding=0)
    config = TrainConfig(steps=5, weighting="uncertainty", precision="float32")
    made = learner_for(MLP(MLPConfig(**SMALL), spec), config, tasks=("a", "b"))
    made.update(
        Batch(
            observation={"state": torch.randn(4, 6)},
            action=torch.zeros(4, 1, 2),
            mask=torch.ones(4, 1),
            task_embedding=torch.zeros(4, 0),
            task=torch.tensor([0, 0, 1, 1]),
        )
    )
    return made


def test_a_training_state_without_any_of_its_tensors_is_refused(learner, tmp_path):
    path = tmp_path / "training.safetensors"
    learner.save(path)
    whole = load_file(path)
    for name in whole:
        save_file({k: v for k, v in whole.items() if k != name}, path)
        with pytest.raises(InputError, match=f"does not fit: it lacks tensor {name}"):
            learner.restore(path)
    save_file(whole, path)
    learner.restore(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("average", torch.nan, "tensor average is not finite"),
        ("adam.exp_avg", torch.inf, "tensor adam.exp_avg is not finite"),
        ("combiner.logits", torch.nan, "tensor combiner.logits is not finite"),
        ("step", -1, "its step is -1, of 5"),
        ("step", 6, "its step is 6, of 5"),
    ],
)
def test_a_training_state_of_impossible_values_is_refused(
    learner, tmp_path, name, value, message
):
    path = tmp_path / "training.safetensors"
    learner.save(path)
    save_file(load_file(path) | {name: load_file(path)[name].fill_(value)}, path)
    with pytest.raises(InputError, match=message):
        learner.restore(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("average", torch.zeros(3), "average is float32 .3,., where float32"),
        ("step", torch.tensor(1.0), "step is float32 .., where int64"),
        ("other", torch.tensor(1.0), "it has an unknown tensor other"),
        ("combiner.logits", torch.zeros(3), "where one number or 2 are expected"),
    ],
)
def test_a_training_state_of_another_form_is_refused(
    learner, tmp_path, name, value, message
):
    path = tmp_path / "training.safetensors"
    learner.save(path)
    save_file(load_file(path) | {name: value}, path)
    with pytest.raises(InputError, match=message):
        learner.restore(path)
