"""Streams of tasks: methods, their memory, and measures of transfer."""

import re
import shlex
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import tyro

import robomtl
from robomtl.cli.lifelong import Lifelong, request_from
from robomtl.continual.agem import ReplayBatch
from robomtl.continual.ewc import Ewc, check_finite, fisher, joined
from robomtl.continual.lifelong_method import LIFELONG, StreamSetting
from robomtl.continual.packnet import Owners, claim
from robomtl.continual.per_task import LoraPerTask
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.execution.compute import Compute
from robomtl.experiments.cells import Finished
from robomtl.experiments.lifelong import LifelongRequest, lifelong, streaming
from robomtl.experiments.lifelong import transfer_measures as measures
from robomtl.experiments.lifelong.lifelong_design import (
    StreamCell,
    played_tasks,
    variants_of,
)
from robomtl.experiments.lifelong.lifelong_findings import retained
from robomtl.experiments.lifelong.lifelong_report import lifelong_report
from robomtl.experiments.lifelong.streams import (
    STREAMS,
    checked_stream,
    ordered,
    stream_of,
)
from robomtl.experiments.lifelong.variants import check_variant
from robomtl.pages.rendering import report_page
from robomtl.task import Trial
from robomtl.training import TrainConfig
from robomtl.training.material import materials

GUIDE = (Path(__file__).parent.parent / "docs" / "lifelong.md").read_text()
COMMANDS = re.findall(r"^    robomtl lifelong (.+)$", GUIDE, flags=re.MULTILINE)

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/MT4", horizon=20)
TASKS = ("reach-red", "reach-green", "reach-blue")
SMALL = {"policy_config.width": 12, "policy_config.task_width": 4}
BUFFERED = {"replay", "agem"}


class Here:
    """Runs cells in this process."""

    workers = 1

    def map(self, work, items, kind=type):
        yield from ((index, work(item)) for index, item in enumerate(items))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "demonstrations"
    return robomtl.collect(
        SUITE,
        out,
        config=robomtl.CollectionConfig(tasks=TASKS, episodes=3),
        compute=robomtl.Compute(workers=1),
    )


def request(*methods, **changes):
    settings = {"every": SMALL, **{k: {"buffer": 2} for k in BUFFERED & {*methods}}}
    given = {
        "methods": dict.fromkeys(methods),
        "settings": settings,
        "policy": "mlp",
        "stream": TASKS,
        "demonstrations": 3,
        "trials": 2,
        "steps": 3,
        "batch_size": 8,
    }
    given = {**given, **changes}
    return LifelongRequest(
        **{**given, "methods": {k: v or k for k, v in given["methods"].items()}}
    )


def run(data, out, *methods, **changes):
    return lifelong(
        SUITE,
        request(*methods, **changes),
        out=out,
        data=data.path,
        compute=Compute(executor=Here()),
    )


def stage_in(data, folder, **changes):
    given = {
        "stream": TASKS,
        "number": 0,
        "data": data,
        "folder": folder,
        "policy": "mlp",
        "policy_config": {"width": 12, "task_width": 4},
        "conditioning": ("language",),
        "training": TrainConfig(
            steps=3, batch_size=8, validation=0.0, threads=1, device="cpu"
        ),
    }
    return Stage(**{**given, **changes})


def learned(method, stage, stages):
    """Each stage, and the method's result after it."""
    found, before = [], None
    for number in range(stages):
        at = replace(stage, number=number)
        before = method.learn(at, before)
        found.append((at, before))
    return found


def setting(**changes):
    given = {"stages": 3, "demonstrations": 3, "policy": "mlp"}
    return StreamSetting(**{**given, "conditioning": ("language",), **changes})


