import json
import math
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.earlier import ADDED, NAMES
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.files.lock import locked
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.training import TrainConfig, acting, needed_memory, train
from robomtl.training.elapsed import elapsed_in
from robomtl.training.joined_learner import JoinedLearner
from robomtl.training.learner import learner_for
from robomtl.training.log import Log
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig
from robomtl.training.schedule import learning_rate

pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = {"width": 32, "layers": 1, "task_width": 16}
QUICK = TrainConfig(
    steps=60,
    batch_size=32,
    save_every=20,
    validate_every=20,
    log_every=10,
    threads=1,
    validation=0.25,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=8),
        compute=Compute(workers=1),
    )


def quick(data, out, config=QUICK, **changes):
    settings = {"policy": "mlp", "policy_config": SMALL, **changes}
    return train(data, out=out, config=config, **settings)


def sampler_of(data, temperature=math.inf, chunk=1, seed=0):
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    source = frames(data, range(len(data)), torch.device("cpu"))
    table = InstructionEmbeddings(
        conditioning, [("x",)] * len(data.tasks), InstructionAugmentation()
    )
    return source, Sampler(
        source,
        table,
        conditioning,
        chunk=chunk,
        config=SamplerConfig(seed=seed, temperature=temperature),
    )


def test_samples_hold_the_actions_that_follow_their_observation(data):
    source, sampler = sampler_of(data, chunk=4)
    batch = sampler.batch(0, 64)
    for row in range(64):
        valid = int(batch.mask[row].sum())
        assert any(  # A point that rests repeats its state.
            torch.equal(source.action[frame : frame + valid], batch.action[row, :valid])
            and valid == min(4, int(source.steps_left[frame]))
            and source.task[frame] == batch.task[row]
            for frame in same_state(source, batch.observation["state"][row])
        )
        assert batch.task_embedding[row].argmax() == batch.task[row]


def same_state(source, state):
    return (source.state == state).all(1).nonzero()[:, 0].tolist()


def test_tasks_are_drawn_evenly_at_infinite_temperature(data):
    _, sampler = sampler_of(data)
    drawn = torch.cat([sampler.batch(step, 1000).task for step in range(8)])
    assert torch.allclose(drawn.bincount() / 8000, torch.tensor(0.25), atol=0.02)


def test_tasks_are_drawn_by_their_frames_at_temperature_one(data):
    source, sampler = sampler_of(data, temperature=1.0)
    drawn = torch.cat([sampler.batch(step, 1000).task for step in range(8)])
    expected = source.task.bincount() / len(source)
    assert torch.allclose(drawn.bincount() / 8000, expected, atol=0.02)


def test_every_frame_is_drawn_in_the_long_run(data):
    source, sampler = sampler_of(data)
    seen = torch.cat([sampler.batch(s, 1000).observation["state"] for s in range(30)])
    assert len(torch.unique(seen, dim=0)) == len(torch.unique(source.state, dim=0))


def test_a_batch_depends_on_seed_and_step_alone(data):
    _, one = sampler_of(data)
    _, other = sampler_of(data)
    one.batch(3, 16)
    assert torch.equal(one.batch(7, 16).action, other.batch(7, 16).action)
    assert not torch.equal(one.batch(7, 16).action, one.batch(8, 16).action)
    _, reseeded = sampler_of(data, seed=1)
    assert not torch.equal(one.batch(7, 16).action, reseeded.batch(7, 16).action)


