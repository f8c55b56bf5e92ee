import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from families import Here

import robomtl
from robomtl.cli.main import main
from robomtl.conditioning import InstructionAugmentation
from robomtl.envs.points import PointsSuite
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.planning import identity_of, planned
from robomtl.evaluation.records import read_records
from robomtl.execution.compute import Compute
from robomtl.execution.serving import ServedAgent
from robomtl.experiments.probe import ProbeConfig
from robomtl.experiments.probe.kinds import KINDS
from robomtl.experiments.probe.probing import COLUMNS
from robomtl.files.request import plain

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = PointsSuite(variant="MT4", horizon=40)
BRIEF = PointsSuite(variant="MT4", horizon=10)
"""Suite with a short horizon, for tests that do not depend on success."""
NAMES = [task.name for task in SUITE.train_tasks]


def grown(
    folder, demonstrations, *, steps=1, conditioning=("language",), swap=0.0, blocks=1
):
    robomtl.train(
        demonstrations,
        out=folder,
        policy="film",
        policy_config={"width": 64, "blocks": blocks},
        conditioning=conditioning,
        config=robomtl.TrainConfig(
            steps=steps,
            batch_size=64,
            threads=1,
            instruction_augmentation=InstructionAugmentation(swap=swap),
        ),
    )
    return folder


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    out = tmp_path_factory.mktemp("demonstrations") / "data"
    return robomtl.collect(
        SUITE,
        out,
        config=robomtl.CollectionConfig(episodes=25),
        compute=robomtl.Compute(workers=1),
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory, demonstrations):
    """Policies that are conditioned on their tasks in several ways, hardly trained, by the way."""
    folder = tmp_path_factory.mktemp("runs")
    for kinds in (("language",), ("one_hot",), ("goal",), ("language", "goal"), ()):
        name = "-".join(kinds) or "none"
        grown(folder / name, demonstrations, conditioning=kinds)
    return folder


def probed(run, out, *, suite=BRIEF, **given):
    given = {"executor": Here(), **given}
    compute = Compute(
        **{k: given.pop(k) for k in ("executor", "workers") if k in given}
    )
    own = {k: given.pop(k) for k in ("kinds", "margin") if k in given}
    there = {"split": given.pop("variations", "fresh"), "until": "success", **given}
    conditions = Conditions(**{"episodes": 3, **there})
    config = ProbeConfig(conditions=conditions, **own)
    return robomtl.probe(run, suite, out=out, config=config, compute=compute)


def rows(out):
    return pq.read_table(out / "trials.parquet").to_pylist()


@pytest.mark.slow
def test_a_policy_that_learned_its_instructions_uses_them(tmp_path, demonstrations):
    run = grown(tmp_path / "listening", demonstrations, steps=600, blocks=2)
    kinds = ("held-out", "shuffled", "empty", "wrong")
    found = probed(run, tmp_path / "out", suite=SUITE, episodes=20, kinds=kinds)

    assert found.verdict.word == "uses"
    assert found.verdict.sentence.startswith("listening uses its instruction: ")
    assert list(found.kinds) == ["right", *kinds]
    assert found.differences["shuffled"].interval.low > 0
    assert found.differences["wrong"].interval.low > 0
    assert found.differences["empty"].interval.low > 0
    assert abs(found.differences["held-out"].difference) < 0.1


@pytest.mark.slow
def test_a_policy_trained_with_swapped_instructions_is_said_to_ignore_them(
    tmp_path, demonstrations
):
    run = grown(tmp_path / "deaf", demonstrations, steps=300, swap=1.0)
    kinds = ("shuffled", "wrong")
    found = probed(run, tmp_path / "out", suite=SUITE, episodes=30, kinds=kinds)

    assert found.verdict.word == "ignores"
    assert "deaf IGNORES its instruction" in found.verdict.sentence
    assert "deaf IGNORES its instruction" in (tmp_path / "out/report.html").read_text()
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["verdict"]["word"] == "ignores"


