import json
from dataclasses import replace

import pytest

from robomtl.recipes import RECIPES, Recipe, run
from robomtl.training import TrainConfig

SMALL = Recipe(
    line="A few steps on points",
    suite="points/MT4",
    episodes=3,
    policy="mlp",
    policy_config={"width": 16},
    training=TrainConfig(steps=10, batch=16, threads=1, log_every=5),
    trials=2,
    instructions=("canonical", "held-out"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "small", SMALL)
        yield out, run("small", out=out, workers=1)


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
    again = run("small", out=out, workers=1)
    assert again["canonical"].task_mean == results["canonical"].task_mean
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.slow
def test_a_recipe_takes_demonstrations_recorded_before(finished, tmp_path):
    out, results = finished
    again = run("small", out=tmp_path, data=out / "demonstrations", workers=1)
    outcomes = [
        [replace(record, seconds=0.0) for record in each.records]
        for each in (again["held-out"], results["held-out"])
    ]
    assert outcomes[0] == outcomes[1]


def test_demonstrations_of_another_suite_are_refused(finished, tmp_path, monkeypatch):
    out, _ = finished
    other = Recipe(**{**vars(SMALL), "suite": "points/MT6"})
    monkeypatch.setitem(RECIPES, "other", other)
    with pytest.raises(ValueError, match="in points/MT4; this recipe takes points/MT6"):
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
        run("small", out=out, seed=1, workers=1)


def test_an_unknown_recipe_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'quickstart'"):
        run("quikstart", out=tmp_path)