def test_the_warmup_cosine_rate_rises_to_its_peak_and_falls_to_zero():
    config = TrainConfig(steps=1000, warmup_fraction=0.1, learning_rate=1.0)
    rates = [learning_rate(step, config) for step in range(1000)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 100
    assert rates[0] < 0.01 and rates[-1] < 1e-4


def test_the_cosine_rate_falls_from_its_peak():
    config = TrainConfig(steps=1000, schedule="cosine", learning_rate=1.0)
    assert learning_rate(0, config) == 1.0
    assert learning_rate(500, config) == pytest.approx(0.5)


def test_the_constant_rate_is_constant():
    config = TrainConfig(steps=10, schedule="constant", learning_rate=0.5)
    assert {learning_rate(step, config) for step in range(10)} == {0.5}


@pytest.mark.parametrize("first", [0, 1001])
def test_the_average_without_decay_is_the_weights(data, first):
    policy = MLP(MLPConfig(**SMALL), Spec(state=12, action=2, embedding=4))
    learner = learner_for(policy, TrainConfig(ema_decay=0.0, steps=5))
    learner.step = first
    _, sampler = sampler_of(data)
    for step in range(3):
        learner.update(sampler.batch(step, 16))
    for name, value in learner.averaged().items():
        assert torch.equal(value, policy.state_dict()[name])


def test_the_average_of_a_long_run_moves_at_every_eighth_step_by_as_much(data):
    policy = MLP(MLPConfig(**SMALL), Spec(state=12, action=2, embedding=4))
    learner = learner_for(policy, TrainConfig(ema_decay=0.9, schedule="constant"))
    learner.step = 1000
    before = learner.averaged()["head.linear.weight"]
    _, sampler = sampler_of(data)
    for step in range(7):
        learner.update(sampler.batch(step, 16))
        assert torch.equal(learner.averaged()["head.linear.weight"], before)
    learner.update(sampler.batch(7, 16))
    weights = policy.state_dict()["head.linear.weight"]
    expected = torch.lerp(before, weights, 1 - 0.9**8)
    assert torch.allclose(learner.averaged()["head.linear.weight"], expected)


def test_training_learns_to_act_as_the_demonstrations_do(data, tmp_path):
    config = TrainConfig(
        steps=500, batch_size=64, threads=1, precision="float32", learning_rate=3e-3
    )
    trained = quick(data, tmp_path, config, policy_config={**SMALL, "width": 128})
    source, sampler = sampler_of(data)
    batch = sampler.batch(0, 256)
    names = [data.tasks[i] for i in batch.task]
    from robomtl.acting.actor import TaskInfo

    task_infos = [TaskInfo(name, data.instructions[name]) for name in names]
    embedding = trained.card.conditioning.fixed(task_infos)
    actions, _ = trained.policy.act(batch.observation, embedding, None)
    assert (actions - batch.action).abs().mean() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(7,), (20, 41), (59,)])
def test_training_killed_at_any_step_ends_with_the_same_weights(steps, data, tmp_path):
    quick(data, tmp_path / "whole")
    for step in steps:
        child = multiprocessing.get_context("fork").Process(
            target=killed, args=(data, step, tmp_path / "killed")
        )
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "policy.json").exists()
    quick(data, tmp_path / "killed")
    here = load_file(tmp_path / "killed" / "policy.safetensors")
    there = load_file(tmp_path / "whole" / "policy.safetensors")
    assert all(torch.equal(here[name], there[name]) for name in there)


def killed(data, step, out):
    """Trains and kills its own process in the middle of a step."""
    update = JoinedLearner.update

    def fatal(self, batch):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return update(self, batch)

    JoinedLearner.update = fatal
    quick(data, out)


def test_a_checkpoint_goes_on_bit_for_bit(data, tmp_path):
    _, sampler = sampler_of(data)
    config = TrainConfig(steps=20, threads=1)

    def learner():
        torch.manual_seed(0)
        spec = Spec(state=12, action=2, embedding=4)
        return learner_for(MLP(MLPConfig(**SMALL), spec), config)

    whole, half, rest = learner(), learner(), learner()
    for step in range(20):
        whole.update(sampler.batch(step, 16))
    for step in range(10):
        half.update(sampler.batch(step, 16))
    half.save(tmp_path / "half.safetensors")
    rest.restore(tmp_path / "half.safetensors")
    for step in range(10, 20):
        rest.update(sampler.batch(step, 16))
    for name, value in whole.averaged().items():
        assert torch.equal(value, rest.averaged()[name])


def test_a_finished_run_is_only_read(data, tmp_path):
    first = quick(data, tmp_path)
    before = (tmp_path / "policy.safetensors").stat().st_mtime_ns
    assert quick(data, tmp_path).fingerprint == first.fingerprint
    assert (tmp_path / "policy.safetensors").stat().st_mtime_ns == before