@pytest.mark.slow
def test_a_policy_that_goes_where_its_goal_is_uses_it(tmp_path):
    data = robomtl.collect(
        SUITE,
        tmp_path / "data",
        config=robomtl.CollectionConfig(tasks=["reach-flag"], episodes=40),
        compute=robomtl.Compute(workers=1),
    )
    run = grown(tmp_path / "going", data, steps=400, conditioning=("goal",))
    played = {"suite": SUITE, "tasks": ["reach-flag"], "episodes": 40}
    found = probed(run, tmp_path / "out", **played)

    assert found.verdict.word == "uses"
    assert "going uses its goal" in found.verdict.sentence
    assert found.differences["wrong"].interval.low > 0
    assert found.differences["empty"].interval.low > 0


def test_every_kind_is_named_on_the_same_trials(runs, tmp_path):
    probed(runs / "language", tmp_path, tasks=["reach-red", "reach-flag"])

    table = rows(tmp_path)
    trials = {
        kind: [(r["task"], r["variation"]) for r in table if r["kind"] == kind]
        for kind in KINDS
    }
    assert len(trials["right"]) == 6
    assert all(of_kind == trials["right"] for of_kind in trials.values())
    pairs = {(r["kind"], r["instructed"]) for r in table if r["task"] == "reach-red"}
    assert {name for kind, name in pairs if kind == "wrong"} == {*NAMES[1:]}
    assert {name for kind, name in pairs if kind == "empty"} == {None}
    assert (
        len({name for kind, name in pairs if kind == "shuffled"} - {"reach-red"}) == 1
    )
    words = {r["instruction"] for r in table if r["kind"] == "held-out"}
    assert "head over to the red target" in words
    assert table[0]["goal"] is None


def test_trials_told_rightly_are_those_of_an_evaluation(runs, tmp_path):
    kinds = ("empty",)
    probed(runs / "language", tmp_path / "probe", suite=SUITE, kinds=kinds, episodes=12)
    agent = robomtl.PolicyAgent(runs / "language")
    for kind, instructions in (("right", "canonical"), ("empty", "none")):
        alone = tmp_path / kind
        robomtl.evaluate(
            agent,
            SUITE,
            out=alone,
            config=robomtl.EvaluationConfig(
                episodes=12, until="success", instructions=instructions
            ),
            compute=robomtl.Compute(executor=Here()),
        )
        there = [r for r in rows(tmp_path / "probe") if r["kind"] == kind]
        assert [(r["variation"], r["success"], r["length"]) for r in there] == [
            (r.variation, r.success, r.length)
            for r in read_records(alone / "trials.parquet")
        ]


def test_results_are_written_by_kind(runs, tmp_path):
    found = probed(runs / "language", tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())

    assert (written["format"], written["kind"]) == (1, "probe")
    right = written["kinds"]["right"]
    assert right["task_mean"] == found.kinds["right"].task_mean
    assert right["interval"] == list(found.kinds["right"].interval)
    assert [*right["tasks"]] == NAMES
    assert right["tasks"]["reach-red"]["trials"] == 3
    assert right["instruction"] == "its own instruction"
    difference = written["differences"]["shuffled"]
    assert difference["pairs"] == 12
    assert difference["tasks"]["reach-red"]["tally"]["neither"] <= 3
    assert written["families"]["points"]["tasks"] == NAMES
    assert written["ambiguous"]["kinds"]["wrong"]["trials"] == 12
    assert written["verdict"]["margin"] == 0.1
    assert written["conditioning"] == ["language"]
    assert written["suite"] == "points/MT4"
    assert "records" not in written and "instructions" not in written
    assert pq.read_schema(tmp_path / "trials.parquet").equals(COLUMNS)


