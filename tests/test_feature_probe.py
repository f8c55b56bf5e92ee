"""Probes of features: positions by a linear map, and tasks by retrieval."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from families import Here

from robomtl import checkpoint
from robomtl.cli.main import main
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.execution.compute import Compute
from robomtl.experiments.probe import FeatureConfig, probe_features
from robomtl.experiments.probe.feature_cells import FeatureCell, things_of
from robomtl.experiments.probe.feature_findings import findings_of as feature_findings
from robomtl.experiments.probe.feature_reading import episodes_for
from robomtl.experiments.probe.linear_probe import probe_errors
from robomtl.pretraining.pretrain_run import pretrain
from robomtl.suites import suite
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

QUICK = TrainConfig(steps=2, batch_size=16, threads=1)
SMALL = {"width": 16, "blocks": 1}
EPISODE = np.repeat(np.arange(8), 30)


def r_squared(features, wanted):
    found = probe_errors(features, wanted, EPISODE, 6)
    assert found.residual.shape == found.total.shape == (2,)
    return 1 - found.residual.sum() / found.total.sum()


def test_a_linear_probe_finds_what_is_there_and_nothing_in_noise():
    draw = np.random.default_rng(0)
    place, other = draw.normal(size=(2, len(EPISODE), 2))
    features = np.concatenate([place @ draw.normal(size=(2, 5)), other], axis=1)
    assert r_squared(features, place) > 0.99
    assert abs(r_squared(other, place)) < 0.1
    assert probe_errors(features, np.ones_like(place), EPISODE, 6) is None


def test_coordinates_that_stand_still_do_not_count():
    draw = np.random.default_rng(0)
    place = draw.normal(size=(len(EPISODE), 2))
    still = np.concatenate([place, np.full((len(EPISODE), 1), 0.3)], axis=1)
    assert r_squared(place, still) == pytest.approx(r_squared(place, place))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    points = suite("points/MT4", images=16)
    collect(
        points,
        folder,
        config=CollectionConfig(episodes=4, noise=0.3),
        compute=Compute(workers=1),
    )
    return folder


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A policy that is aligned with language, one of pictures, and one that clones."""
    folder = tmp_path_factory.mktemp("runs")
    read = Demonstrations(data, observe=("state",))
    seen = Demonstrations(data, observe=("top",))
    common = {"policy_config": SMALL, "config": QUICK}
    aligned, told = folder / "aligned", "language_alignment"
    pretrain(read, objective=told, out=aligned, **common)
    pretrain(seen, objective="latent_actions", out=folder / "seen", **common)
    train(read, out=folder / "cloning", **common)
    return {name: folder / name for name in ("aligned", "seen", "cloning")}


def test_policies_are_probed_against_random_features_and_more_may_join(
    data, runs, tmp_path
):
    config, here = FeatureConfig(every=3, held_out=0.5), Compute(executor=Here())
    first = {name: runs[name] for name in ("aligned", "seen")}
    with pytest.raises(KeyboardInterrupt):
        stopped = Compute(executor=Here(stop=2))
        probe_features(first, data, out=tmp_path, config=config, compute=stopped)
    found = probe_features(runs, data, out=tmp_path, config=config, compute=here)
    probed = {(each.objective, each.layer, each.thing): each for each in found.probed}
    assert {
        ("latent_actions", "pictures", "ball"),
        ("cloning", "features", "goal"),
    } <= (probed.keys())
    for each in found.probed:
        low, high = each.difference.interval
        assert low <= each.difference.value <= high
        assert each.difference.value == pytest.approx(
            each.trained.value - each.random.value
        )
        assert each.trained.value <= 1 and each.runs == 1
    kinds = {each.wordings: each for each in found.retrieved}
    assert kinds.keys() == {"training", "held-out"}
    assert kinds["held-out"].chance == 0.25
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["kind"] == "features" and len(written["probed"]) == len(probed)
    assert "Linear probe" in (tmp_path / "report.html").read_text()


