"""``robomtl shift``: from run directories to areas, differences and a page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from wobbling import DrawingSuite

import robomtl
from robomtl.adaptation.adapting import configure
from robomtl.cli.main import main
from robomtl.errors import InputError
from robomtl.experiments.curves import area_weights
from robomtl.experiments.shift import ShiftConfig, target_adapting
from robomtl.experiments.shift.shift_plan import grid_of, policies_of
from robomtl.experiments.shift.target_adapting import (
    States,
    check_renormalisable,
    episodes_under,
    renormalised,
)
from robomtl.features import embodiment_of
from robomtl.pictures import pictures_of
from robomtl.suites import unshifted

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/reach-red", horizon=20)
ALONE = robomtl.Compute(workers=1)
TRAINING = robomtl.TrainConfig(
    steps=2, batch_size=16, precision="float32", threads=1, device="cpu"
)
MAGNITUDES = ["--magnitudes", "action_delay=1", "action_gain=0.5,2"]
PLAYED = ["--shifts", "action_delay", "action_gain", *MAGNITUDES, "--trials", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Run directories of two policies with two seeds each, which are all alike."""
    folder = tmp_path_factory.mktemp("runs")
    data = robomtl.collect(
        SUITE,
        folder / "data",
        config=robomtl.CollectionConfig(episodes=2),
        compute=robomtl.Compute(workers=1),
    )
    first, *others = (
        folder / f"{name}/seed-{seed}" for name in "ab" for seed in (0, 1)
    )
    settings = {"width": 16, "blocks": 1}
    robomtl.train(data, out=first, policy_config=settings, config=TRAINING)
    for run in others:
        shutil.copytree(first, run)
    return [first, *others]