def equal(a, b):
    a, b = a.policy.state_dict(), b.policy.state_dict()
    return all(a[name].equal(b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIFELONG.built_in())
def test_every_method_learns_a_stream_and_resumes(name, data, tmp_path):
    found = run(data, tmp_path, name)
    at_once = LIFELONG.get(name).at_once
    table = pq.read_table(tmp_path / "trials.parquet").to_pylist()
    assert len(table) == (6 if at_once else 2 * (2 + 3 + 3))
    assert {*found.methods[name].matrix} == ({3} if at_once else {1, 2, 3})
    assert (found.methods[name].backward_transfer is None) == at_once
    assert found.methods[name].unchanged == LIFELONG.get(name).needs_id
    journal = (tmp_path / "journal.jsonl").read_text()
    assert run(data, tmp_path, name) == found
    assert (tmp_path / "journal.jsonl").read_text() == journal
    page = report_page(lifelong_report(found))
    assert name in page and "NBT_k = 1/(K-k)" in page


@pytest.mark.slow
def test_a_stream_that_was_stopped_goes_on_with_its_task(data, tmp_path, monkeypatch):
    whole = run(data, tmp_path / "whole", "packnet")
    played, calls = streaming.play_trials, []

    def once(*given):
        calls.append(given)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return played(*given)

    monkeypatch.setattr(streaming, "play_trials", once)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "stopped", "packnet")
    assert run(data, tmp_path / "stopped", "packnet").methods == whole.methods
    assert len(calls) == 6  # Of 8 plays, those of policies that acted before are kept.


def test_the_time_of_steps_before_a_stop_counts(data, tmp_path):
    run(data, tmp_path, "sequential", stream=TASKS[:2])
    (tmp_path / "journal.jsonl").unlink()  # As if stopped before the cell was entered.
    first, second = sorted(tmp_path.rglob("seconds.json"))
    first.write_text('{"seconds": 1000}')
    second.unlink()  # Nor was this stage.
    second.with_name("elapsed.json").write_text('{"seconds": 200}')
    found = run(data, tmp_path, "sequential", stream=TASKS[:2])
    assert 1200 < found.cost["sequential"].seconds < 1300


