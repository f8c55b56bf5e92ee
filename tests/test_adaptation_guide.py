"""Examples and statements of the guide of adaptation."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import tyro
from families import SUITE, grow

import robomtl
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import METHODS
from robomtl.cli.adapt import Adapt
from robomtl.cli.collect import Collect
from robomtl.cli.flags import SuiteFlags
from robomtl.cli.overrides import RunFlags
from robomtl.cli.train import Train, _model, with_settings
from robomtl.cli.tune import Tune
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.experiments.adapt.method_cells import MethodCell
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_findings import AdaptationFindings, MethodFindings
from robomtl.experiments.cells import Finished
from robomtl.experiments.long_tables import cell_table, trial_table
from robomtl.experiments.settings import by_label, gridded, parsed, split_policies
from robomtl.recipes import RECIPES
from robomtl.suites import suite
from robomtl.task import Trial
from robomtl.training.augmentation import Augmentation
from robomtl.training.objective import OBJECTIVES

pytestmark = pytest.mark.usefixtures("forked_workers")

GUIDE = (Path(__file__).parent.parent / "docs" / "adaptation.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
COMMANDS = re.findall(r"^    robomtl ([^#\n]+)", GUIDE, flags=re.MULTILINE)
FLAGS = {"adapt": Adapt, "tune": Tune, "collect": Collect, "run": RunFlags}
ROW = r"^\| `{name}` \| .* \| (.*) \| (.*) \| (.*) \| .*\|$"
SMALL = {
    'suite("metaworld/ML10", goals="observable")': 'suite("points/ML4", horizon=25)',
    "door-close-v3": "reach-ball",
    'method="lora"': 'method=configure("lora", {"steps": 2})',
    "steps=30": "steps=3, batch_size=8",
    "episodes=50": "episodes=10",
    "    objective=": "    policy='mlp', config=TINY, objective=",
    "config=few)": "config=few, compute=robomtl.Compute(workers=1))",
    "config=played)": "config=played, compute=robomtl.Compute(workers=1))",
    'out="runs/ml10/adapted"': 'out="runs/ml10/adapted", compute=robomtl.Compute(workers=1)',
    "shots=(1, 5)\n)": "shots=(1, 5), supports=1, trials=2, settings=FEW)",
}
TINY = robomtl.TrainConfig(steps=2, batch_size=8, threads=1)
FEW = {"scratch": {"steps": 2}, "finetune": {"steps": 2}}


def block_with(words):
    (block,) = [block for block in BLOCKS if words in block]
    return block


def small(block):
    for long, short in SMALL.items():
        block = block.replace(long, short)
    return block


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("runs") / "runs" / "ml10")


@pytest.fixture
def there(family, monkeypatch):
    """The folder that the guide's commands are given in."""
    monkeypatch.chdir(family.parent.parent)


@pytest.mark.slow
def test_the_blocks_run_one_after_the_other(there):
    names = {"__name__": "guide", "TINY": TINY, "FEW": FEW, "configure": configure}
    for block in BLOCKS:
        if "class " not in block:
            exec(small(block), names)
    assert names["results"].task_mean is not None
    assert names["cost"].steps == 3
    assert names["one"].shots[5].trials == 4
    assert "No ranking" in names["found"].ranking.sentence
    assert len(names["scores"]) == 10
    assert len(names["support"].demonstrations) == 3
    assert robomtl.load("runs/ml10/context/seed-0").card.objective == "context"


@pytest.fixture
def registered():
    """Runs a block that registers names, and forgets them at the end."""
    before = [(of, {*of._items}) for of in (METHODS, OBJECTIVES)]
    yield lambda block: exec(block, {"__name__": "guide"})
    for of, names in before:
        for name in {*of._items} - names:
            del of._items[name]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    out = tmp_path_factory.mktemp("shown") / "data"
    return robomtl.collect(
        SUITE,
        out,
        config=robomtl.CollectionConfig(tasks=["reach-ball"], episodes=2),
        compute=robomtl.Compute(workers=1),
    )


def test_the_method_block_adapts_by_biases_alone(registered, there, shown):
    registered(block_with("class BitFit"))
    run, budget = "runs/ml10/cloning/seed-0", robomtl.Budget(steps=2, batch_size=8)
    adapted = robomtl.adapt(run, shown, method="bitfit", budget=budget)
    before = robomtl.load(run).policy.state_dict()
    changed = {
        name
        for name, value in adapted.policy.state_dict().items()
        if not value.equal(before[name])
    }
    assert changed and all(name.endswith("bias") for name in changed)


