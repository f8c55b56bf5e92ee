import json
import sys
from dataclasses import replace

import pytest

from robomtl.action_head import HEADS
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe, Pretraining
from robomtl.experiments.adapt.comparisons import ADAPTATIONS
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.multitask import MultitaskRequest
from robomtl.experiments.multitask.arm_design import arms_of
from robomtl.experiments.multitask.arm_recipe_run import ArmRecipe, InitialPolicy
from robomtl.experiments.multitask.arm_recipes import ARM_RECIPES
from robomtl.new_task import NewTask
from robomtl.policy import POLICIES
from robomtl.recipe_run import run
from robomtl.recipes import RECIPES, Recipe
from robomtl.suites import SUITES, suite
from robomtl.training import TrainConfig

ONE = Compute(workers=1)
pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = Recipe(
    line="A few steps on points",
    suite="points/MT4",
    episodes=3,
    policy="mlp",
    policy_config={"width": 16},
    training=TrainConfig(steps=10, batch_size=16, threads=1, log_every=5),
    trials=2,
    instructions=("canonical", "held-out"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "small", SMALL)
        yield out, run("small", out=out, compute=ONE).results


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(RECIPES, "small", SMALL)


def test_a_recipe_leaves_data_policy_and_results(finished):
    out, results = finished
    assert set(results) == {"canonical", "held-out"}
    for file in ("demonstrations/meta/info.json", "policy.json", "results.json"):
        assert (out / file).exists()
    for file in ("report.html", "trials.parquet", "held-out/report.html"):
        assert (out / file).exists()
    recorded = json.loads((out / "results.json").read_text())
    assert recorded["task_mean"] == results["canonical"].task_mean


def test_a_finished_recipe_is_only_read(finished):
    out, results = finished
    files = [*(out / "demonstrations").rglob("*.parquet"), out / "policy.safetensors"]
    before = {path: path.stat().st_mtime_ns for path in files}
    again = run("small", out=out, compute=ONE).results
    assert again["canonical"].task_mean == results["canonical"].task_mean
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_recipe_films_where_it_can_and_else_says_why_not(
    finished, capsys, monkeypatch
):
    out, _ = finished
    filming = replace(SMALL, videos="examples")
    monkeypatch.setitem(sys.modules, "av", None)
    run(filming, out=out, compute=ONE)
    assert "No trial is filmed. Videos need PyAV" in capsys.readouterr().err
    monkeypatch.undo()
    pytest.importorskip("av", reason="needs the extra video")
    run(replace(filming, videos=0), out=out, compute=ONE)
    assert "No trial is filmed. 0 videos of each task" in capsys.readouterr().err
    run(filming, out=out, compute=ONE)
    assert '<figure class="featured"' in (out / "report.html").read_text()


@pytest.mark.slow
def test_a_recipe_takes_demonstrations_recorded_before(finished, tmp_path):
    out, results = finished
    ran = run("small", out=tmp_path, data=out / "demonstrations", compute=ONE)
    outcomes = [
        [replace(record, seconds=0.0) for record in each.records]
        for each in (ran.results["held-out"], results["held-out"])
    ]
    assert outcomes[0] == outcomes[1]


def test_demonstrations_of_another_suite_are_refused(finished, tmp_path, monkeypatch):
    out, _ = finished
    other = Recipe(**{**vars(SMALL), "suite": "points/MT6"})
    monkeypatch.setitem(RECIPES, "other", other)
    with pytest.raises(ValueError, match="in points/MT4, but points/MT6 is needed"):
        run("other", out=tmp_path, data=out / "demonstrations")


def test_fewer_demonstrations_than_the_recipe_takes_are_refused(
    finished, tmp_path, monkeypatch
):
    out, _ = finished
    monkeypatch.setitem(RECIPES, "more", Recipe(**{**vars(SMALL), "episodes": 9}))
    with pytest.raises(ValueError, match="3"):
        run("more", out=tmp_path, data=out / "demonstrations")


def test_another_seed_in_the_same_folder_is_refused(finished):
    out, _ = finished
    with pytest.raises(ValueError, match="seed"):
        run("small", out=out, seed=1, compute=ONE)


def test_an_unknown_recipe_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'quickstart'"):
        run("quikstart", out=tmp_path)


def test_every_simulator_has_a_recipe():
    no_simulator = {"joint", "points", "pseudo", "shifted"}
    named = {recipe.suite.partition("/")[0] for recipe in RECIPES.values()}
    shipped = SUITES._builtins.keys()  # Other tests register suites of their own.
    assert shipped - no_simulator <= named


@pytest.mark.parametrize("name", sorted(ADAPTATIONS))
def test_every_method_of_a_comparison_has_the_policy_it_needs(name):
    recipe = ADAPTATIONS[name]
    needed = objectives(recipe.request, configured(recipe.request))
    assert set(needed.values()) == set(recipe.pretraining)
    assert suite(recipe.suite, **recipe.options).train_tasks


SMALL_COMPARISON = AdaptationRecipe(
    line="Two methods on points",
    suite="points/ML4",
    options={"horizon": 25},
    episodes=3,
    request=AdaptRequest(
        methods={"zero_shot": "zero_shot", "context": "context"},
        shots=(1,),
        supports=1,
        trials=2,
    ),
    pretraining={
        objective: Pretraining(
            policy_config={"width": 16, "blocks": 1},
            training=TrainConfig(steps=3, batch_size=16, threads=1),
        )
        for objective in ("cloning", "context")
    },
)


@pytest.mark.slow
def test_a_comparison_runs_from_nothing_and_is_then_only_read(monkeypatch, tmp_path):
    monkeypatch.setitem(RECIPES, "compared", SMALL_COMPARISON)
    found = run("compared", out=tmp_path, compute=ONE).methods
    assert {*found.methods} == {"zero_shot", "context"}
    for file in ("context/seed-0/policy.json", "adaptation/results.json"):
        assert (tmp_path / file).exists()
    before = (tmp_path / "cloning/seed-0/policy.safetensors").stat().st_mtime_ns
    again = run("compared", out=tmp_path, compute=ONE).methods
    assert again.methods == found.methods
    after = (tmp_path / "cloning/seed-0/policy.safetensors").stat().st_mtime_ns
    assert after == before


@pytest.mark.slow
def test_a_comparison_refuses_demonstrations_of_another_suite(
    monkeypatch, finished, tmp_path
):
    monkeypatch.setitem(RECIPES, "compared", SMALL_COMPARISON)
    with pytest.raises(
        ValueError, match=r"recorded in points/MT4, but points/ML4 is needed"
    ):
        run("compared", out=tmp_path, data=finished[0] / "demonstrations")


@pytest.mark.slow
def test_a_recipe_may_end_with_a_task_it_never_saw(monkeypatch, tmp_path):
    methods = ("zero_shot", "alpaca")
    new = NewTask(
        suite="points/MT6", task="reach-ball", shots=2, trials=2, methods=methods
    )
    recipe = replace(SMALL, new_task=new, instructions=("canonical",))
    monkeypatch.setitem(RECIPES, "ending", recipe)
    results = run("ending", out=tmp_path, compute=ONE).results
    assert [*results] == ["canonical", "zero_shot", "alpaca"]
    for method in new.methods:
        folder = tmp_path / "new-task" / method
        assert (folder / "report.html").exists()
        request = json.loads((folder / "adaptation.json").read_text())
        assert (request["method"], request["shots"]) == (method, 2)
        assert [*results[method].tasks] == ["reach-ball"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "message"),
    [
        (
            NewTask(suite="metaworld/MT50", task="door-lock-v3"),
            "The policy is trained on points/MT4, and the new task 'door-lock-v3' belongs to"
            r" metaworld/MT50; name a task of points \(--new-task\.suite, --new-task\.task",
        ),
        (
            NewTask(suite="points/MT6", task="push-bal"),
            "Unknown points/MT6 task 'push-bal'. Did you mean 'push-ball'",
        ),
    ],
)
def test_a_new_task_that_does_not_fit_is_refused_at_once(tmp_path, new, message):
    with pytest.raises(ValueError, match=message):
        run(replace(SMALL, new_task=new), out=tmp_path / "run", compute=ONE)
    assert not (tmp_path / "run").exists()


