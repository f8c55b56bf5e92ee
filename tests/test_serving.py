import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from peculiar import (
    Buggy,
    Counting,
    Drawing,
    Full,
    KindAgent,
    Odd,
    Sociable,
    StillbornAgent,
)
from test_agent import SUITE, observations, saved, start
from test_cli import refusal
from test_evaluation_resuming import stopped
from wobbling import BitsSuite, WobblingAgent

import robomtl
from robomtl.acting.joining import Group, JointPolicy
from robomtl.acting.policy_episodes import ROWS
from robomtl.cli.main import main
from robomtl.envs.points import PointsSuite
from robomtl.errors import StartError
from robomtl.evaluation import EvaluationConfig, ExpertAgent
from robomtl.evaluation.journal_lines import Head
from robomtl.execution.compute import Compute
from robomtl.execution.machine import devices
from robomtl.execution.serving import serve
from robomtl.experiments import resumed_evaluation
from robomtl.experiments.evaluating import evaluate
from robomtl.experiments.resumed_evaluation import serving_device
from robomtl.policies.film import Film, FilmConfig
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Spec

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite(variant="MT4", horizon=8)
BITS = BitsSuite(variant="MT4", horizon=8)
SPEC = Spec(state=12, action=2, embedding=4)


def agent_of(folder, kind=MLP):
    return KindAgent(saved(folder).run, kind)


def groups(policy, count, memories=None):
    """Groups of rows, each with something else to see."""
    generator = torch.Generator().manual_seed(3)
    return [
        Group(
            {"state": torch.randn(ROWS, SPEC.state, generator=generator)},
            torch.randn(ROWS, SPEC.embedding, generator=generator),
            memory,
            seed,
        )
        for seed, memory in enumerate(memories or [None] * count)
    ]


def table(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


def children():
    return {process.pid for process in multiprocessing.active_children()}


@pytest.mark.parametrize("kind", [MLP, Film, Drawing, Counting, Sociable])
def test_a_group_is_answered_alike_in_any_company_and_place(kind):
    torch.manual_seed(0)
    config = FilmConfig(width=16) if kind is Film else MLPConfig(width=16)
    joint = JointPolicy(kind(config, SPEC).eval(), "cpu")
    first = joint(groups(joint, 20))
    some = groups(joint, 20)
    assert joint([some[3]])[0].chunk.equal(first[3].chunk)
    assert joint(some[::-1])[16].chunk.equal(first[3].chunk)
    later = groups(joint, 20, [each.memory for each in first])
    mixed = [later[0], *some[1:3], later[3], some[4]]
    alone = [joint([each])[0].chunk for each in mixed]
    assert all(map(torch.equal, alone, (each.chunk for each in joint(mixed))))


@pytest.mark.parametrize(("kind", "rows"), [(MLP, 160), (Drawing, 10), (Sociable, 10)])
def test_only_a_policy_whose_groups_are_their_own_is_asked_for_all(kind, rows):
    policy = kind(MLPConfig(width=16), SPEC).eval()
    joint, seen = JointPolicy(policy, "cpu"), []
    policy.trunk.register_forward_hook(lambda *passed: seen.append(len(passed[2])))
    joint(groups(joint, 4))
    assert set(seen) == {rows}


def test_what_a_served_policy_draws_is_what_it_draws_in_a_worker():
    policy = Drawing(MLPConfig(width=16), SPEC).eval()
    given = groups(policy, 3)
    drawn = JointPolicy(policy, "cpu")(given)
    for group, each in zip(given, drawn, strict=True):
        torch.manual_seed(group.seed)
        assert policy.act(group.observation, group.task_embedding, None)[0].equal(
            each.chunk
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Drawing, Counting])
def test_trials_are_the_same_for_any_number_of_workers(tmp_path, kind):
    with serve(agent_of(tmp_path / "policy", kind), device="cpu") as served:
        for workers in (1, 2, 3):
            out = tmp_path / str(workers)
            evaluate(
                served,
                BITS,
                out=out,
                config=EvaluationConfig(episodes=12),
                compute=Compute(workers=workers),
            )
    one, two, three = (table(tmp_path / name) for name in "123")
    assert one.equals(two) and one.equals(three)
    assert len(set(one["first_success_step"].to_pylist())) > 5