def test_policies_are_compared_under_every_magnitude_and_more_may_join(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--workers", "1"]
    assert main(["shift", *map(str, runs[:2]), *PLAYED, *out]) == 0
    first = (tmp_path / "journal.jsonl").read_text()
    assert main(["shift", *map(str, runs), *PLAYED, *out]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert (tmp_path / "journal.jsonl").read_text().count('"outcomes"') == 16
    assert first.count('"outcomes"') == 8
    assert found["shifts"]["action_gain"]["magnitudes"] == [0.5, 1, 2]
    assert found["shifts"]["action_delay"]["magnitudes"] == [0, 1]
    assert [*found["area"]["a"]] == ["all", "none", "action_delay", "action_gain"]
    assert [*found["differences"]] == ["b"]
    assert found["differences"]["b"]["all"]["difference"] == 0
    of_a = found["success"]["a"]
    assert [each["trials"] for each in of_a["action_gain"]] == [4, 4, 4]
    assert of_a["action_gain"][1] == of_a["action_delay"][0]
    assert "all shifts" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("action gain [×]") and page.count("action delay [steps]")


def test_draws_that_the_trials_of_cells_share_are_warned_of_once(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = DrawingSuite(variant="reach-red", horizon=20)
    config = ShiftConfig(shifts=("action_delay",), trials=2)
    compute = robomtl.Compute(workers=2)
    robomtl.shift(runs[:2], suite, config, out=tmp_path, compute=compute)
    assert capsys.readouterr().err.count("the global random generator of Python") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variations": "train"}, "split is 'fresh' in the folder and 'train' now"),
        ({"trials": 2}, "Differing: trials of .* is 1 in the folder and 2 now"),
    ],
)
def test_other_trials_are_refused_in_the_same_folder(
    runs: list[Path], tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    config = ShiftConfig(
        shifts=("action_delay",), magnitudes={"action_delay": (1,)}, trials=1
    )
    robomtl.shift(runs[:1], SUITE, config, out=tmp_path, compute=ALONE)
    other = replace(config, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        robomtl.shift(runs[:1], SUITE, other, out=tmp_path, compute=ALONE)


def test_policies_also_play_once_they_have_learned_of_a_shift(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        target_adapting, "configure", lambda name, _: configure(name, {"steps": 2})
    )
    config = ShiftConfig(
        shifts=("object_bias",),
        magnitudes={"object_bias": (5.0,)},
        trials=2,
        adaptations=("renormalise", "finetune"),
        shots=1,
    )
    found = robomtl.shift(runs[:1], SUITE, config, out=tmp_path, compute=ALONE)
    assert [*found.success] == ["a", "a, renormalise 1", "a, finetune 1"]
    folders = sorted(path.name for path in (tmp_path / "demonstrations").iterdir())
    assert len(folders) == 2  # Without the shift and under it.
    again = robomtl.shift(runs[:1], SUITE, config, out=tmp_path, compute=ALONE)
    assert again.area == found.area


def test_renormalising_follows_a_bias_and_changes_nothing_without_a_shift(
    runs: list[Path],
) -> None:
    trained = robomtl.load(runs[0])
    tasks = ["reach-red"]

    def states(**ranges: tuple[float, float]) -> States:
        return episodes_under(trained, SUITE, tasks, ranges, episodes=2)

    plain = states()
    same = renormalised(trained, plain, states())
    assert all(
        torch.equal(value, same.policy.state_dict()[name])
        for name, value in trained.policy.state_dict().items()
    )
    moved = {
        key: [{"state": each["state"] + np.float32(0.25)} for each in episode]
        for key, episode in plain.items()
    }
    off = renormalised(trained, plain, moved).policy.normaliser
    before = trained.policy.normaliser
    assert torch.allclose(off.mean - before.mean, torch.tensor(0.25), atol=1e-5)
    assert torch.allclose(off.std, before.std, atol=1e-5)


def test_renormalising_needs_a_policy_that_reads_a_state(runs: list[Path]) -> None:
    card = robomtl.load(runs[0]).card
    robot = embodiment_of(robomtl.suite("points/MT4", images=16))
    sighted = replace(card, spec=replace(card.spec, embodiments=(robot,)))
    with pytest.raises(InputError, match="renormalise re-estimates .* and a reads"):
        check_renormalisable("a", sighted)


def test_the_area_is_that_under_straight_lines() -> None:
    assert area_weights([0, 1, 3], factor=False) == pytest.approx([1 / 6, 1 / 2, 1 / 3])
    assert area_weights([0.5, 1, 2], factor=True) == pytest.approx(
        [1 / 4, 1 / 2, 1 / 4]
    )
    assert np.isclose(sum(area_weights([0, 2, 5, 10], factor=False)), 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"shifts": ("frictoin",)},
            "Unknown shift 'frictoin'. Did you mean 'friction'",
        ),
        (
            {"shifts": ("friction",)},
            "points/reach-red does not support the shift 'friction'",
        ),
        ({"shifts": ()}, "No shift was named; name at least 1"),
        ({"shots": 0}, "shots is 0"),
        ({"shifts": ("action_gain",) * 2}, "The shift action_gain is named twice"),
        ({"magnitudes": {"action_gain": (9.0,)}}, "action_gain is 9.0; give a number"),
        ({"magnitudes": {"action_gain": (1.0,)}}, "no magnitude besides 1, which"),
        (
            {"shifts": ("action_gain",), "magnitudes": {"action_delay": (1.0,)}},
            "Unknown shift with magnitudes 'action_delay'",
        ),
    ],
)
def test_shifts_and_magnitudes_that_there_are_not_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        grid_of(SUITE, ShiftConfig(**settings))  # type: ignore[arg-type]


def test_policies_need_names_and_the_same_seeds(
    runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="Policy a is given twice with seed 0"):
        policies_of([runs[0], runs[0]])
    with pytest.raises(InputError, match="same seeds of training; given: a: 0, 1; b"):
        policies_of(runs[:3])
    with pytest.raises(InputError, match="Name at least 1 run directory"):
        policies_of([])
    with pytest.raises(InputError, match="is shifted already; give points/MT4"):
        shifted = robomtl.suite("shifted/action_gain=2/points/MT4")
        robomtl.shift(runs, shifted, out=tmp_path)
    with pytest.raises(InputError, match="is the run directory of a policy"):
        robomtl.shift(runs, SUITE, out=runs[0])


def test_a_word_of_magnitudes_has_a_form(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shift", str(runs[0]), "--magnitudes", "action_gain"]) == 2
    assert "give NAME=NUMBER,NUMBER, such as" in capsys.readouterr().err


def test_a_policy_keeps_its_options_under_shifts() -> None:
    cameras = {"cameras": ["corner2"], "size": 64, "profile": "fast"}
    under = "shifted/light=2/metaworld/MT50"
    assert pictures_of("metaworld/MT10", under, {**cameras, "horizon": 9}) == cameras
    assert unshifted(under) == "metaworld/MT50"
    assert unshifted("points/MT4") == "points/MT4"