def test_a_recipe_may_end_with_learning_together_and_alone(monkeypatch, tmp_path):
    arms = MultitaskRequest(
        arms={"together": "together", "alone": "alone"},
        demonstrations=(2,),
        trials=2,
        steps=2,
        samples=4,
        affinity=0,
    )
    recipe = replace(SMALL, multitask=arms, instructions=("canonical",))
    monkeypatch.setitem(RECIPES, "ending", recipe)
    found = run("ending", out=tmp_path, compute=ONE).arms
    assert [*found.arms] == ["together", "alone"]
    assert (tmp_path / "multitask" / "report.html").exists()
    again = run("ending", out=tmp_path, compute=ONE).arms
    assert again.arms == found.arms


TINY = {"width": 16}


def test_the_walls_give_one_policy_every_head_and_chunks():
    arms = arms_of(ARM_RECIPES["walls"].request)
    assert {arm.policy_config["loss"] for arm in arms.values()} == set(HEADS.built_in())
    assert {arm.policy_config["chunk"] for arm in arms.values()} == {16}
    assert {arm.policy for arm in arms.values()} == {"film"}


SIDE_BY_SIDE = ArmRecipe(
    line="Policies on points",
    suite="points/MT4",
    request=MultitaskRequest(
        arms={"film": "together", "mlp": "together"},
        settings={
            "film": {f"policy_config.{k}": v for k, v in {**TINY, "blocks": 1}.items()},
            "mlp": {"policy": "mlp", "policy_config.width": 16},
        },
        demonstrations=(2,),
        trials=2,
        steps=3,
        samples=4,
        affinity=0,
    ),
)


