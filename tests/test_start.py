"""Training that starts from a trained policy, or from some of its parts."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import robomtl
from robomtl import checkpoint
from robomtl.cli.main import main
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.start import Start

pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = {"width": 16, "layers": 1, "task_width": 8}
QUICK = TrainConfig(
    steps=6, batch_size=16, threads=1, validation=0.25, validate_every=3, log_every=3
)
NO_STEP = {"learning_rate": 1e-30, "weight_decay": 0.0}


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
def new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "new"
    made = suite("points/ML4")
    return collect(
        made,
        folder,
        config=CollectionConfig(tasks=["reach-ball"], episodes=4),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def flyers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "flyers"
    made = suite("points/two_robots")
    return collect(
        made,
        folder,
        config=CollectionConfig(tasks=["fly-red"], episodes=3),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "begun"
    train(data, out=out, policy="mlp", policy_config=SMALL, config=QUICK)
    return out


def weights(run):
    return checkpoint.load(run).policy.state_dict()


def test_a_start_gives_architecture_and_weights_and_keeps_its_normaliser(
    begun, new, tmp_path
):
    still = replace(QUICK, **NO_STEP)
    made = train(new, out=tmp_path, start=begun, config=still)
    assert made.card.policy == "mlp" and made.card.config["width"] == 16
    there = weights(begun)
    for name, value in made.policy.state_dict().items():
        assert torch.equal(value, there[name]), name


def test_fine_tuning_logs_validates_and_resumes(begun, new, tmp_path, monkeypatch):
    whole = train(new, out=tmp_path / "whole", start=begun, config=QUICK)
    log = EventAccumulator(str(tmp_path / "whole" / "tensorboard")).Reload()
    assert [each.step for each in log.Scalars("validation/loss")] == [3, 6]
    save = robomtl.training.joined_learner.JoinedLearner.save

    def stopping(self, path):
        save(self, path)
        raise KeyboardInterrupt

    often = replace(QUICK, save_every=4)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(robomtl.training.joined_learner.JoinedLearner, "save", stopping)
        train(new, out=tmp_path / "killed", start=begun, config=often)
    assert load_file(tmp_path / "killed" / "training.safetensors")["step"] == 4
    resumed = train(new, out=tmp_path / "killed", start=begun, config=often)
    there = whole.policy.state_dict()
    for name, value in resumed.policy.state_dict().items():
        assert torch.equal(value, there[name])


def test_a_start_of_parts_initialises_the_others_afresh(begun, new, tmp_path):
    still = replace(QUICK, seed=1, **NO_STEP)
    start = Start(policy=checkpoint.load(begun), parts=("trunk",))
    made = train(new, out=tmp_path, start=start, config=still).policy.state_dict()
    there = weights(begun)
    same = {name for name in made if torch.equal(made[name], there[name])}
    assert {n for n in made if n.startswith("trunk")} <= same
    assert not {"head.linear.weight", "normaliser.mean"} & same


def test_a_start_trains_some_parts_and_freezes_others(begun, new, tmp_path):
    config = replace(QUICK, learning_rate_factors=(("trunk", 0.0),))
    made = train(new, out=tmp_path, start=begun, config=config).policy.state_dict()
    there = weights(begun)
    moved = {
        name.partition(".")[0] for name in made if (made[name] != there[name]).any()
    }
    assert "head" in moved and "trunk" not in moved


def test_what_does_not_fit_is_new_and_said_so(begun, new, tmp_path, capsys):
    still = replace(QUICK, **NO_STEP)
    given = {"start": begun, "conditioning": ("one_hot",), "config": still}
    made = train(new, out=tmp_path, **given).policy.state_dict()
    there = weights(begun)
    same = {name for name in made if made[name].shape == there[name].shape}
    assert {*made} - same == {"encoder.weight"}
    for name in same - {"encoder.bias"}:
        assert torch.equal(made[name], there[name]), name
    assert (
        "Taken from the start: normaliser, trunk, head. New: encoder (encoder.weight is"
        " (8, 384) in the start and (8, 1) in the new policy)."
        in capsys.readouterr().err
    )


def test_another_robot_gets_new_parts_and_statistics(data, flyers, tmp_path, capsys):
    deep = {**SMALL, "layers": 2}
    start = train(
        data, out=tmp_path / "a", policy="mlp", policy_config=deep, config=QUICK
    )
    still = replace(QUICK, **NO_STEP)
    made = train(flyers, out=tmp_path / "b", start=start, config=still)
    there, here = start.policy.state_dict(), made.policy.state_dict()
    same = {k for k in here if k in there and there[k].shape == here[k].shape}
    taken = {name for name in same if torch.equal(there[name], here[name])}
    assert {"encoder.weight", "trunk.3.weight", "trunk.4.bias"} <= taken
    assert not {"trunk.0.bias", "head.linear.weight", "normaliser.mean"} & taken
    said = capsys.readouterr().err
    assert "Taken from the start: encoder, trunk.1, trunk.3, trunk.4. New: norm" in said


def test_only_the_named_parts_are_trained(begun, new, tmp_path, capsys):
    config = replace(QUICK, train=("trunk.0", "head"))
    made = train(new, out=tmp_path, start=begun, config=config).policy.state_dict()
    moved = {
        name for name, value in weights(begun).items() if (made[name] != value).any()
    }
    assert {name.rpartition(".")[0] for name in moved} == {"trunk.0", "head.linear"}
    assert "Frozen, as --train leaves them out: encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("train_parts", "settings", "message"),
    [
        (("hed",), {}, "'hed'. Did you mean 'head'"),
        (
            ("head",),
            {"conditioning": ("one_hot",)},
            "encoder would stay as initialised, being new and not trained; add to --train",
        ),
        (("head",), {"start": None}, "train names head .* give a start .--start RUN."),
    ],
)
def test_parts_that_cannot_be_trained_alone_are_refused(
    train_parts, settings, message, begun, new, tmp_path
):
    config = replace(QUICK, train=train_parts)
    with pytest.raises(InputError, match=message):
        train(new, out=tmp_path / "run", config=config, **{"start": begun, **settings})
    assert not (tmp_path / "run" / "run.json").exists()


def test_another_start_in_the_same_folder_is_refused(begun, new, tmp_path):
    train(new, out=tmp_path, start=begun, config=QUICK)
    with pytest.raises(InputError, match="start.parts.*trunk"):
        parts = Start(policy=begun, parts=("trunk",))
        train(new, out=tmp_path, start=parts, config=QUICK)


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        (("trunc",), {}, "'trunc'. Did you mean 'trunk'"),
        (
            (),
            {"policy_config": {"width": 24}},
            "'mlp', does not fit at part 'trunk': trunk.0.bias is .16,. in the start and .24,."
            " in the new policy. Give parts that fit: normaliser",
        ),
        (
            (),
            {"policy": "film"},
            "is a policy 'mlp', whose weights do not fit Film. Give --policy mlp,",
        ),
        (("head",), {"policy": "film"}, "does not fit at part 'head'"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(
    parts, settings, message, begun, new, tmp_path
):
    start = Start(policy=begun, parts=parts)
    with pytest.raises(InputError, match=message):
        train(new, out=tmp_path / "run", start=start, config=QUICK, **settings)
    assert not (tmp_path / "run" / "run.json").exists()


def test_train_continues_from_a_run_and_ends_with_the_next_commands(
    begun, new, tmp_path, capsys
):
    words = f"train --data {new.path} --start {begun} --out {tmp_path / 'on'}"
    words += " --steps 2 --batch-size 8 --threads 1 --learning-rate-factors trunk 0"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert f"robomtl evaluate {tmp_path / 'on'}" in said
    assert f"tensorboard --logdir {tmp_path / 'on' / 'tensorboard'}" in said
    assert checkpoint.load(tmp_path / "on").card.policy == "mlp"


def test_parts_of_no_start_are_refused(new, capsys):
    assert main(["train", "--data", str(new.path), "--start-parts", "trunk"]) == 2
    assert "--start-parts needs a policy to start from" in capsys.readouterr().err