def test_the_command_probes_by_label(data, runs, tmp_path, capsys):
    words = [f"here={runs['cloning']}", "--data", str(data), "--held-out", "0.5"]
    assert main(["features", *words, "--out", str(tmp_path), "--workers", "1"]) == 0
    assert "Linear probe" in capsys.readouterr().out
    written = json.loads((tmp_path / "results.json").read_text())
    assert list(written["runs"]) == ["here"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"held_out": 0.1}, "held_out 0.1 leaves 4 and 0 of the 4 of 'reach-red'"),
        ({"held_out": 0.8}, "held_out 0.8 leaves 1 and 3 of the 4"),
        ({"held_out": 1.0}, "held_out is 1.0; give a fraction between 0 and 1"),
        ({"every": 0}, "every"),
    ],
)
def test_too_few_episodes_are_refused(config, message, data, runs, tmp_path):
    with pytest.raises(InputError, match=message):
        probe_features(
            {"a": runs["cloning"]}, data, out=tmp_path, config=FeatureConfig(**config)
        )


def test_runs_that_cannot_be_probed_are_refused(data, runs, tmp_path):
    with pytest.raises(InputError, match="name at least 1"):
        probe_features({}, data, out=tmp_path)
    with pytest.raises(
        InputError, match="a and b were both trained.*give each seed once"
    ):
        probe_features(
            {"a": runs["cloning"], "b": runs["cloning"]},
            data,
            out=tmp_path,
            config=FeatureConfig(held_out=0.5),
        )
    act = tmp_path / "act"
    read = Demonstrations(data, observe=("state",))
    train(read, out=act, policy="act", policy_config={"width": 16}, config=QUICK)
    with pytest.raises(
        InputError, match="'act' has no features apart from its actions"
    ):
        probe_features({"act": act}, data, out=tmp_path / "out")


def test_policies_that_do_not_fit_the_data_are_refused(data, runs):
    trained = checkpoint.load(runs["cloning"])
    card, path = trained.card, data
    robots = (*card.spec.embodiments, replace(card.spec.embodiments[0], name="other"))
    several = replace(card, spec=replace(card.spec, embodiments=robots))
    with pytest.raises(
        InputError, match="policy of 2 robots has separate features for each"
    ):
        episodes_for(replace(trained, card=several), path)
    coded = Conditioning(kinds=("one_hot",), tasks=("reach-red", "reach-blue"))
    with pytest.raises(InputError, match="one-hot code of points/MT4"):
        episodes_for(replace(trained, card=replace(card, conditioning=coded)), path)
    with pytest.raises(InputError, match="bare lacks the method positions"):
        things_of(SimpleNamespace(name="bare"), "reach-red")


def test_data_without_pictures_or_a_suite_are_refused(data, runs, tmp_path):
    plain = tmp_path / "plain"
    collect(
        suite("points/MT4"),
        plain,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )
    with pytest.raises(InputError, match="top"):
        probe_features({"a": runs["seen"]}, plain, out=tmp_path / "out")
    (plain / "meta" / "robomtl.json").unlink()
    with pytest.raises(InputError, match="names no suite, so the indices of"):
        probe_features({"a": runs["cloning"]}, plain, out=tmp_path / "out")


ERRORS = {"trunk": {"a": {"hand": [[0.1, 0.2], [1.0, 1.0]]}}}


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({}, "journal.jsonl, .* is damaged: .*missing required field errors"),
        ({"errors": {}, "hits": {}}, "errors is empty"),
        ({"errors": {"x": {"a": {"h": [[1]]}}}, "hits": {}}, "a residual and a total"),
        ({"errors": ERRORS, "hits": {"training": [[1], []]}}, "hits is not a table"),
        ({"errors": ERRORS, "hits": {"training": [[1]]}}, "differ in layers"),
    ],
)
def test_measures_of_a_damaged_journal_are_refused(measured, message):
    finished = [
        (
            FeatureCell(
                run="r",
                run_label="r",
                objective="x",
                seed=0,
                weights=weights,
                trials=(),
            ),
            Done([], measured=each),
        )
        for weights, each in {
            "trained": {"errors": ERRORS, "hits": {}},
            "random": measured,
        }.items()
    ]
    with pytest.raises(InputError, match=message):
        feature_findings("points", finished)