def test_a_long_path_of_temporary_files_is_no_hindrance(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with serve(saved(tmp_path / "policy"), device="cpu") as served:
        assert served.load(SUITE) is not None


def test_an_actor_of_several_groups_keeps_their_memories_apart(tmp_path):
    agent = agent_of(tmp_path, Counting)
    seen, running = observations(14), np.ones(14, np.bool_)
    with serve(agent, device="cpu") as served:
        here, there = agent.load(SUITE), served.load(SUITE)
        for actor in (here, there):
            start(actor, 14)
        for _ in range(3):
            assert np.allclose(here(seen, running), there(seen, running), atol=1e-6)
    assert not children()


@pytest.mark.slow
def test_a_stopped_evaluation_goes_on_on_its_device(tmp_path, capsys):
    agent, out = saved(tmp_path / "policy"), tmp_path / "run"
    words = ["evaluate", str(agent.run), "--device", "cpu", "--out", str(out)]
    words += ["--episodes", "12", "--horizon", "8", "--workers", "1"]
    assert main(words) == 0
    assert "policy on cpu" in (out / "report.html").read_text()
    shutil.copytree(out, tmp_path / "whole")
    stopped(out)
    assert main(["evaluate", "--resume", str(out), "--workers", "1"]) == 0
    assert table(out).equals(table(tmp_path / "whole"))


def test_results_of_another_device_are_others(tmp_path):
    agent, out = saved(tmp_path / "policy"), tmp_path / "run"
    evaluate(
        agent,
        POINTS,
        out=out,
        config=EvaluationConfig(episodes=1),
        compute=Compute(workers=1),
    )
    with serve(agent, device="cpu") as served:
        with pytest.raises(
            ValueError, match=r"agent is '\w{12}' in the folder and '\w{12} on cpu'"
        ):
            evaluate(
                served,
                POINTS,
                out=out,
                config=EvaluationConfig(episodes=1),
                compute=Compute(workers=1),
            )
    other = r"was begun with its policy on the workers' processors; on cpu results may"
    with pytest.raises(ValueError, match=other):
        robomtl.resume_evaluation(out, device="cpu")


@pytest.mark.slow
def test_a_worker_that_dies_stops_no_other(tmp_path):
    class Death(threading.Thread):
        """Kills a worker once some trials are played."""

        def run(self):
            journal = tmp_path / "run" / "journal.jsonl"
            while not journal.exists() or '"outcomes"' not in journal.read_text():
                time.sleep(0.05)
            workers = [pid for pid in children() if pid not in serving]
            os.kill(workers[0], signal.SIGKILL)

    agent = agent_of(tmp_path / "policy", Counting)
    with serve(agent, device="cpu") as served:
        serving = children()
        Death(daemon=True).start()
        evaluate(
            served,
            BITS,
            out=tmp_path / "run",
            config=EvaluationConfig(episodes=50),
            compute=Compute(workers=2),
        )
        evaluate(
            served,
            BITS,
            out=tmp_path / "whole",
            config=EvaluationConfig(episodes=50),
            compute=Compute(workers=1),
        )
    assert table(tmp_path / "run").equals(table(tmp_path / "whole"))
    assert not children()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        (Full, ValueError, "'cpu' has too little free memory .*: Tried to allocate 2"),
        (Odd, ValueError, r"step 1: action .* is not finite"),
        (Buggy, RuntimeError, "no such layer"),
    ],
)
def test_a_failure_of_the_policy_reaches_the_user(tmp_path, kind, error, said):
    with serve(agent_of(tmp_path / "policy", kind), device="cpu") as served:
        with pytest.raises(error, match=said):
            evaluate(
                served,
                POINTS,
                out=tmp_path / "run",
                config=EvaluationConfig(episodes=12),
            )
    assert not children()