@pytest.mark.parametrize(
    ("kinds", "given"),
    [
        ("language", list(KINDS)),
        ("one_hot", ["right", "shuffled", "empty", "wrong"]),
        ("goal", ["right", "shuffled", "empty", "wrong"]),
        ("language-goal", list(KINDS)),
    ],
)
def test_kinds_that_make_no_sense_are_left_out_and_said_so(
    runs, tmp_path, kinds, given
):
    found = probed(runs / kinds, tmp_path, episodes=2)
    assert list(found.kinds) == given
    assert set(found.left_out) == {*KINDS} - {*given}
    if found.left_out:
        said = f"the policy is conditioned on {kinds.replace('_', '-')}, which has no"
        assert said in found.left_out["held-out"]
        assert said in (tmp_path / "report.html").read_text()


def test_wordings_that_a_task_lacks_are_left_out(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("robomtl.envs.points_tasks._REACH_HELD_OUT", ())
    found = probed(runs / "language", tmp_path, tasks=["reach-red"], episodes=1)
    assert found.left_out == {"held-out": "there is no such wording for reach-red"}
    with pytest.raises(
        ValueError, match="'held-out' cannot be given: there is no such"
    ):
        probed(runs / "language", tmp_path / "other", kinds=("held-out",))


def test_a_suite_without_families_is_told_no_wrong_instruction(runs, tmp_path):
    suite = AloneSuite(variant="MT4", horizon=10)
    found = probed(runs / "language", tmp_path, suite=suite, episodes=1)
    assert "names no other task that shares a scene" in found.left_out["wrong"]
    assert found.ambiguous is None
    assert "the suite names no tasks that share a scene" in found.verdict.sentence


@dataclass(frozen=True, kw_only=True)
class AloneSuite(PointsSuite):
    """Points that do not say which tasks share a scene."""

    @property
    def families(self):
        return {}


def starts(task, count):
    """The goals that a task's first fresh variations show."""
    env = SUITE.make_env(task)
    variations = SUITE.variations(task, "fresh")[:count]
    seen = [env.reset(options={"variation": v})[0]["state"] for v in variations]
    return [state[SUITE.goal_places[task]].tolist() for state in seen]


def test_a_policy_conditioned_on_goals_is_told_those_of_others(runs, tmp_path):
    probed(runs / "goal", tmp_path, tasks=["reach-red"])
    goals = {
        kind: [r["goal"] for r in rows(tmp_path) if r["kind"] == kind]
        for kind in ("right", "shuffled", "empty", "wrong")
    }
    own = starts("reach-red", 3)
    (other,) = {r["instructed"] for r in rows(tmp_path) if r["kind"] == "shuffled"}
    assert goals["right"] == [None] * 3
    assert goals["empty"] == [[0.0, 0.0]] * 3
    assert goals["wrong"] == own[1:] + own[:1]
    assert goals["shuffled"] == starts(other, 3)


def test_wordings_and_goals_are_told_together(runs, tmp_path):
    probed(runs / "language-goal", tmp_path, tasks=["reach-red"])
    wrong = [r for r in rows(tmp_path) if r["kind"] == "wrong"]
    assert [r["instructed"] for r in wrong] == NAMES[1:]
    assert [r["goal"] for r in wrong] == [
        starts(name, 3)[place] for place, name in enumerate(NAMES[1:])
    ]
    reworded = [r for r in rows(tmp_path) if r["kind"] == "paraphrased"]
    assert {r["goal"] for r in reworded} == {None}


def test_one_variation_has_no_wrong_goal(runs, tmp_path):
    found = probed(runs / "goal", tmp_path, episodes=1)
    assert found.left_out["wrong"] == (
        "the goal of another variation needs at least 2 episodes per task"
    )


def test_a_stopped_probe_goes_on_and_ends_alike(runs, tmp_path):
    whole = probed(runs / "language", tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        probed(runs / "language", tmp_path / "stopped", executor=Here(stop=5))
    assert not (tmp_path / "stopped" / "results.json").exists()
    again = probed(runs / "language", tmp_path / "stopped")
    assert again.differences == whole.differences
    assert len(rows(tmp_path / "stopped")) == len(rows(tmp_path / "whole")) == 72
    before = (tmp_path / "stopped" / "journal.jsonl").read_text()
    probed(runs / "language", tmp_path / "stopped", executor=Here(stop=0), margin=0.3)
    assert (tmp_path / "stopped" / "journal.jsonl").read_text() == before


def test_another_probe_is_not_mixed_in(runs, tmp_path):
    probed(runs / "language", tmp_path, kinds=("shuffled",))
    with pytest.raises(ValueError, match="Differing: .*kinds is .'right', 'shuffled'."):
        probed(runs / "language", tmp_path, kinds=("shuffled", "empty"))
    with pytest.raises(ValueError, match="contains a probe of a policy, not an"):
        robomtl.resume_evaluation(tmp_path)
    with pytest.raises(ValueError, match="results.json belongs to a probe, not to an"):
        robomtl.Results.read(tmp_path)


@pytest.mark.parametrize(
    ("run", "given", "message"),
    [
        ("none", {}, "none was trained without conditioning, .* nothing to probe"),
        ("nowhere", {}, "nowhere"),
        (
            "expert",
            {},
            "'expert' is not a trained policy, so its conditioning is unknown",
        ),
        ("language", {"kinds": ("shufled",)}, "'shufled'. Did you mean 'shuffled'"),
        ("language", {"kinds": ("right",)}, "No kind is compared with 'right'; name"),
        ("language", {"kinds": ("empty", "empty")}, "Kinds named twice in empty, empt"),
        (
            "one_hot",
            {"kinds": ("paraphrased",)},
            "'paraphrased' cannot be given: the p",
        ),
        ("language", {"margin": 10}, "margin is 10; give a fraction between 0"),
        ("language", {"tasks": ("reach-rod",)}, "'reach-rod'. Did you mean 'reach-re"),
        (
            "language",
            {"suite": PointsSuite(variant="reach-red")},
            "points/reach-red has one task: .* Probe in a suite of 2 tasks or more",
        ),
    ],
)
def test_what_cannot_be_probed_is_refused_at_once(runs, tmp_path, run, given, message):
    agent = run if run == "expert" else runs / run
    with pytest.raises(ValueError, match=message):
        probed(agent, tmp_path / "out", executor=Here(stop=0), **given)
    assert not (tmp_path / "out" / "journal.jsonl").exists()


def test_a_served_policy_is_probed_by_what_it_is_told(runs, tmp_path):
    agent = robomtl.PolicyAgent(runs / "none")
    served = ServedAgent(agent=agent, device="cpu", kind="cpu", address="")
    with pytest.raises(
        ValueError, match="none on cpu was trained without conditioning"
    ):
        probed(served, tmp_path)


def test_the_command_names_the_verdict(runs, tmp_path, capsys):
    out = tmp_path / "probe"
    words = ["probe", runs / "language", "--episodes", 2, "--workers", 1, "--out", out]
    kinds = ["--kinds", "shuffled", "wrong"]
    assert main([str(word) for word in [*words, *kinds]]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Whether language uses its instruction" in said
    assert "shuffled: the instruction of another task of the suite" in said
    assert (Path(out) / "report.html").exists()


def test_the_command_refuses_what_is_no_run(tmp_path, capsys):
    assert main(["probe", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_plans_without_goals_are_told_apart_as_they_were_before_goals():
    plan = planned(SUITE, Conditions(episodes=1))
    played = [
        (chunk.trials, [each[:2] for each in chunk.task_infos]) for chunk in plan.chunks
    ]
    before = hashlib.sha256(json.dumps(plain(played)).encode()).hexdigest()[:12]
    assert identity_of({}, plan)["trials"] == before

    other = tuple(
        replace(
            chunk,
            task_infos=tuple(
                each._replace(goal=(0.0, 1.0)) for each in chunk.task_infos
            ),
        )
        for chunk in plan.chunks
    )
    assert identity_of({}, replace(plan, chunks=other))["trials"] != before
