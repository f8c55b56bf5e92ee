import copy
import json
import shutil
from math import exp

import pytest
import torch

from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.multitask.arm_cells import ArmCell
from robomtl.experiments.multitask.mixtures import mixture_section, mixtures_of
from robomtl.files.durable import write_json
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.excess import ExcessWeighing, moved
from robomtl.training.learned_mixture import (
    MIXTURE,
    Group,
    LearnedMixture,
    read_mixture,
)
from robomtl.training.material import materials
from robomtl.training.objective import Cloning
from robomtl.training.remix import Remix
from robomtl.training.scored import Scored

pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = {"policy_config": {"width": 8}, "policy": "mlp", "conditioning": ("one_hot",)}


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/MT4"),
        folder,
        config=CollectionConfig(episodes=2),
        compute=Compute(workers=1),
    )


def config(**settings):
    remix = Remix(steps=4, **settings.pop("remix", {}))
    usual = {"steps": 3, "batch_size": 16, "mixture": "learned", "validation": 0.0}
    usual |= {"threads": 1, "precision": "float32"}
    return TrainConfig(remix=remix, **{**usual, **settings})


def test_weights_grow_with_the_exponential_of_the_excess():
    first = torch.tensor([0.5, 0.25, 0.25])
    excess = torch.tensor([0.0, 1.0, 2.0])
    found = moved(first, excess, first, Remix(rate=0.5, smoothing=0.1))
    grown = torch.tensor([0.5, 0.25 * exp(0.5), 0.25 * exp(1.0)])
    torch.testing.assert_close(found, 0.9 * grown / grown.sum() + 0.1 * first)


def test_losses_of_both_policies_are_compared_under_the_same_noise(points, tmp_path):
    usual = config(mixture="given", steps=1)
    head = {"width": 8, "loss": "flow", "head_width": 8}
    made = train(points, out=tmp_path, config=usual, **{**SMALL, "policy_config": head})
    policy, objective = copy.deepcopy(made.policy).requires_grad_(True), Cloning()
    material, _ = materials(points, made.card.conditioning, usual, chunk=policy.chunk)
    draws = objective.draws(material, usual).by_group()
    scored, reference = (
        Scored(each, objective, torch.float32) for each in (policy.train(), made.policy)
    )
    combiner = ExcessWeighing(draws, reference, Remix(rate=5.0), tasks=4)
    torch.manual_seed(0)
    combiner.backward(scored, draws.batch(0, 16))
    torch.testing.assert_close(combiner.state()["now"], torch.full((4,), 0.25))


def test_the_mixture_of_a_run_begins_even_and_adds_up(points, tmp_path, capsys):
    train(points, out=tmp_path, config=config(), **SMALL)
    shown = capsys.readouterr()
    for title in ("Training the reference: 4/4", "Learning the mixture: 4/4"):
        assert title in shown.out + shown.err
    mixture = read_mixture(tmp_path)
    assert mixture is not None
    assert sum(group.learned for group in mixture.groups) == pytest.approx(1)
    assert [group.first for group in mixture.groups] == pytest.approx([0.25] * 4)
    assert set(mixture.factors) == set(points.tasks)
    assert mixture.sentence in " ".join((shown.out + shown.err).split())


def test_a_mixture_names_the_groups_drawn_most_and_least():
    groups = tuple(
        Group(task=f"t{n}", data=0, first=0.1, learned=0.01 * n) for n in range(12)
    )
    said = LearnedMixture(groups=groups).sentence
    assert said.endswith(
        ": t11 1.10, t10 1.00, t9 0.90, t8 0.80, t7 0.70, …, t4 0.40,"
        " t3 0.30, t2 0.20, t1 0.10, t0 0.00."
    )
    pair = [Group(task="a", data=n, first=0.5, learned=0.2 + 0.6 * n) for n in (0, 1)]
    said = LearnedMixture(groups=tuple(pair)).sentence
    assert said.endswith(": a of data set 2 1.60, a of data set 1 0.40.")