def test_the_objective_block_trains_what_its_method_tells(
    registered, there, shown, tmp_path
):
    registered(block_with("class Ending"))
    trained = robomtl.train(
        robomtl.Demonstrations("runs/ml10/demonstrations"),
        out=tmp_path / "ending",
        policy="mlp",
        objective="ending",
        objective_config={"size": 2},
        config=TINY,
    )
    robomtl.adapt(trained, shown, method="ending", out=tmp_path / "adapted")
    inferred = robomtl.load(tmp_path / "adapted").card.conditioning.inferred[
        "reach-ball"
    ]
    last = shown.episodes.start + shown.episodes.length - 1
    ends = (shown.state[last] - trained.policy.normaliser.mean.numpy()) / (
        trained.policy.normaliser.std.numpy()
    )
    assert inferred == pytest.approx(tuple(ends.mean(0)[:2]), abs=1e-5)
    with pytest.raises(ValueError, match="needs a policy trained with the objective"):
        robomtl.adapt("runs/ml10/cloning/seed-0", shown, method="ending")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command):
    verb, *words = shlex.split(command)
    flags = tyro.cli(
        with_settings(Train, _model(words)) if verb == "train" else FLAGS[verb],
        args=words,
    )
    if verb == "adapt":
        names, policies = split_policies(flags.methods)
        methods = by_label(names)
        settings = parsed(flags.settings, methods)
        request = AdaptRequest(methods=methods, settings=settings, policies=policies)
        assert objectives(request, configured(request))
    if verb == "tune":
        for method, grid in gridded(flags.grid).items():
            for name, values in grid.items():
                assert all(configure(method, {name: value}) for value in values)
    if verb == "run":
        assert flags.recipe in RECIPES
    name = getattr(flags, "suite", None)
    assert name is None or flags.make(name).name == name


@pytest.mark.parametrize("name", METHODS.built_in())
def test_the_table_says_what_each_method_needs_and_takes(name):
    (row,) = re.findall(ROW.format(name=name), GUIDE, flags=re.MULTILINE)
    _, objective, steps = row
    made = METHODS.get(name)()
    assert objective.partition(";")[0] == (
        f"`{made.objective}`" if made.objective else "any"
    )
    assert steps == (str(made.steps) if made.steps else "none")


def test_every_flag_setting_column_and_key_is_explained():
    suites = {each.name for each in fields(SuiteFlags)} | {"run", "suite"}
    flags = {each.name for each in fields(Adapt)} - suites
    for flag in flags:
        assert f"`--{flag.replace('_', '-')}" in GUIDE
    for each in fields(Augmentation):
        assert f"--augmentation.{each.name.replace('_', '-')}" in GUIDE
    cell = MethodCell(trials=(Trial("", "", 0),), run="", objective="cloning", seed=0)
    finished = [Finished(cell, Done([Outcome(success=True)]))]
    names = trial_table(finished).column_names + cell_table(finished).column_names
    for name in names:
        assert f"`{name}`" in GUIDE
    for each in (*fields(AdaptationFindings), *fields(MethodFindings)):
        assert re.search(rf"`{each.name}[`.]", GUIDE), each.name


@pytest.mark.parametrize("of", [METHODS, OBJECTIVES])
def test_entry_points_are_of_the_groups_that_are_looked_up(of):
    assert f'[project.entry-points."{of.group}"]' in GUIDE


def test_the_suites_of_the_guide_show_and_hide_goals_as_it_says():
    assert suite("metaworld/ML10", goals="observable").goal is not None
    assert suite("metaworld/ML10").goal is None
    assert not suite("metaworld/ML1/reach-v3", starts="varied").held_out_tasks


def test_links_lead_to_headings():
    evaluation = (Path(__file__).parent.parent / "docs" / "evaluation.md").read_text()
    for file, anchor in re.findall(r"\]\((evaluation\.md)?#([\w-]+)\)", GUIDE):
        heads = re.findall(r"^#+ (.*)$", evaluation if file else GUIDE, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in heads}
        assert anchor in slugs, anchor