@pytest.mark.slow
def test_policies_stand_side_by_side_and_are_then_only_read(monkeypatch, tmp_path):
    monkeypatch.setitem(RECIPES, "policies", SIDE_BY_SIDE)
    found = run("policies", out=tmp_path, compute=ONE).arms
    assert found.baseline is None and [*found.arms] == ["film", "mlp"]
    assert {each.policy for each in found.definitions.values()} == {"film", "mlp"}
    assert all(some[2].act > 0 for some in found.cost.values())
    page = (tmp_path / "report.html").read_text()
    assert "training [s]" in page and "act [ms]" in page
    assert "4 tasks learned together: 2 arms" in page
    again = run("policies", out=tmp_path, compute=ONE).arms
    assert again.cost == found.cost
    with pytest.raises(ValueError, match="--seed 1 has no effect"):
        run("policies", out=tmp_path / "other", seed=1, compute=ONE)


@pytest.mark.slow
def test_an_arm_continues_from_a_policy_of_other_tasks(monkeypatch, tmp_path):
    request = replace(
        SIDE_BY_SIDE.request,
        arms={"scratch": "together", "pretrained": "together"},
        settings={"every": {"policy_config.width": 16}},
        reference="scratch",
    )
    before = InitialPolicy(
        suite="points/MT6",
        episodes=2,
        arms=("pretrained",),
        training=TrainConfig(steps=3, batch_size=8, threads=1),
        policy_config=TINY,
    )
    recipe = replace(SIDE_BY_SIDE, request=request, before=before)
    monkeypatch.setitem(RECIPES, "before", recipe)
    found = run("before", out=tmp_path, compute=ONE).arms
    assert found.baseline == "scratch" and [*found.differences] == ["pretrained"]
    card = json.loads((tmp_path / "before" / "policy.json").read_text())
    assert len(card["conditioning"]["tasks"]) == 2
    (run_json,) = tmp_path.glob("runs/pretrained/**/run.json")
    assert json.loads(run_json.read_text())["start"]["sha256"]
    page = (tmp_path / "report.html").read_text()
    assert "beats scratch" in page or "does not beat scratch" in page


def test_every_policy_that_is_trained_from_states_stands_in_the_comparison():
    arms = arms_of(ARM_RECIPES["architectures"].request)
    assert {arm.policy for arm in arms.values()} == {*arms}
    special = {
        "in_context",
        "regent",
        "rt2",
    }  # Learns from prompts; needs a language model.
    trained = {name for name in POLICIES.built_in() if POLICIES.get(name).trainable}
    assert trained - special <= {*arms}


EXECUTING = TrainConfig(steps=3, batch_size=8, threads=1, execute=2)
FIRST = InitialPolicy(
    suite="points/MT6", episodes=2, arms=("film",), training=EXECUTING
)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(SMALL, training=EXECUTING),
        replace(
            SMALL_COMPARISON,
            pretraining={
                **SMALL_COMPARISON.pretraining,
                "context": Pretraining(training=EXECUTING),
            },
        ),
        replace(SIDE_BY_SIDE, before=FIRST),
    ],
    ids=["one policy", "methods", "first policy of arms"],
)
def test_actions_that_are_not_predicted_are_refused_before_any_is_collected(
    recipe, tmp_path
):
    with pytest.raises(
        ValueError, match="execute is 2, but the policy predicts chunks"
    ):
        run(recipe, out=tmp_path / "out", compute=ONE)
    assert not (tmp_path / "out").exists()