def test_a_run_directory_of_other_settings_is_refused(data, tmp_path):
    quick(data, tmp_path)
    with pytest.raises(
        ValueError, match="steps is 60 in the folder and 70 now.*'constant' may"
    ):
        quick(data, tmp_path, replace(QUICK, steps=70))
    with pytest.raises(ValueError, match="batch_size is 32 in the folder and 16 now"):
        quick(data, tmp_path, replace(QUICK, batch_size=16))
    with pytest.raises(
        ValueError, match="policy_config.width is 32 in the folder and 33 now"
    ):
        quick(data, tmp_path, policy_config={**SMALL, "width": 33})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"learning_rate": 1e38, "max_grad_norm": 1e38}, FloatingPointError),
        ({"precision": "float32", "sampling": "validation_loss"}, ValueError),
    ],
)
def test_a_run_that_stopped_before_anything_was_kept_claims_no_folder(
    data, tmp_path, wrong, error
):
    config = replace(QUICK, validation=0.0, schedule="constant", save_every=1000)
    with pytest.raises(error):
        quick(data, tmp_path, replace(config, **wrong))
    quick(data, tmp_path, config)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["training"]["learning_rate"] == QUICK.learning_rate


def test_a_run_directory_removed_while_training_is_not_made_again(
    data, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    record = Log.train

    def removing(self, *given, **named):
        record(self, *given, **named)
        self._writer.flush()
        shutil.rmtree(out)

    monkeypatch.setattr(Log, "train", removing)
    with pytest.raises(
        InputError, match="run.json was removed while robomtl worked in its folder"
    ):
        quick(data, out)
    assert not out.exists()


def test_a_run_beside_another_in_one_folder_is_refused_and_overwrites_nothing(
    data, tmp_path
):
    with (
        locked(tmp_path),
        pytest.raises(ValueError, match="Another process is writing"),
    ):
        quick(data, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_policy_without_its_request_is_not_taken_for_the_one_that_is_asked_for(
    data, tmp_path
):
    quick(data, tmp_path)
    (tmp_path / "run.json").unlink()
    with pytest.raises(
        ValueError, match=r"run.json is missing, which records the settings of policy"
    ):
        quick(data, tmp_path)


def test_settings_that_decide_no_outcome_may_change_when_a_run_goes_on(data, tmp_path):
    whole = quick(data, tmp_path / "whole")
    stopped_at(data, tmp_path / "changed", step=30)
    others = {"threads": 1, "save_every": 7, "log_every": 3, "validate_every": 50}
    changed = replace(QUICK, device="cpu:0", affinity_every=25, **others)
    went_on = quick(data, tmp_path / "changed", changed)
    assert same_weights(went_on, whole)
    assert quick(data, tmp_path / "changed").fingerprint == went_on.fingerprint


def stopped_at(data, out, *, step, config=QUICK):
    """Leaves a run as one that Ctrl-C stopped after a step."""
    update = JoinedLearner.update

    def stopping(self, batch):
        taken = update(self, batch)
        if self.step == step:
            signal.raise_signal(signal.SIGINT)
        return taken

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JoinedLearner, "update", stopping)
        with pytest.raises(KeyboardInterrupt):
            quick(data, out, config)


def same_weights(one, other):
    here, there = one.policy.state_dict(), other.policy.state_dict()
    return all(torch.equal(here[name], there[name]) for name in there)


def test_a_run_of_constant_rate_goes_on_to_more_steps_and_no_other_does(data, tmp_path):
    constant = replace(QUICK, schedule="constant", steps=30)
    quick(data, tmp_path / "longer", constant)
    longer = quick(data, tmp_path / "longer", replace(constant, steps=45))
    whole = quick(data, tmp_path / "whole", replace(constant, steps=45))
    assert longer.card.step == 45
    assert same_weights(longer, whole)
    with pytest.raises(
        InputError, match="45 in the folder and 30 now.*not fewer"
    ) as refused:
        quick(data, tmp_path / "longer", constant)
    assert "'constant'" not in str(refused.value)


def test_a_run_that_an_earlier_version_began_goes_on(data, tmp_path):
    whole = quick(data, tmp_path / "whole")
    stopped_at(data, tmp_path / "earlier", step=30)
    path = tmp_path / "earlier" / "run.json"
    run = json.loads(path.read_text())
    del run["start"]
    settings = {k: v for k, v in run["training"].items() if k not in ADDED}
    for old, new in NAMES.items():
        if new in settings:  # Others are of methods.
            settings[old] = settings.pop(new)
    run["training"] = settings | {"schedule": "one_cycle"}
    path.write_text(json.dumps(run))
    assert same_weights(quick(data, tmp_path / "earlier"), whole)


def test_a_run_that_was_begun_before_precision_was_chosen_goes_on_in_its_own(
    data, tmp_path
):
    early = replace(QUICK, precision="bfloat16", device="cpu", threads=1)
    stopped_at(data, tmp_path, step=10, config=early)
    (tmp_path / "machine.json").unlink()
    quick(data, tmp_path, replace(QUICK, precision="auto"))
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["training"]["precision"] == "bfloat16"


def test_a_run_that_goes_on_counts_the_steps_it_takes(data, tmp_path, capsys):
    stopped_at(data, tmp_path, step=33)
    capsys.readouterr()
    before = elapsed_in(tmp_path)
    quick(data, tmp_path)
    assert "Training: 60/60" in capsys.readouterr().err
    assert elapsed_in(tmp_path) > before > 0


def test_losses_are_logged_by_task_for_training_and_validation(data, tmp_path):
    quick(data, tmp_path)
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = set(log.Tags()["scalars"])
    assert {"train/loss", "train/learning_rate", "validation/loss"} <= tags
    for task in data.tasks:
        assert {f"train_task/{task}", f"validation_task/{task}"} <= tags


def test_too_few_episodes_to_hold_any_out_are_all_trained_on(data, tmp_path, capsys):
    quick(data, tmp_path, TrainConfig(**{**vars(QUICK), "validation": 0.1}))
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert "validation/loss" not in log.Tags()["scalars"]
    message = "validation is 0.1, which holds out none of 8 episodes per task"
    message += ": no validation loss is measured. Give 0.125 or more to hold out one."
    assert message in capsys.readouterr().err


def test_the_run_directory_says_how_to_repeat_it(data, tmp_path):
    quick(data, tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["data"] == {"episodes": 32, "sha256": data.fingerprint}
    assert run["training"]["temperature"] == "inf"
    assert run["suite"] == "points/MT4"


def test_a_loss_that_is_not_finite_stops_with_task_and_step(data, tmp_path):
    config = TrainConfig(
        steps=200,
        batch_size=32,
        learning_rate=1e38,
        threads=1,
        max_grad_norm=1e38,
        schedule="constant",
    )
    with pytest.raises(FloatingPointError, match=r"The loss is .*Step \d+, task reach"):
        quick(data, tmp_path, config)


def test_a_gradient_that_is_not_finite_leaves_the_weights(data):
    policy = MLP(MLPConfig(**SMALL), Spec(state=12, action=2, embedding=4))
    learner = learner_for(policy, TrainConfig(precision="float32"))
    _, sampler = sampler_of(data)
    policy.encoder.weight.register_hook(lambda gradient: gradient * math.inf)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    with pytest.raises(FloatingPointError, match="The gradient is"):
        learner.update(sampler.batch(0, 16))
    assert all(torch.equal(before[k], v) for k, v in policy.state_dict().items())


def test_training_leaves_the_caller_s_draws_as_they_were(data, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    quick(data, tmp_path)
    assert torch.equal(torch.rand(1), expected)


def test_evaluation_during_training_needs_a_suite(data, tmp_path):
    anonymous = Demonstrations.of(replace(data._contents, suite=None))
    config = TrainConfig(**{**vars(QUICK), "evaluate_every": 20})
    with pytest.raises(ValueError, match="names no suite to evaluate on"):
        quick(anonymous, tmp_path, config)


@pytest.mark.slow
def test_the_policy_is_evaluated_during_training_if_asked(data, tmp_path):
    settings = {**vars(QUICK), "evaluate_every": 30, "evaluate_episodes": 2}
    quick(data, tmp_path, TrainConfig(**settings))
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [s.step for s in log.Scalars("evaluation/task_mean")] == [30, 60]


def press_ctrl_c(*given, **named):
    os.kill(os.getpid(), signal.SIGINT)


def test_a_run_stopped_in_an_evaluation_goes_on_with_that_evaluation(
    data, tmp_path, monkeypatch
):
    config = replace(QUICK, evaluate_every=60, evaluate_episodes=1)
    with monkeypatch.context() as patched:
        patched.setattr(acting, "evaluate", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            quick(data, tmp_path, config)
    assert load_file(tmp_path / "training.safetensors")["step"] == 60
    quick(data, tmp_path, config)
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [each.step for each in log.Scalars("evaluation/task_mean")] == [60]
    assert [each.step for each in log.Scalars("train/loss")] == [*range(10, 61, 10)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("ema_decay", 1.0),
        ("max_grad_norm", -1.0),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}; give"):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"layers": 10**6}, "layers=1000000 .*: its network has more than 1160 parts"),
        (
            {"width": 10**6},
            r"training its [\d,]+ parameters takes .* GB of memory, and",
        ),
    ],
)
def test_an_architecture_beyond_memory_is_refused_before_it_is_built(
    data, tmp_path, monkeypatch, setting, message
):
    monkeypatch.setattr(needed_memory, "_MOST_TENSORS", 10)
    monkeypatch.setattr(needed_memory, "memory", lambda: 10**8)
    with pytest.raises(ValueError, match=f"Policy 'mlp' with .*{message}"):
        quick(data, tmp_path / "run", policy_config={**SMALL, **setting})
    assert not (tmp_path / "run").exists()


def test_a_batch_beyond_memory_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(needed_memory, "memory", lambda: 10**8)
    message = r"batch_size is 10000000: a batch takes .* GB of memory, and this machine"
    with pytest.raises(InputError, match=message):
        quick(data, tmp_path / "run", replace(QUICK, batch_size=10**7))


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [("schedule", "cosin", "cosine"), ("precision", "float23", "float32")],
)
def test_an_unknown_setting_names_the_nearest(field, value, nearest):
    with pytest.raises(ValueError, match=f"'{value}'. Did you mean '{nearest}'"):
        TrainConfig(**{field: value})


def test_a_chunk_longer_than_every_episode_is_refused(data, tmp_path):
    longest = int(data.episodes.length.max())
    message = (
        f"chunk is {longest + 1}, but the longest demonstration has {longest} steps"
    )
    with pytest.raises(InputError, match=message):
        quick(data, tmp_path / "run", policy_config={**SMALL, "chunk": longest + 1})
    assert not (tmp_path / "run").exists()


def test_a_history_longer_than_every_episode_is_refused(data, tmp_path):
    longest = int(data.episodes.length.max())
    message = f"history is {longest + 1}, but the longest demonstration has {longest}"
    with pytest.raises(InputError, match=rf"{message} steps.* give {longest} or less"):
        quick(data, tmp_path / "run", replace(QUICK, history=longest + 1))
    assert not (tmp_path / "run").exists()


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed is -1; give 0 to"):
        TrainConfig(seed=-1)


def test_a_setting_the_policy_does_not_have_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="Policy 'mlp'.*widht"):
        quick(data, tmp_path, policy_config={"widht": 3})


def test_an_unknown_policy_names_the_nearest(data, tmp_path):
    with pytest.raises(ValueError, match="Unknown policy 'flim'. Did you mean 'film'"):
        quick(data, tmp_path, policy="flim")


def test_the_normaliser_is_fitted_on_the_training_episodes(data, tmp_path):
    trained = quick(data, tmp_path)
    kept = np.concatenate(
        [
            np.arange(s, s + n)
            for i, (s, n) in enumerate(zip(*data.episodes[1:3], strict=True))
            if i % 8 < 6
        ]
    )
    mean = torch.from_numpy(data.state[kept]).mean(0)
    assert torch.allclose(trained.policy.normaliser.mean, mean, atol=1e-5)