def test_the_death_of_the_serving_process_is_told(tmp_path):
    with serve(saved(tmp_path), device="cpu") as served:
        actor = served.load(SUITE)
        start(actor, 10)
        os.kill(children().pop(), signal.SIGKILL)
        with pytest.raises(
            ValueError, match="serves '.* on cpu' has died. Finished work"
        ):
            actor(observations(10), np.ones(10, np.bool_))
    with pytest.raises(
        ValueError, match="is not served here. It is served only inside"
    ):
        served.load(SUITE)


@pytest.mark.usefixtures("spawned_workers")
def test_a_serving_process_that_does_not_start_is_told(tmp_path):
    with pytest.raises(
        StartError, match="serves the policy does not start; its output"
    ):
        with serve(StillbornAgent(saved(tmp_path).run), device="cpu"):
            pass


def test_only_processes_of_the_evaluation_are_served(tmp_path, monkeypatch):
    with serve(saved(tmp_path), device="cpu") as served:
        with monkeypatch.context() as stranger:
            this = multiprocessing.current_process()
            stranger.setattr(this, "authkey", b"guessed")
            with pytest.raises(
                ValueError, match=r"processes of this machine \(LocalEx"
            ):
                served.load(SUITE)
        served.load(SUITE)


def test_the_serving_process_ends_with_its_block(tmp_path):
    with contextlib.suppress(KeyboardInterrupt):
        with serve(saved(tmp_path), device="cpu"):
            assert len(children()) == 1
            raise KeyboardInterrupt
    assert not children()


def test_a_policy_that_changed_is_not_served(tmp_path):
    agent = saved(tmp_path)
    saved(tmp_path, chunk=2)
    with pytest.raises(ValueError, match="changed while it was evaluated"):
        with serve(agent, device="cpu"):
            pass


@pytest.mark.parametrize("device", ["cuda:99", "gpu", ""])
def test_a_device_that_is_not_there_is_refused(tmp_path, capsys, device):
    agent = saved(tmp_path)
    said = refusal(capsys, "evaluate", agent.run, "--device", device)
    assert f"There is no device '{device}' here; torch finds cpu" in said
    assert devices()[0] == "cpu"


def test_what_is_no_policy_is_refused(capsys):
    words = ("evaluate", "expert", "--suite", "points/MT4", "--device", "cpu")
    assert "'expert' is not a trained policy" in refusal(capsys, *words)
    with pytest.raises(ValueError, match="leave the device out"):
        with serve(WobblingAgent(), device="cpu"):
            pass


def test_a_device_is_refused_on_ray(tmp_path, capsys):
    words = ("evaluate", saved(tmp_path).run, "--device", "cpu", "--ray", "local")
    assert "--device serves a policy to the processes of this" in refusal(
        capsys, *words
    )


def test_auto_is_the_gpu_unless_an_evaluation_was_begun_without(tmp_path, monkeypatch):
    agent, expert = saved(tmp_path / "policy"), ExpertAgent()
    assert serving_device(agent, "auto", tmp_path / "new") is None
    gpu = torch.device("cuda")
    monkeypatch.setattr(resumed_evaluation, "device_of", lambda name: gpu)
    assert serving_device(agent, "auto", tmp_path / "new") == "cuda"
    assert serving_device(agent, None, tmp_path / "new") is None
    assert serving_device(expert, "auto", None) is None
    for origin, name, expected in (
        ({"device": None}, "abc", None),
        ({"device": "cuda:1"}, "abc on NVIDIA H200", "cuda:1"),
        (None, "abc on NVIDIA H200", "cuda"),
    ):
        head = Head(plan={"agent": name}, origin=origin)
        monkeypatch.setattr(resumed_evaluation, "read_head", lambda path, it=head: it)
        assert serving_device(agent, "auto", tmp_path) == expected
