import json

import pytest
from families import SUITE, grow

from robomtl import checkpoint
from robomtl.cli.main import main
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.family import find_family
from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.experiments.adapt.train_missing import train_missing
from robomtl.experiments.settings import by_label, parsed, split_policies

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("family"))


def adapt(*arguments):
    return main(["adapt", *map(str, arguments)])


@pytest.mark.slow
def test_the_verb_compares_methods_and_shows_a_table(family, tmp_path, capsys):
    words = "--methods scratch zero_shot head=finetune --shots 1 --supports 1"
    words += " --settings scratch.steps=2 head.steps=2 head.part=head --trials 2"
    words += " --retained 1 --batch-size 8 --tasks reach-ball"
    status = adapt(family, *words.split(), "--out", tmp_path / "out", "--workers", 1)
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "Few-shot adaptation on points/ML4" in " ".join(printed.out.split())
    *_, results, report = printed.out.splitlines()
    assert results == f"Results: {tmp_path / 'out' / 'results.json'}"
    assert report == f"Report: {tmp_path / 'out' / 'report.html'}"
    assert "reach-ball" in (tmp_path / "out" / "report.html").read_text()
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [*found["methods"]] == ["scratch", "zero_shot", "head"]
    assert found["methods"]["head"]["config"]["part"] == "head"
    assert found["options"] == {"horizon": SUITE.horizon}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "finetun"), "Did you mean 'finetune'"),
        (("--steps", "0"), "The budget has steps=0"),
        (("--methods", "finetune@clonin"), "'clonin'. Did you mean 'cloning'"),
        (
            ("--methods", "maml@reptile"),
            "requires policies trained with maml, not with",
        ),
        (("--methods", "finetune@maml"), "finetune needs a policy trained with the"),
        (("--suite", "points/MT4"), "trained on points/ML4, not on points/MT4"),
        (("--seeds", "0"), "seeds is 0"),
        (("--seeds", "2"), "--seed 1 --out"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    family, tmp_path, capsys, arguments, message
):
    assert adapt(family, *arguments, "--out", tmp_path) == 2
    printed = "".join(capsys.readouterr().err.replace("│", " ").split())
    assert "".join(message.split()) in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "reach-bal"), "Did you mean 'reach-ball'"),
        (("--suite", "points/MT4"), "trained on points/ML4, not on points/MT4"),
    ],
)
def test_what_cannot_be_played_is_refused_before_policies_are_trained_for_it(
    family, tmp_path, capsys, arguments, message
):
    words = ("--train", "--methods", "maml", *arguments, "--out", tmp_path)
    assert adapt(family, *words) == 2
    assert message in capsys.readouterr().err
    assert not (family / "maml").exists()


def test_other_shots_than_were_collected_name_the_flags(family, tmp_path, capsys):
    held_out = [task.name for task in SUITE.held_out_tasks]
    config = CollectionConfig(tasks=held_out, episodes=2, noise=0.0)
    collect(SUITE, tmp_path / "support", config=config, compute=Compute(workers=1))
    words = "--methods zero_shot --shots 1 2 --trials 1 --workers 1 --out"
    assert adapt(family, *words.split(), tmp_path) == 2
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "episodes is 2 in the folder and 4 now" in printed
    assert "for the first --shots, --tasks and --noise of a folder;" in printed


def test_the_policies_of_a_family_are_read_once(family, tmp_path, monkeypatch):
    read, load = [], checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda run: read.append(run) or load(run))
    found = find_family(family)
    before = len(read)
    assert train_missing(found, ["cloning"]) is find_family(found) is found
    with pytest.raises(ValueError, match="needs a policy trained with"):
        compare_methods(
            found, SUITE, AdaptRequest(methods={"maml": "maml"}), out=tmp_path / "out"
        )
    assert len(read) == before


def test_methods_are_named_by_label():
    assert by_label(["scratch", "head=finetune"]) == {
        "scratch": "scratch",
        "head": "finetune",
    }
    with pytest.raises(ValueError, match="named twice; .* as in finetune-2=finetune"):
        by_label(["finetune", "finetune"])


@pytest.mark.parametrize(
    ("word", "said"), [("=finetune", "lacks a label"), ("new=", "lacks a method")]
)
def test_a_label_or_a_name_alone_with_an_equals_sign_is_refused(word, said):
    with pytest.raises(InputError, match=f"'{word}' {said}; write LABEL=METHOD, or"):
        by_label([word])


def test_methods_may_name_the_policies_they_take():
    words, policies = split_policies(
        ["scratch", "after=finetune@maml", "alpaca@alpaca"]
    )
    assert words == ["scratch", "after=finetune", "alpaca"]
    assert policies == {"after": "maml", "alpaca": "alpaca"}


def test_settings_are_read_as_json_or_as_they_are():
    methods = {"head": "finetune"}
    words = ["head.learning_rate=1e-3", "head.part=head"]
    assert parsed(words, methods) == {"head": {"learning_rate": 1e-3, "part": "head"}}


def test_settings_that_say_nothing_are_refused():
    with pytest.raises(
        ValueError, match="'steps=3' is not a setting; write METHOD.NAME"
    ):
        parsed(["steps=3"], {"finetune": "finetune"})
    with pytest.raises(ValueError, match="Unknown method to set 'tune'"):
        parsed(["tune.steps=3"], {"finetune": "finetune"})
