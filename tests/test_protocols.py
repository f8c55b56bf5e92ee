import dataclasses
from dataclasses import replace

import pytest
from evaluations import evaluation

import robomtl
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.protocols import CUSTOM, PROTOCOLS, check, name_of, protocol
from robomtl.experiments.compare import compare
from robomtl.task import Task

pytestmark = pytest.mark.usefixtures("forked_workers")

OFFICIAL = Conditions(split="official", episodes=50)


NAMES = ("reach", "push", "pick")


@dataclasses.dataclass
class Three:
    """A suite as far as protocols look at it."""

    horizon: int | None = 500
    name: str = "three"
    train_tasks = tuple(Task(name=name, instructions=(name,)) for name in NAMES[:2])
    held_out_tasks = (Task(name="pick", instructions=("pick",)),)

    @property
    def options(self):
        return {} if self.horizon is None else {"horizon": self.horizon}


@pytest.mark.parametrize(
    ("conditions", "horizon", "name"),
    [
        (OFFICIAL, 500, "official"),
        (replace(OFFICIAL, tasks=("push", "reach")), 500, "official"),
        (replace(OFFICIAL, tasks=("pick",)), 500, "official"),
        (Conditions(), 500, "fresh"),
        (Conditions(episodes=20, until="success", tasks=("reach",)), None, "fresh"),
        (Conditions(episodes=10), 400, "lerobot"),
        (Conditions(episodes=10), 500, "fresh"),
        (Conditions(criterion="last step"), 500, "strict"),
        (Conditions(split="train"), 500, CUSTOM),
    ],
)
def test_conditions_are_named_after_the_protocol_they_meet(conditions, horizon, name):
    assert name_of(conditions, Three(horizon)) == name


def test_a_shifted_suite_keeps_no_protocol():
    shifted = Three(name="shifted/friction=4/three")
    assert name_of(Conditions(), shifted).startswith(f"{CUSTOM} (fresh, but with suite")


@pytest.mark.parametrize(
    ("changed", "horizon", "differs"),
    [
        ({"episodes": 20}, 500, "episodes 20, not 50"),
        ({}, 400, "horizon 400, not 500"),
        ({"tasks": ("reach",)}, 500, "tasks 1 of 3, not all of the suite"),
        ({"until": "success"}, 500, "until success, not horizon"),
        ({"repeats": 2}, 500, "repeats 2, not 1"),
        (
            {"instructions": "shuffled", "tasks": ("reach",)},
            500,
            "instructions shuffled, not canonical; tasks 1 of 3, not all of the suite",
        ),
    ],
)
def test_a_name_is_not_printed_where_a_part_was_not_kept(changed, horizon, differs):
    found = name_of(replace(OFFICIAL, **changed), Three(horizon))
    assert found == f"custom (official, but with {differs})"


def test_other_instructions_are_no_protocol_of_ours_either():
    found = name_of(Conditions(instructions="none"), Three())
    assert found == "custom (fresh, but with instructions none, not canonical)"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_s_own_conditions_have_its_name(name):
    rules = PROTOCOLS[name]
    conditions = Conditions(
        split=rules.split, episodes=rules.episodes, criterion=rules.criterion
    )
    check(name, conditions, Three(rules.horizon))
    assert name_of(conditions, Three(rules.horizon)) == name


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ValueError, match="'oficial'. Did you mean 'official'"):
        protocol("oficial")


def test_what_contradicts_a_protocol_is_refused():
    wrong = "'official': split train, not official; episodes 5, not 50. Leave them out"
    with pytest.raises(ValueError, match=wrong):
        check("official", Conditions(split="train", episodes=5), Three())
    with pytest.raises(
        ValueError, match="the protocol 'lerobot': horizon 500, not 400"
    ):
        check("lerobot", Conditions(episodes=10), Three())


def test_success_at_the_last_step_needs_trials_that_are_played_to_it():
    with pytest.raises(ValueError, match="unknown if trials stop at success"):
        Conditions(criterion="last step", until="success")
    with pytest.raises(ValueError, match="criterion 'last'. Did you mean 'last step'"):
        Conditions(criterion="last")


@pytest.fixture
def points():
    return robomtl.suite("points/MT4")


def test_an_evaluation_follows_its_protocol_and_says_so(points, tmp_path):
    results = robomtl.evaluate(
        ExpertAgent(),
        points,
        out=tmp_path,
        config=robomtl.EvaluationConfig(protocol="strict", episodes=2),
        compute=robomtl.Compute(workers=1),
    )
    setting = results.setting

    assert (setting.protocol, setting.criterion) == ("strict", "last step")
    assert robomtl.Results.read(tmp_path).setting.protocol == "strict"
    with pytest.raises(
        ValueError, match="the protocol 'strict': split train, not fresh"
    ):
        robomtl.evaluate(
            ExpertAgent(),
            points,
            out=tmp_path / "other",
            config=robomtl.EvaluationConfig(protocol="strict", variations="train"),
        )


def test_the_conditions_of_a_config_are_those_of_its_plan(points):
    config = robomtl.EvaluationConfig(protocol="strict", episodes=2)
    plan = config.plan(points)
    assert (plan.protocol, plan.conditions.criterion) == ("strict", "last step")
    assert config.conditions(points) == plan.conditions


def test_the_criterion_decides_what_the_rates_count():
    held = evaluation({"push": "11"})
    lost = [dataclasses.replace(row, success_at_end=False) for row in held.records]
    setting = dataclasses.replace(held.setting, criterion="last step")
    strict = dataclasses.replace(held, setting=setting, records=tuple(lost))

    assert (held.task_mean, held.tasks["push"].successes) == (1.0, 2)
    assert (strict.task_mean, strict.tasks["push"].successes) == (0.0, 0)
    assert strict.summary.everything.interval[0] == 0.0


def test_results_of_different_protocols_are_compared_only_if_asked(tmp_path):
    for name in ("fresh", "custom"):
        evaluation({"push": "1101"}, protocol=name).write(tmp_path / name)
    two = tmp_path / "fresh", tmp_path / "custom"

    with pytest.raises(ValueError, match="protocol is 'fresh' in A and 'custom' in B"):
        compare(*two)
    assert compare(*two, across=True).difference == 0