def test_called_again_it_reads_what_it_learned(points, tmp_path):
    begun = train(points, out=tmp_path, config=config(), **SMALL)
    there = (tmp_path / MIXTURE).read_bytes()
    again = train(points, out=tmp_path, config=config(), **SMALL)
    assert again.fingerprint == begun.fingerprint
    assert (tmp_path / MIXTURE).read_bytes() == there


def test_other_settings_of_the_mixture_are_refused(points, tmp_path):
    train(points, out=tmp_path, config=config(), **SMALL)
    with pytest.raises(
        ValueError, match=r"remix\.rate is 0\.2 in the folder and 0\.3 now"
    ):
        train(points, out=tmp_path, config=config(remix={"rate": 0.3}), **SMALL)


def test_each_data_set_of_a_task_has_a_weight_of_its_own(points, tmp_path):
    copy = shutil.copytree(points.path, tmp_path / "copy")
    parts = Mixture([points.select(per_task=1), Demonstrations(copy)])
    train(parts, out=tmp_path / "run", config=config(), **SMALL)
    content = json.loads((tmp_path / "run" / MIXTURE).read_text())
    groups = [(group["task"], group["data"]) for group in content["groups"]]
    assert groups == [(task, data) for task in points.tasks for data in (0, 1)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weighting": "dwa"}, "weighting is 'dwa'; leave weighting out"),
        ({"accumulate": 2}, "accumulate is 2; leave accumulate out"),
        ({"remix": {"smoothing": 1.0}}, r"smoothing is 1.0; give 0 to below 1"),
        ({"remix": {"rate": 0.0}}, "rate is 0.0"),
        ({"mixture": "best"}, "mixture"),
    ],
)
def test_settings_that_do_not_fit_a_learned_mixture_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


@pytest.mark.parametrize(
    ("tasks", "settings", "objective", "message"),
    [
        (["reach-red"], {}, "cloning", "there is one of each"),
        (None, {"batch_size": 3}, "cloning", "A batch of 3 cannot hold .* 4 pairs"),
        (None, {}, "reptile", "objective 'reptile' draws problems of its own"),
    ],
)
def test_data_that_do_not_fit_a_learned_mixture_are_refused(
    points, tmp_path, tasks, settings, objective, message
):
    with pytest.raises(ValueError, match=message):
        train(
            points.select(tasks),
            out=tmp_path,
            objective=objective,
            config=config(**settings),
            **SMALL,
        )


def test_mixtures_of_arms_are_averaged_over_seeds_and_shown(tmp_path):
    cells = [
        ArmCell(
            trials=(),
            arm="learned",
            learned="all",
            demonstrations=2,
            seed=seed,
            tasks=("a", "b"),
            steps=1,
            samples=1,
        )
        for seed in (0, 1)
    ]
    for cell, learned in zip(cells, (0.75, 0.25), strict=True):
        groups = [("a", learned), ("b", 1 - learned)]
        content = [
            {"task": task, "data": 0, "first": 0.5, "learned": it}
            for task, it in groups
        ]
        write_json(cell.run(tmp_path) / MIXTURE, {"groups": content})
    found = mixtures_of(cells, tmp_path)
    assert found == {"learned": {2: {"a": 1.0, "b": 1.0}}}
    section = mixture_section(found)
    assert section is not None
    (table,) = section.parts
    assert [line.name for line in table.matrix.lines] == ["a", "b"]
    assert mixture_section({}) is None


def test_a_mixture_that_cannot_be_is_refused(tmp_path):
    group = {"task": "reach", "data": 0, "first": 0, "learned": 0.5}
    write_json(tmp_path / MIXTURE, {"groups": [group]})
    with pytest.raises(InputError, match="'reach' has the fractions 0.0 and 0.5; give"):
        read_mixture(tmp_path)