def test_outcomes_of_a_stopped_stream_are_kept_for_the_same_trials_alone(
    data, tmp_path, monkeypatch
):
    played, calls = streaming.play_trials, []

    def once(trained, suite, trials, envs):
        calls.append((suite.options["horizon"], len(trials)))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return played(trained, suite, trials, envs)

    monkeypatch.setattr(streaming, "play_trials", once)
    few = {"stream": TASKS[:2]}
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, "sequential", **few)
    monkeypatch.setattr(f"{__name__}.SUITE", robomtl.suite("points/MT4", horizon=30))
    run(data, tmp_path, "sequential", **few, trials=3)
    assert calls[2:] == [(30, 3)] * 4
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize(
    ("method", "other", "message"),
    [
        (
            LoraPerTask(),
            LoraPerTask(rank=2),
            "method.rank is 16 in the folder and 2 now",
        ),
        (Ewc(samples=8), Ewc(samples=9), "method.samples is 8 in the folder and 9 now"),
    ],
)
def test_what_a_stopped_stage_made_is_kept_for_the_same_settings_alone(
    method, other, message, data, tmp_path
):
    stage = stage_in(data, tmp_path, policy="film")
    stages = learned(method, stage, 2)
    kept = next(each.parent for each in stages[1][0].run.rglob("made_by.json"))
    (kept / ".policy.safetensors.1.partial").touch()  # As a kill leaves it.
    again = learned(method, stage, 2)
    assert equal(again[1][1], stages[1][1])
    assert not list(kept.glob(".*"))
    with pytest.raises(InputError, match=message):
        learned(other, stage, 2)
    (kept / "made_by.json").unlink()  # As in folders of earlier versions.
    assert equal(learned(method, stage, 2)[1][1], stages[1][1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["packnet", "lora", "task_embedding"])
def test_who_acts_on_a_learned_task_never_changes(name, data, tmp_path):
    settings = {"keep": 0.3} if name == "packnet" else {}
    method = LIFELONG.get(name)(**settings)
    stages = learned(method, stage_in(data, tmp_path, policy="film"), 3)
    for place, task in enumerate(TASKS):
        first, *later = [method.acting(it, at, task) for at, it in stages[place:]]
        assert all(each.fingerprint == first.fingerprint for each in later)
        assert all(equal(each, first) for each in later)
    own = [method.acting(stages[-1][1], stages[-1][0], task) for task in TASKS]
    assert len({each.fingerprint for each in own}) == 3


def test_weight_decay_of_a_part_does_not_reach_the_weights_of_earlier_tasks(
    data, tmp_path
):
    plain = TrainConfig(steps=3, batch_size=8, validation=0.0, threads=1, device="cpu")
    training = replace(plain, weight_decays=(("trunk", 0.5),))
    method = LIFELONG.get("packnet")()
    stages = learned(method, stage_in(data, tmp_path, training=training), 2)
    first, later = (method.acting(it, at, TASKS[0]) for at, it in stages)
    assert equal(first, later)


def test_pruning_keeps_the_largest_free_weights_and_all_biases(data, tmp_path):
    policy = stage_in(data, tmp_path).train(data, None, objective="packnet").policy
    before = {name: it.clone() for name, it in policy.named_parameters()}
    assert isinstance(policy.meta, Owners)
    claim(policy, 1, 0.25)
    pairs = policy.meta.by_parameter(policy)
    for (name, parameter), (_, owner) in zip(
        policy.named_parameters(), pairs, strict=True
    ):
        if parameter.ndim == 1:
            assert (owner == 1).all() and parameter.equal(before[name])
            continue
        kept = owner == 1
        assert int(kept.sum()) == round(0.25 * kept.numel())
        assert parameter[kept].equal(before[name][kept])
        assert not parameter[~kept].any()
        assert before[name][kept].abs().min() >= before[name][~kept].abs().max()
    claim(policy, 2, 0.999999)
    assert {*policy.meta.owner.tolist()} <= {0, 1, 2}


def batch_of(data, policy, card, size=6):
    config = TrainConfig(validation=0.0)
    part, _ = materials(data, card.conditioning, config, chunk=policy.chunk)
    return robomtl.training.objective.Cloning().draws(part, config).batch(0, size)


def test_the_fisher_information_is_the_mean_square_of_single_gradients(data, tmp_path):
    made = stage_in(data, tmp_path).train(data, None)
    policy, batch = (
        made.policy.requires_grad_(True),
        batch_of(data, made.policy, made.card),
    )
    found = fisher(policy, [batch])
    squares = torch.zeros_like(found)
    for loss in policy.loss(batch).per_sample:
        grads = torch.autograd.grad(loss, [*policy.parameters()], retain_graph=True)
        squares += torch.cat([each.flatten() for each in grads]).square()
    assert found.shape == joined(policy).shape
    torch.testing.assert_close(found, squares / len(batch.action))


def test_a_fisher_information_that_is_not_finite_is_refused():
    found = torch.tensor([0.0, float("nan"), float("inf")])
    expected = "of push is not finite for 2 of 3 weights; train with a lower"
    with pytest.raises(FloatingPointError, match=expected):
        check_finite(found, "push")


def test_a_run_without_finite_importance_is_listed_and_others_continue(
    data, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "robomtl.continual.ewc.fisher",
        lambda policy, _: torch.full((len(joined(policy)),), float("nan")),
    )
    found = run(data, tmp_path, "ewc", "sequential", stream=TASKS[:2])
    ((reason, number),) = found.reasons["ewc"].items()
    assert "The Fisher information of reach-red is not finite" in reason
    assert number == 1 and not found.reasons["sequential"]
    assert found.methods["ewc"].backward_transfer is None
    assert found.methods["sequential"].backward_transfer is not None


def test_ewc_is_the_loss_and_a_penalty_around_the_earlier_weights(data, tmp_path):
    method = LIFELONG.get("ewc")(strength=10.0, samples=32)
    (_, kept), *_ = learned(method, stage_in(data, tmp_path), 1)
    policy, meta = kept.policy, kept.policy.meta
    batch = batch_of(data, policy, kept.card)
    objective = robomtl.checkpoint.configure_objective("ewc", {"strength": 10.0})
    plain = policy.loss(batch).per_sample
    assert objective.loss(policy, batch).per_sample.equal(plain)
    assert meta.fisher.sum() > 0
    first = next(policy.parameters())
    with torch.no_grad():
        first[0, 0] += 0.5
    moved = objective.loss(policy, batch).per_sample - policy.loss(batch).per_sample
    expected = 10 * meta.fisher[0] * 0.25
    torch.testing.assert_close(moved, expected.expand_as(moved), rtol=1e-3, atol=1e-7)


def test_ewc_decays_the_earlier_importance_and_adds_that_of_the_new_task(
    data, tmp_path
):
    stage = stage_in(data, tmp_path)
    method = LIFELONG.get("ewc")(decay=0.5, samples=8)
    (_, first), (at, second) = learned(method, stage, 2)
    alone = replace(method, decay=0.0)._consolidated(
        robomtl.load(at.run), at.first({at.task: None}), at
    )
    expected = 0.5 * first.policy.meta.fisher + alone.policy.meta.fisher
    torch.testing.assert_close(second.policy.meta.fisher, expected)
    assert second.policy.meta.anchor.equal(joined(second.policy))


def test_a_strong_penalty_keeps_the_weights_that_earlier_tasks_need(data, tmp_path):
    training = TrainConfig(
        steps=30,
        batch_size=8,
        validation=0.0,
        threads=1,
        device="cpu",
        learning_rate=1e-3,
        weight_decay=0.0,
    )
    moved = []
    for strength in (1e-6, 1e8):
        stage = stage_in(data, tmp_path / f"{strength:g}", training=training)
        method = LIFELONG.get("ewc")(strength=strength, samples=32)
        (_, first), (_, second) = learned(method, stage, 2)
        important = first.policy.meta.fisher
        change = (joined(second.policy) - joined(first.policy)).square()
        moved.append(float(important @ change))
    assert moved[1] < moved[0] / 10


@pytest.mark.parametrize("head", ["flow", "diffusion"])
def test_ewc_draws_the_noise_of_an_action_head_by_the_seed(head, data, tmp_path):
    found = []
    for number in (0, 1):
        torch.manual_seed(number)
        config = {"width": 12, "task_width": 4, "loss": head, "head_width": 8}
        stage = stage_in(data, tmp_path / str(number), policy_config=config)
        (_, made), *_ = learned(LIFELONG.get("ewc")(samples=8), stage, 1)
        found.append(made.policy.meta.fisher)
    assert found[0].sum() > 0
    assert found[0].equal(found[1])


def test_ewc_reads_as_many_samples_as_it_is_given(data, tmp_path, monkeypatch):
    sizes = []

    def counting(policy, batches):
        sizes.extend(len(batch.action) for batch in batches)
        return torch.zeros(len(joined(policy)))

    monkeypatch.setattr("robomtl.continual.ewc.fisher", counting)
    learned(LIFELONG.get("ewc")(samples=70), stage_in(data, tmp_path), 1)
    assert sizes == [32, 32, 6]


def test_ewc_takes_a_policy_that_is_conditioned_on_a_one_hot_code(data, tmp_path):
    stage = stage_in(data, tmp_path, conditioning=("one_hot",))
    *_, (_, kept) = learned(LIFELONG.get("ewc")(samples=32), stage, 2)
    assert kept.policy.meta.fisher.sum() > 0


def test_a_task_acts_by_the_latest_stage_that_learned_it(data, tmp_path):
    stage = stage_in(data, tmp_path, stream=TASKS[:2] * 2, number=2)
    assert stage.stage_of(TASKS[0]).number == 2
    assert stage.stage_of(TASKS[1]).number == 1
    assert stage.stage_of(TASKS[2]) is None
    assert stage.earlier == TASKS[1:2]


def test_several_robots_are_refused_before_anything_is_collected(tmp_path):
    suite = robomtl.suite("points/two_robots")
    expected = "has 2 robots for these tasks, and a stream is learned by one"
    with pytest.raises(ValueError, match=expected):
        lifelong(suite, request("sequential", stream=None), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_conditioning_that_needs_an_encoder_is_refused_before_anything_is_collected(
    tmp_path,
):
    wanted = replace(request("sequential"), conditioning=("demonstration",))
    with pytest.raises(ValueError, match="needs an objective that trains their"):
        lifelong(SUITE, wanted, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_actions_that_are_not_predicted_are_refused_before_any_is_collected(tmp_path):
    settings = {"sequential": {"training.execute": 2}}
    with pytest.raises(
        ValueError, match="execute is 2, but the policy predicts chunks"
    ):
        lifelong(SUITE, request("sequential", settings=settings), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_gem_takes_out_what_opposes_the_memory(data, tmp_path):
    made = stage_in(data, tmp_path).train(data, None)
    policy, batch = (
        made.policy.requires_grad_(True),
        batch_of(data, made.policy, made.card),
    )
    objective = robomtl.checkpoint.configure_objective("agem", {"task": 1})
    parameters = [*policy.parameters()]
    reference = torch.autograd.grad(policy.loss(batch).per_sample.mean(), parameters)
    for sign in (-1.0, 1.0):
        aside = [torch.randn_like(each) for each in parameters]
        for parameter, own, other in zip(parameters, reference, aside, strict=True):
            parameter.grad = sign * own + 1e-4 * other
        before = [each.grad.clone() for each in parameters]
        objective.project(policy, ReplayBatch(batch, batch))
        inner = sum(
            (p.grad * r).sum() for p, r in zip(parameters, reference, strict=True)
        )
        if sign < 0:
            assert abs(inner) < 1e-4
        else:
            assert all(p.grad.equal(b) for p, b in zip(parameters, before, strict=True))


def test_a_gem_draws_the_new_task_and_the_others_apart(data, tmp_path):
    made = stage_in(data, tmp_path).train(data, None)
    config = TrainConfig(validation=0.0)
    part, _ = materials(data, made.card.conditioning, config, chunk=1)
    objective = robomtl.checkpoint.configure_objective("agem", {"task": 1})
    drawn = objective.draws(part, config).batch(0, 64)
    assert {*drawn.task.tolist()} == {1}
    assert {*drawn.memory.task.tolist()} == {0, 2}


@pytest.mark.parametrize("normaliser", ["all", "first", "per_task"])
def test_statistics_are_those_that_are_named(normaliser, data, tmp_path):
    stage = stage_in(data, tmp_path, normaliser=normaliser)
    stages = learned(LIFELONG.get("sequential")(), stage, 2)
    means = [it.policy.normaliser.mean for _, it in stages]
    of = {
        "all": [TASKS, TASKS],
        "first": [TASKS[:1], TASKS[:1]],
        "per_task": [TASKS[:1], TASKS[1:2]],
    }
    for mean, tasks in zip(means, of[normaliser], strict=True):
        state = torch.from_numpy(data.select(tasks).state)
        torch.testing.assert_close(mean, state.mean(0), rtol=1e-4, atol=1e-5)


def played(stream, rates):
    """Success of one trial, by a triangle of rates."""
    return {
        (stage, task): np.array([rates[stage - 1][place]])
        for stage in range(1, len(stream) + 1)
        for place, task in enumerate(stream)
        if place <= stage
    }


def test_transfer_is_measured_as_the_formulas_say():
    stream = ("a", "b", "c")
    found = played(stream, [[0.8, 0.2, 0.0], [0.6, 1.0, 0.4], [0.2, 0.5, 0.6]])
    assert measures.forward(found, stream, "a") == pytest.approx(0.4)
    assert measures.forward(found, stream, "b") == pytest.approx(0.6)
    assert measures.backward(found, stream, "a") == pytest.approx(0.8 - 0.4)
    assert measures.backward(found, stream, "b") == pytest.approx(0.5)
    assert measures.backward(found, stream, "c") is None
    assert measures.area(found, stream, "a") == pytest.approx((0.4 + 0.6 + 0.2) / 3)
    assert measures.forgotten(found, stream, "b") == pytest.approx(0.5)


def finished(order, rates):
    """A run in an order of tasks, with one trial for each rate of a triangle."""
    cells = played(order, rates)
    cell = StreamCell(
        method="sequential",
        order=0,
        seed=0,
        stream=order,
        trials=tuple(Trial("points/MT4", task, 0) for _, task in cells),
        learned=tuple(stage for stage, _ in cells),
    )
    return Finished(cell, Done([Outcome(success=bool(it[0])) for it in cells.values()]))


def test_forgetting_is_averaged_over_the_places_of_a_stream_and_then_over_orders():
    forgets = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    retains = [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    runs = [
        finished(("a", "b", "c"), forgets),
        finished(("b", "a", "c"), retains),
        finished(("c", "b", "a"), retains),
    ]
    found = retained(runs, ("a", "b", "c"))
    assert found.backward_transfer.value == pytest.approx(1 / 3)
    assert found.relative_forgetting == pytest.approx(1 / 3)
    low, high = found.backward_transfer.interval
    assert low < 0 and high > 0.9  # One of three orders, not six of seven tasks.


def test_a_task_that_comes_twice_is_followed_until_it_is_learned_again():
    assert measures.window(("a", "b", "a", "b"), "a") == (1, 2)
    assert measures.window(("a", "b", "a", "b"), "b") == (2, 3)
    assert measures.window(("a", "b", "c"), "b") == (2, 3)


def test_after_each_stage_the_learned_tasks_and_the_next_are_played():
    assert played_tasks(TASKS, at_once=False) == {1: TASKS[:2], 2: TASKS, 3: TASKS}
    assert played_tasks(TASKS, at_once=True) == {3: TASKS}


def test_named_streams_have_tasks_of_their_suite():
    for stream in STREAMS.values():
        known = {task.name for task in robomtl.suite(stream.suite).train_tasks}
        assert {*stream.tasks} <= known
    assert STREAMS["cw20"].tasks == STREAMS["cw10"].tasks * 2
    suite = robomtl.suite("metaworld/MT50")
    assert checked_stream(suite, STREAMS["cw20"].tasks) == STREAMS["cw20"].tasks


def test_orders_are_permutations_that_stay_the_same():
    assert ordered(TASKS, 0) == TASKS
    assert sorted(ordered(TASKS, 2)) == sorted(TASKS)
    assert ordered(STREAMS["cw10"].tasks, 1) == ordered(STREAMS["cw10"].tasks, 1)
    assert ordered(STREAMS["cw10"].tasks, 1) != ordered(STREAMS["cw10"].tasks, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": ("reach-red", "reach-red")}, "named twice: reach-red"),
        ({"stream": ("reach-red", "reach-ret")}, "reach-ret.*reach-red"),
        ({"stream": ("reach-red",)}, "one task, reach-red, after which nothing"),
        ({"methods": {"replay": "replai"}}, "replai.*replay"),
        ({"settings": {"replay": {"bufer": 2}}}, "method replay.*bufer.*buffer"),
        (
            {
                "methods": {"sequential": "sequential"},
                "settings": {"every": {"rank": 2}},
            },
            "method sequential: .*'rank'.* Known: .*normaliser.* by METHOD.NAME",
        ),
        (
            {"seeds": 2**62},
            "seeds is 4611686018427387904; give the number of .*at most 1000",
        ),
        (
            {"orders": 10**12},
            "orders is 1000000000000; give the number of .*at most 1000",
        ),
        ({"settings": {"replay": {"buffer": 0}}}, "buffer is 0; give at least 1"),
        (
            {"settings": {"replay": {"buffer": 4}}},
            "buffer of 4 demonstrations of each task is larger than the data, 3 of each",
        ),
        ({"settings": {"every": {"training.steps": 9}}}, "make the methods unequal"),
        (
            {"settings": {"every": {"training.aggregation": "pcgrad"}}},
            "replay.training.aggregation is 'pcgrad', .* set it for multitask alone",
        ),
        (
            {"settings": {"replay": {"training.weighting": "famo"}}},
            "replay.training.weighting is 'famo', which needs samples of all tasks",
        ),
        (
            {"settings": {"replay": {"training.mixture": "learned"}}},
            "replay.training.mixture is 'learned'",
        ),
        (
            {
                "settings": {"replay": {"training.sampling": "validation_loss"}},
                "steps": 2000,
            },
            "replay.training.sampling is 'validation_loss'",
        ),
        (
            {
                "methods": {"packnet": "packnet"},
                "settings": {"packnet": {"keep": 1.0}},
            },
            "keep is 1.0; give a number between 0 and 1",
        ),
        ({"settings": {"every": {"normaliser": "firts"}}}, "firts.*first"),
        ({"settings": {"sequentia": {}}}, "sequentia"),
        ({"methods": {}}, "No method was named"),
        (
            {"demonstrations": 4, "settings": {"every": {"buffer": 4}}},
            "has 3 .* fewer than the 4 requested",
        ),
        ({"trials": 0}, "trials is 0"),
        (
            {"methods": {"packnet": "packnet"}, "settings": {}, "task_id": "withheld"},
            r"packnet \(packnet\) keeps weights for each task .* withheld at test",
        ),
        (
            {
                "methods": {"sequential": "sequential"},
                "settings": {},
                "conditioning": ("one_hot",),
                "task_id": "withheld",
            },
            "conditioned on one_hot, the identity",
        ),
        (
            {
                "methods": {"lora": "lora"},
                "settings": {},
                "conditioning": ("one_hot",),
            },
            "method lora: the policy of the first task is adapted .* language or goal",
        ),
    ],
)
def test_what_does_not_fit_is_refused_at_once(changes, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(data, tmp_path / "out", "replay", **changes)
    assert not list(tmp_path.glob("out/*"))


def test_balancing_of_tasks_is_allowed_where_all_are_learned_together():
    settings = {"multitask": {"training.aggregation": "pcgrad"}}
    made = variants_of(request("multitask", settings=settings))
    assert made["multitask"].training.aggregation == "pcgrad"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("packnet", {"retraining": 0.0}, "retraining is 0.0; give a number between"),
        ("ewc", {"strength": 0.0}, "strength is 0.0; give more than 0"),
        ("ewc", {"decay": 1.5}, "decay is 1.5"),
        ("ewc", {"samples": 0}, "samples is 0; give at least 1"),
        ("lora", {"rank": 0}, "rank is 0; give at least 1"),
        ("task_embedding", {"learning_rate": 0.0}, "learning_rate is 0.0; give more"),
    ],
)
def test_impossible_settings_of_methods_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message):
        LIFELONG.get(name)(**settings)


def test_packnet_refuses_more_tasks_than_it_can_number():
    method = LIFELONG.get("packnet")()
    method.check(setting(stages=255))
    with pytest.raises(InputError, match="up to 255 tasks, and the stream has 256"):
        method.check(setting(stages=256))


def test_ewc_refuses_a_policy_without_gradients_of_single_samples():
    method = LIFELONG.get("ewc")()
    with pytest.raises(ValueError, match="per-sample gradients, which 'rt2'"):
        method.check(setting(policy="rt2"))


@pytest.mark.parametrize(
    ("name", "tasks", "message"),
    [
        ("cw11", None, "cw11.*cw10.*name of a suite is a stream"),
        ("cw10", ("push-v3",), "has its own tasks; give a suite in its place"),
    ],
)
def test_an_unknown_stream_is_refused(name, tasks, message):
    with pytest.raises(ValueError, match=message):
        stream_of(name, tasks)
    assert stream_of("points/MT4", ("a",)) == ("points/MT4", ("a",))


def test_an_identity_that_is_withheld_lets_others_learn():
    made = variants_of(request("sequential", "replay", task_id="withheld"))
    for label, variant in made.items():
        check_variant(label, variant, setting(), "withheld")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_guide_name_streams_and_methods_that_fit(command):
    flags = tyro.cli(Lifelong, args=shlex.split(command))
    name, request = request_from(flags)
    stream = checked_stream(robomtl.suite(name), request.stream)
    given = setting(stages=len(stream), demonstrations=request.demonstrations)
    for label, variant in variants_of(request).items():
        check_variant(label, variant, given, request.task_id)


@pytest.mark.parametrize("name", LIFELONG.built_in())
def test_the_guide_has_every_method_with_its_settings(name):
    row, source = re.findall(rf"^\| `{name}` \|.*$", GUIDE, flags=re.MULTILINE)
    assert all(cell.strip() for cell in source.split("|")[1:4])  # With departures.
    for each in fields(LIFELONG.get(name)):
        assert f"`{each.name}`" in row


def test_outcomes_of_another_number_of_trials_are_refused(tmp_path):
    path = tmp_path / "outcomes.json"
    path.write_text('{"outcomes": [{"success": true, "length": 3}]}')
    assert len(streaming.read_outcomes(path, 1)) == 1
    with pytest.raises(robomtl.errors.InputError, match="has 1 outcomes in place of 2"):
        streaming.read_outcomes(path, 2)
