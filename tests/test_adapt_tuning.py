import json
import shutil

import pytest
from adaptations import findings, method
from families import SUITE, GoalsSuite, Here, grow

from robomtl import checkpoint
from robomtl.cli.main import main
from robomtl.demonstrations import Demonstrations
from robomtl.envs.points import PointsSuite
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.family import find_family
from robomtl.experiments.adapt.folds import folds
from robomtl.experiments.adapt.train_missing import train_missing
from robomtl.experiments.adapt.tuning import Tuning, _best, _tried, read_config, tune
from robomtl.experiments.settings import gridded
from robomtl.task import GoalSuite

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("family"))


@pytest.fixture
def copy(family, tmp_path):
    """A family that a test may change."""
    return shutil.copytree(family, tmp_path / "family")


def test_every_training_task_is_held_out_once_and_held_out_tasks_are_gone():
    made = folds(SUITE, 3)
    held = [task.name for fold in made for task in fold.held_out_tasks]
    assert sorted(held) == sorted(task.name for task in SUITE.train_tasks)
    for fold in made:
        names = {task.name for task in (*fold.train_tasks, *fold.held_out_tasks)}
        assert names == {task.name for task in SUITE.train_tasks}
        assert len(names) == len(fold.train_tasks) + len(fold.held_out_tasks)


def test_a_fold_numbers_goals_where_its_suite_does():
    assert isinstance(folds(GoalsSuite(variant="ML4"), 2)[0], GoalSuite)
    assert not isinstance(folds(SUITE, 2)[0], GoalSuite)


@pytest.mark.parametrize("count", [1, 5])
def test_folds_that_cannot_be_made_are_refused(count):
    with pytest.raises(
        ValueError, match=f"4 training tasks .* cannot be split into {count}"
    ):
        folds(SUITE, count)


def test_a_single_task_makes_no_folds():
    with pytest.raises(ValueError, match="a suite of at least 2 training tasks"):
        folds(PointsSuite(variant="reach-red"), 2)


def test_what_is_missing_is_trained_as_the_others_were(copy):
    found = train_missing(copy, ["cloning"], seeds=2)
    assert sorted(found.of("cloning")) == [0, 1]
    old, new = (found.of("cloning")[seed].trained for seed in (0, 1))
    assert new.card == old.card
    assert new.fingerprint != old.fingerprint


def test_what_is_there_is_not_trained_again(family):
    before = checkpoint.load(family / "cloning" / "seed-0").fingerprint
    found = train_missing(family, ["cloning"], seeds=1)
    assert found.of("cloning")[0].trained.fingerprint == before


def test_nothing_is_trained_without_the_demonstrations(copy):
    shutil.rmtree(copy / "demonstrations")
    with pytest.raises(ValueError, match="has no folder demonstrations to train on"):
        train_missing(copy, ["cloning"], seeds=2)


def test_nothing_is_trained_on_other_demonstrations(copy):
    settings = copy / "cloning" / "seed-0" / "run.json"
    there = Demonstrations(copy / "demonstrations").fingerprint
    settings.write_text(settings.read_text().replace(there, "0" * 64))
    with pytest.raises(
        ValueError, match="is not the data set of the policies beside it"
    ):
        train_missing(copy, ["cloning"], seeds=2)


def test_a_run_directory_may_have_others_in_it(family, tmp_path):
    shutil.copytree(family / "cloning" / "seed-0", tmp_path / "run")
    shutil.copytree(family / "demonstrations", tmp_path / "run" / "demonstrations")
    train_missing(tmp_path / "run", ["cloning"], seeds=2)
    assert sorted(find_family(tmp_path / "run").of("cloning")) == [0, 1]


def test_the_setting_that_solves_most_of_the_training_tasks_is_chosen(family, tmp_path):
    grid = {"finetune": {"steps": [1, 2]}}
    out, compute = tmp_path / "out", Compute(executor=Here())
    tuning = Tuning(shots=(1,), folds=2, supports=1, trials=1, batch_size=8)
    tried = tune(family, SUITE, grid, tuning, out=out, compute=compute)
    assert len(tried["finetune"]) == 2
    values = [each.success for each in tried["finetune"]]
    assert values == sorted(values, reverse=True)

    chosen = read_config(out / "config.json", {"mine": "finetune", "s": "scratch"})
    assert chosen == {"mine": dict(tried["finetune"][0].settings)}
    results = json.loads((out / "fold-0" / "trials" / "results.json").read_text())
    assert not {task.name for task in SUITE.held_out_tasks} & {*results["tasks"]}
    card = checkpoint.load(out / "fold-0" / "policies" / "cloning" / "seed-0").card
    assert not {*card.conditioning.tasks} & {*results["tasks"]}


def test_a_setting_that_gave_up_on_an_adaptation_is_not_chosen():
    """Rates exclude failed adaptations: this one seems to solve the others better."""
    grid = {f"finetune-{steps}": ("finetune", {"steps": steps}) for steps in (1, 2)}
    lost = {"reasons": {"It diverged.": 1}}
    fold = findings(
        {
            "finetune-1": method("finetune", 0.9, 0.0, **lost),
            "finetune-2": method("finetune", 0.4, 0.0),
        }
    )
    tried = _tried(grid, [fold])
    assert [each.settings["steps"] for each in tried["finetune"]] == [2, 1]
    assert tried["finetune"][1].success is None
    assert _best(tried) == {"finetune": {"steps": 2}}
    alone = {"finetune-1": grid["finetune-1"]}
    assert _best(_tried(alone, [fold])) == {}


def test_grids_are_read_from_words():
    assert gridded(["finetune.steps=30,100", "finetune.part=all"]) == {
        "finetune": {"steps": [30, 100], "part": ["all"]}
    }
    with pytest.raises(ValueError, match="'steps=3' is not part of a grid; write MET"):
        gridded(["steps=3"])


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"shots": (99,)}, "fewer than the 99 requested shots; collect more"),
        ({"trials": 10**7}, "fewer than the 10000000 requested; request at"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_policies_are_trained(
    family, tmp_path, tuning, message
):
    grid = {"finetune": {"steps": [1, 2]}}
    with pytest.raises(ValueError, match=message):
        tune(family, SUITE, grid, Tuning(folds=2, **tuning), out=tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_an_empty_grid_is_refused(family, tmp_path):
    with pytest.raises(ValueError, match="The grid is empty"):
        tune(family, SUITE, {}, out=tmp_path)


def test_a_file_that_tuning_did_not_write_is_refused(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(ValueError, match="There is no .*; `robomtl tune` writes one"):
        read_config(path, {})
    path.write_text("{}")
    with pytest.raises(ValueError, match="missing required field settings"):
        read_config(path, {})


def test_the_verb_refuses_an_unknown_method(family, tmp_path, capsys):
    words = ["tune", str(family), "--grid", "finetun.steps=1", "--out", str(tmp_path)]
    assert main(words) == 2
    assert "Did you mean 'finetune'" in capsys.readouterr().err
