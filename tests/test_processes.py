"""Training in several processes gives the numbers of a single process."""

import multiprocessing
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from test_learner import learner_of

from robomtl import checkpoint
from robomtl.conditioning import InstructionAugmentation
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError, LostProcessError, MissingExtraError, StartError
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LocalExecutor, spawn
from robomtl.policy import Batch
from robomtl.suites import suite
from robomtl.training import TrainConfig, train, trainable
from robomtl.training.augmentation import Augmentation
from robomtl.training.balancing import Balancing
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.divided import Divided, DividedDraws, slices_of_parts
from robomtl.training.loop import take_steps
from robomtl.training.material import materials
from robomtl.training.objective import Cloning
from robomtl.training.processes import ALONE, Accelerated, check_devices, number_of
from robomtl.training.trainable import check_divisible
from robomtl.training.worker_processes import _check_started, _reason

pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = {"width": 16, "layers": 1, "task_width": 8}
QUICK = TrainConfig(
    steps=200,
    batch_size=48,
    precision="float32",
    threads=1,
    save_every=80,
    log_every=50,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


class Threads:
    """Processes that are threads, for learners that draw nothing at random."""

    def __init__(self, number):
        self.barrier, self.given = threading.Barrier(number), [None] * number
        self.ranks = [Rank(self, rank) for rank in range(number)]

    def run(self, works):
        """Runs functions in parallel threads; returns their results."""
        with ThreadPoolExecutor(len(works)) as pool:
            return [each.result() for each in [pool.submit(work) for work in works]]


class Rank:
    def __init__(self, threads, rank):
        self.threads, self.rank, self.number = threads, rank, len(threads.given)

    def add_up(self, tensors):
        for tensor in tensors:
            self.threads.given[self.rank] = tensor.clone()
            self.threads.barrier.wait()
            total = torch.stack(self.threads.given).sum(0)
            self.threads.barrier.wait()
            tensor.copy_(total)


class Even:
    """Batches of random numbers of two tasks, which can be divided."""

    def batch(self, step, size):
        generator = torch.Generator().manual_seed(step)

        def rand(*shape):
            return torch.rand(shape, generator=generator)

        return Batch(
            observation={"state": rand(size, 4)},
            action=rand(size, 1, 2),
            mask=torch.ones(size, 1),
            task_embedding=rand(size, 3),
            task=torch.arange(size) * 2 // size,
        )

    def divided(self, step, size, own, of):
        whole = self.batch(step, size)
        places = slices_of_parts(size, own, of)
        parts = tuple(
            Batch({"state": whole.observation["state"][p]}, *(x[p] for x in whole[1:]))
            for p in places
        )
        return Divided(parts, slice(places[0].start, places[-1].stop), whole.task)


def learning(kind, where=ALONE, passes=1, draws=Even, **settings):
    """A function that trains, and returns weights and the loss of the last step."""
    learner, config = learner_of(kind, where, accumulate=passes, **settings)
    parts = where.number * passes
    own = range(where.rank * passes, (where.rank + 1) * passes)
    drawn = draws() if parts == 1 else DividedDraws(draws(), own, parts)

    def learn():
        last = take_steps(learner, drawn, config)
        return learner.averaged(), last.loss.per_sample.detach()

    return learn


@pytest.mark.parametrize(
    ("kind", "passes", "settings"),
    [
        ("joined", 1, {}),
        ("module", 2, {"max_grad_norm": 0.01}),
        ("joined", 2, {"balancing": Balancing(weights=(("a", 3.0),))}),
        ("joined", 1, {"weighting": "uncertainty"}),
        ("module", 1, {"weighting": "dwa", "balancing": Balancing(window=3)}),
        ("joined", 1, {"weighting": "famo"}),
    ],
)
def test_several_processes_and_passes_learn_as_one(kind, passes, settings):
    alone, losses = learning(kind, **settings)()
    threads = Threads(2)
    for weights, theirs in threads.run(
        [learning(kind, rank, passes, **settings) for rank in threads.ranks]
    ):
        assert torch.allclose(theirs, losses, atol=1e-5)
        for name, value in alone.items():
            assert torch.allclose(weights[name], value, atol=1e-5), name


def test_a_part_that_is_not_finite_stops_every_process_with_the_tasks():
    class Broken(Even):
        def batch(self, step, size):
            batch = super().batch(step, size)
            batch.action[-1] = float("nan")
            return batch

    def stopped(learn):
        with pytest.raises(
            FloatingPointError, match="Step 0, task b; a lower"
        ) as raised:
            learn()
        return str(raised.value)

    threads = Threads(2)
    works = [learning("joined", rank, draws=Broken) for rank in threads.ranks]
    assert len({*threads.run([partial(stopped, each) for each in works])}) == 1


@pytest.mark.parametrize(
    "augmentation", [Augmentation(), Augmentation(translation=0.1, relabelling=0.5)]
)
def test_parts_together_are_the_whole_batch(data, augmentation):
    config = replace(
        QUICK,
        augmentation=augmentation,
        instruction_augmentation=InstructionAugmentation(swap=0.3),
    )
    conditioning = conditioning_for(data, ("language",), Cloning())
    material, _ = materials(data, conditioning, replace(config, device="cpu"), chunk=2)
    draws = Cloning().draws(material, config)
    whole = draws.batch(5, 31)
    divided = [draws.divided(5, 31, [2 * k, 2 * k + 1], 6) for k in range(3)]
    assert [each.samples for each in divided] == [
        slice(0, 10),
        slice(10, 20),
        slice(20, 31),
    ]
    parts = [part for each in divided for part in each.parts]
    for name in ("action", "mask", "task_embedding", "task"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name
    states = torch.cat([part.observation["state"] for part in parts])
    assert torch.equal(states, whole.observation["state"])
    assert torch.equal(divided[0].task, whole.task)


def test_passes_change_nothing_but_rounding_and_a_run_resumes_with_others(
    data, tmp_path
):
    short = replace(QUICK, steps=20, schedule="constant", prefetch="on")
    whole = run(data, tmp_path / "whole", replace(short, steps=30))
    run(data, tmp_path / "passes", replace(short, accumulate=3, threads="auto"))
    resumed = run(data, tmp_path / "passes", replace(short, steps=30, accumulate=2))
    assert furthest(whole, resumed) < 1e-5


def run(data, out, config):
    made = train(data, out=out, policy="mlp", policy_config=SMALL, config=config)
    return made.policy.state_dict()


def furthest(one, other):
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.mark.slow
def test_two_processes_end_as_one_and_resume_at_another_number(data, tmp_path, capfd):
    whole = run(data, tmp_path / "one", QUICK)
    two = run(data, tmp_path / "two", replace(QUICK, processes=2))
    assert furthest(whole, two) < 1e-5
    said = capfd.readouterr().err
    assert said.count("with 2 processes of 1 thread.") == 1
    assert len([*(tmp_path / "two" / "tensorboard").iterdir()]) == 1


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_run_resumes(data, tmp_path):
    whole = run(data, tmp_path / "whole", QUICK)
    out = tmp_path / "killed"

    def kill():
        while not (out / "training.safetensors").exists():
            time.sleep(0.01)
        for child in multiprocessing.active_children():
            child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        LostProcessError, match="Process 1 of the training was killed by SIGKILL"
    ):
        run(data, out, replace(QUICK, processes=2))
    killer.join()
    assert not (out / "policy.json").exists()
    assert furthest(whole, run(data, out, QUICK)) < 1e-5


@pytest.mark.slow
def test_accelerate_launch_runs_the_same_loop(data, tmp_path):
    pytest.importorskip("accelerate", reason="needs the extra accelerate")
    alone = run(data, tmp_path / "one", replace(QUICK, steps=40))
    words = f"-m robomtl train --data {data.path} --out {tmp_path / 'two'} --policy mlp"
    words += " --architecture.width 16 --architecture.layers 1 --threads 1"
    words += " --architecture.task-width 8 --steps 40 --batch-size 48"
    words += " --precision float32 --save-every 80 --log-every 50"
    launch = "-m accelerate.commands.launch --cpu --num_processes 2"
    done = subprocess.run(
        [sys.executable, *launch.split(), *words.split()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("parameters in") == 1
    made = checkpoint.load(tmp_path / "two").policy.state_dict()
    assert furthest(alone, made) < 1e-5


@pytest.mark.parametrize(
    ("settings", "objective", "message"),
    [
        (
            {"processes": 2},
            "maml",
            "objective 'maml' .* be combined with processes.",
        ),
        (
            {"processes": 2, "aggregation": "pcgrad"},
            "cloning",
            "aggregation 'pcgrad' diff",
        ),
        (
            {"accumulate": 2, "weighting": "famo"},
            "cloning",
            "cannot be combined with accumulate",
        ),
        (
            {"processes": 2, "weighting": "gradnorm"},
            "cloning",
            "objective cloning with",
        ),
        (
            {"processes": 2, "sampling": "validation_loss"},
            "cloning",
            "g 'validation_loss'",
        ),
        (
            {"compile": True},
            "reptile",
            "objective 'reptile' .* be combined with compile.",
        ),
        (
            {"processes": 3, "accumulate": 4, "batch_size": 8},
            "cloning",
            "A batch of 8 has no sample for each of 12 parts .*give batch_size 12",
        ),
    ],
)
def test_what_cannot_be_divided_or_compiled_is_refused(settings, objective, message):
    config = TrainConfig(**settings)
    made = checkpoint.configure_objective(objective, {})
    with pytest.raises(InputError, match=message):
        check_divisible(config, made, objective=objective)


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(trainable, "which", lambda name: None)
    config, made = TrainConfig(compile=True, device="cpu"), Cloning()
    with pytest.raises(InputError, match="compile needs a C.. compiler.*apt install g"):
        check_divisible(config, made, objective="cloning")


@pytest.mark.slow
def test_compiled_steps_are_those_of_eager_ones(data, tmp_path, monkeypatch):
    # What is traced is ours; the C++ that torch makes of it takes half a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    short = replace(QUICK, steps=20, save_every=10, schedule="constant")
    eager = run(data, tmp_path / "eager", short)
    compiled = run(data, tmp_path / "compiled", replace(short, compile=True))
    assert furthest(eager, compiled) < 1e-5
    saved = load_file(tmp_path / "compiled" / "training.safetensors")
    assert not [name for name in (*saved, *compiled) if "_orig_mod" in name]
    resumed = run(data, tmp_path / "compiled", replace(short, steps=30))
    whole = run(data, tmp_path / "whole", replace(short, steps=30))
    assert furthest(whole, resumed) < 1e-5


def test_processes_without_a_device_each_are_refused(monkeypatch):
    class Two:
        def device_count(self):
            return 2

    monkeypatch.setattr(torch, "get_device_module", lambda kind: Two())
    check_devices(2, "cuda")
    with pytest.raises(InputError, match="3 processes .* torch finds 2; give --proc"):
        check_devices(3, "cuda")
    with pytest.raises(
        InputError, match="'cuda:1' is a single one; give --device cuda"
    ):
        check_devices(2, "cuda:1")


def test_more_processes_than_a_machine_has_room_for_are_refused(monkeypatch):
    monkeypatch.setattr("robomtl.execution.cores.cores", lambda: 4)
    check_devices(32, "cpu")
    with pytest.raises(InputError, match="processes is 33, .* 4 cores .* at most 32"):
        check_devices(33, "cpu")
    with pytest.raises(InputError, match="workers is 200, .* give at most 32"):
        LocalExecutor(workers=200)


def test_a_launcher_decides_the_number_of_processes(monkeypatch):
    assert number_of(3) == 3
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert number_of(1) == number_of(2) == 2
    with pytest.raises(InputError, match="is 3, and the launcher has started 2; leave"):
        number_of(3)


def test_without_the_extra_it_is_said_how_to_install_it(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'robomtl\[accelerate\]'"):
        run(data, tmp_path, replace(QUICK, processes=2))
    assert not (tmp_path / "run.json").exists()


def test_a_launched_training_needs_a_folder_and_data(monkeypatch, capsys):
    from robomtl.cli.main import main

    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "--suite", "points/MT4"]) == 2
    assert "give --out DIR and --data DIR" in " ".join(capsys.readouterr().err.split())


def test_a_process_that_is_lost_elsewhere_is_said_so(monkeypatch):
    library = pytest.importorskip("accelerate", reason="needs the extra accelerate")

    def closed(tensor, reduction):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(library.utils, "reduce", closed)
    with pytest.raises(
        LostProcessError, match="Another of the 2 processes .* same command resumes"
    ):
        Accelerated(0, 2).add_up([torch.zeros(1)])


def _exits(connection):
    sys.exit(3)


@pytest.mark.slow
def test_a_process_that_does_not_start_or_ends_early_is_named():
    (other,) = others = [spawn(_exits)]
    with pytest.raises(StartError, match="does not start; its error is shown above"):
        _check_started(others)
    assert "Process 1 of the training ended with exit code 3" in str(_reason(others))
    other[1].close()
