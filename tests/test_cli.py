import datetime
import errno
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.table import Table
from safetensors.torch import load_file

from robomtl.cli import run_directory as directory
from robomtl.cli.flags import SuiteFlags
from robomtl.cli.main import VERBS, main
from robomtl.cli.recorded_flags import flag_of
from robomtl.cli.tables import show
from robomtl.conditioning import embeddings
from robomtl.conditioning.embeddings import embed
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import InputError, SimulationError
from robomtl.evaluation import Results
from robomtl.execution.executor import LocalExecutor
from robomtl.files.lock import locked
from robomtl.mismatch import Mismatch
from robomtl.recipes import RECIPES, Recipe
from robomtl.training import TrainConfig

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    words = "train --suite points/MT4 --episodes 4 --policy mlp --steps 20 --threads 1"
    more = f"--architecture.width 16 --workers 1 --out {out}"
    assert main([*words.split(), *more.split()]) == 0
    return out


class BrokenEnv(PointsEnv):
    def step(self, action):
        raise ZeroDivisionError("simulated")


@dataclass(frozen=True, kw_only=True)
class BrokenSuite(PointsSuite):
    name: str = "broken"

    def make_env(self, task):
        return BrokenEnv(task, 50)


def refuse(item):
    raise InputError(f"There is no task '{item}'.")


@pytest.fixture
def known(no_suites):
    """Registers suites until the end of the test."""
    return no_suites.register


@pytest.fixture
def wide_data(run_directory, tmp_path):
    """Demonstrations whose actions lie beyond [-1, 1]."""
    data = tmp_path / "data"
    shutil.copytree(run_directory / "demonstrations", data)
    for path in (data / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        wide = [[1.5 * part for part in row] for row in table["action"].to_pylist()]
        place = table.schema.get_field_index("action")
        column = pa.array(wide, table.schema.field("action").type)
        pq.write_table(table.set_column(place, "action", column), path)
    return data


def refusal(capsys, *words):
    """The error message of a command in one line, without its frame."""
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.replace("│", " ").split())


EXPERT = ("evaluate", "expert", "--suite", "points/MT4", "--episodes", 1)


@pytest.mark.parametrize("out", ["seed=0:a/file:x", "~/evaluation"])
def test_a_folder_may_have_a_colon_or_begin_at_home(tmp_path, monkeypatch, out):
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert main([*map(str, EXPERT), "--workers", "1", "--out", out]) == 0
    found = Path(out).expanduser()
    assert Results.read(out).setting.agent == "expert"
    assert found.is_relative_to(home) or not [*home.rglob("report.html")]
    assert [each.name for each in here.iterdir()] == [
        each for each in found.parts[:1] if each != "/"
    ]


def test_folders_may_move_and_be_reached_by_links(run_directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run_directory / "demonstrations", "data")
    shutil.copytree(run_directory, "run")
    more = "--policy mlp --architecture.width 16 --threads 1 --schedule constant"
    words = ["--out", "trained", *more.split()]
    assert main(["train", "--data", "data", "--steps", "4", *words]) == 0
    os.rename("data", "moved")
    os.symlink("moved", "relative")
    os.symlink(tmp_path / "moved", "absolute")
    for data, steps in (("relative", "6"), ("absolute", "8")):
        assert main(["train", "--data", data, "--steps", steps, *words]) == 0
    played = ["--episodes", "1", "--workers", "1", "--out"]
    os.mkdir("target")
    os.symlink("target", "results")
    assert main(["evaluate", "run", *played, "results"]) == 0
    trials = Path("target/trials.parquet").read_bytes()
    os.rename("run", "elsewhere")
    os.symlink("elsewhere", "link")
    os.rename("target", "results-moved")
    assert main(["evaluate", "link", "--resume", "results-moved"]) == 0
    assert main(["evaluate", "elsewhere", *played, "results-moved"]) == 0
    assert Path("results-moved/trials.parquet").read_bytes() == trials


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--data", "RUN/demonstrations", "--steps", "2"],
        ["evaluate", "RUN"],
        ["probe", "RUN"],
        ["shift", "RUN", "--shifts", "action_delay"],
        ["multitask", "points/MT4", "--demonstrations", "1"],
        ["lifelong", "points/MT4"],
    ],
)
def test_a_folder_that_another_command_writes_to_is_refused(
    run_directory, tmp_path, capsys, words
):
    words = [word.replace("RUN", str(run_directory)) for word in words]
    with locked(tmp_path / "out"):
        said = refusal(capsys, *words, "--out", tmp_path / "out")
    # Lines end within a long path.
    assert f"iswritinginto{tmp_path / 'out'};waitforit" in "".join(said.split())
    assert [*tmp_path.iterdir()] == []


def test_the_home_of_nobody_is_refused(capsys):
    said = refusal(capsys, *EXPERT, "--out", "~nobody-here/x")
    assert "~nobody-here/x names the home folder of an unknown user." in said


def test_two_commands_of_the_same_second_have_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directory, "datetime", Frozen)
    with directory.run_directory(None, "train", "points/MT4", flags=None) as one:
        (one / "run.json").touch()
        with directory.run_directory(None, "train", "points/MT4", flags=None) as other:
            assert other == Path("runs/2026-01-01_00-00-00_train_points-MT4-2")
    assert one.name == "2026-01-01_00-00-00_train_points-MT4"
    assert not other.exists()  # As nothing was finished in it.


class Frozen:
    """Stands in for the module ``datetime``: a second that does not end."""

    class datetime:  # noqa: N801
        now = partial(datetime.datetime, 2026, 1, 1)


def test_training_asks_for_its_device_before_it_collects(capsys, tmp_path):
    words = [
        "train",
        "--suite",
        "points/MT4",
        "--device",
        "evil",
        "--out",
        tmp_path / "r",
    ]
    assert "There is no device 'evil' here; torch finds" in refusal(capsys, *words)
    assert not (tmp_path / "r").exists()


def test_a_file_that_may_not_be_read_is_named(capsys, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("robomtl.checkpoint.load", refuse)
    assert main(["evaluate", str(tmp_path)]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "Permission denied. Give another path, or change its permissions." in said
    assert "Errno" not in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [["simulators"], ["--help"]])
def test_a_reader_that_leaves_is_no_fault(words):
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "robomtl", *words]
    ended = subprocess.run(command, stdout=writes, stderr=PIPE, text=True)
    os.close(writes)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_terminal_without_the_letters_shows_what_it_can(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setitem(VERBS, "list", "≥ 1–9 × φ")
    assert main([]) == 0
    shown.flush()
    assert b">= 1-9 x ?" in shown.buffer.getvalue()


def test_a_working_directory_that_was_removed_is_named(capsys, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = refusal(capsys, "list")
    assert "The working directory was removed; change to one that exists" in said


def test_without_a_verb_every_verb_is_shown(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"robomtl {verb}" in shown for verb in VERBS)


def test_an_unknown_verb_names_the_nearest(capsys):
    assert "Did you mean 'train'" in refusal(capsys, "trian")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"robomtl {verb}" in capsys.readouterr().out


def test_list_shows_suites_policies_and_recipes(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("metaworld/MT10", "points/MT4", "film", "mlp", *RECIPES):
        assert name in shown


def test_collect_writes_a_data_set(tmp_path, capsys):
    words = ["collect", "points/MT4", "--episodes", "2", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert "8 episodes of 4 tasks" in capsys.readouterr().out
    assert (tmp_path / "meta" / "info.json").exists()


def test_train_then_evaluate_leaves_a_table_of_success(run_directory, tmp_path):
    words = ["evaluate", run_directory, "--episodes", 3, "--workers", 1]
    assert main([str(w) for w in [*words, "--out", tmp_path]]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["tasks"]) == {
        "reach-red", "reach-green", "reach-blue", "reach-flag"
    }  # fmt: skip
    assert all(task["trials"] == 3 for task in results["tasks"].values())
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "trials.parquet").exists()


def test_the_architecture_s_own_settings_are_flags(run_directory):
    run = json.loads((run_directory / "run.json").read_text())
    assert run["policy_config"]["width"] == 16
    assert run["training"]["steps"] == 20


def test_experts_can_be_evaluated(tmp_path):
    words = "evaluate expert --suite points/MT4 --episodes 2 --workers 1 --out"
    assert main([*words.split(), str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["task_mean"] == 1.0


def test_train_needs_data_or_a_suite(capsys):
    assert "Give --data DIR to clone, or --suite" in refusal(capsys, "train")


def test_settings_of_videos_are_refused_where_none_is_requested(capsys):
    words = ["evaluate", "expert", "--suite", "points/MT4", "--video-size", "64", "64"]
    said = refusal(capsys, *words)
    assert "Without --video, --video-size would have no effect" in said


@pytest.mark.parametrize("verb", ["evaluate", "probe"])
def test_the_limit_of_a_step_is_a_flag_of_what_plays_trials(
    run_directory, capsys, verb
):
    said = refusal(capsys, verb, run_directory, "--limit", 0)
    assert "limit is 0 s; give a number above 0" in said


@pytest.mark.slow
def test_an_evaluation_says_why_trials_have_no_outcome(known, tmp_path, capsys):
    known("broken", BrokenSuite())
    words = "evaluate expert --suite broken --tasks reach-red --episodes 1 --workers 1"
    with pytest.raises(SystemExit) as stopped:
        main([*words.split(), "--out", str(tmp_path)])
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert "A trial of reach-red ended in an error, variation 1000000, repeat 0" in said
    assert "Every trial ended in an error, so there is no success rate." in said
    assert "step 1: ZeroDivisionError: simulated (test_cli.py" in said


def test_experts_need_a_suite(capsys):
    assert (
        "suite that 'expert' was trained on is not known; give --suite NAME"
        in refusal(capsys, "evaluate", "expert")
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--episodes 50", "--episodes"),
        ("--noise 0.3", "--noise"),
        ("--goals hidden --horizon 9", "--goals, --horizon"),
        ("--train-tasks a b --held-out-tasks c", "--train-tasks, --held-out-tasks"),
    ],
)
def test_flags_of_collecting_are_refused_beside_data(
    run_directory, capsys, flags, message
):
    data = run_directory / "demonstrations"
    said = refusal(capsys, "train", "--data", data, *flags.split())
    assert f"is recorded already, so {message} would have no effect; leave it" in said


def test_no_verb_begins_on_a_device_that_is_not_there(run_directory, capsys, tmp_path):
    for words in (
        ("train", "--suite", "points/MT4"),
        ("adapt", run_directory, "--suite", "points/MT4"),
        ("multitask", "points/MT4"),
    ):
        out = tmp_path / words[0]
        said = refusal(capsys, *words, "--device", "evil", "--out", out)
        assert "There is no device 'evil' here; torch finds cpu" in said
        assert not out.exists()


@pytest.mark.parametrize(
    "words", [("adapt", "RUN"), ("multitask", "points/MT4"), ("run", "quickstart")]
)
def test_no_verb_takes_a_disturbance_beside_data(run_directory, capsys, words):
    data = run_directory / "demonstrations"
    words = [run_directory if word == "RUN" else word for word in words]
    said = refusal(capsys, *words, "--data", data, "--noise", "0.3")
    assert "is recorded already, so --noise would have no effect; leave out" in said


@pytest.mark.parametrize("flag", ["--beyond clip", "--failed clone"])
def test_flags_of_a_data_set_are_refused_without_data(capsys, flag):
    said = refusal(capsys, "train", "--suite", "points/MT4", *flag.split())
    assert f"{flag.split()[0]} applies to recorded data sets; give --data DIR" in said


def test_actions_beyond_the_range_are_clipped_on_request(wide_data, capsys, tmp_path):
    words = ["train", "--data", wide_data, "--steps", 2, "--threads", 1]
    words += ["--conditioning", "one_hot", "--out", tmp_path / "run"]
    assert "beyond='clip'" in refusal(capsys, *words)
    assert main([str(word) for word in [*words, "--beyond", "clip"]]) == 0


def test_train_collects_with_noise_on_request(tmp_path):
    words = "train --suite points/MT4 --episodes 1 --noise 0.2 --steps 2 --threads 1"
    assert main([*words.split(), "--workers", "1", "--out", str(tmp_path)]) == 0
    about = json.loads((tmp_path / "demonstrations/meta/robomtl.json").read_text())
    assert about["request"]["noise"] == 0.2
    assert about["request"]["episodes"] == 1


def test_data_of_another_suite_is_refused(run_directory, capsys):
    data = run_directory / "demonstrations"
    said = refusal(capsys, "train", "--suite", "points/MT6", "--data", data)
    assert "was recorded in points/MT4, but points/MT6 is needed" in said


def test_an_unknown_suite_names_the_nearest(capsys):
    assert "Did you mean 'points'" in refusal(capsys, "collect", "point/MT4")
    assert "MT10" in refusal(capsys, "collect", "metaworld/MT11")


def test_an_unknown_task_names_the_nearest(capsys, tmp_path):
    words = ["collect", "points/MT4", "--tasks", "reach-rad", "--out", tmp_path]
    assert "Did you mean 'reach-red'" in refusal(capsys, *words)


def test_an_unknown_policy_names_the_nearest(capsys):
    said = refusal(capsys, "train", "--suite", "points/MT4", "--policy", "flim")
    assert "Did you mean 'film'" in said


def test_an_unknown_recipe_names_the_nearest(capsys, tmp_path):
    said = refusal(capsys, "run", "quikstart", "--out", tmp_path)
    assert "Did you mean 'quickstart'" in said


@pytest.mark.parametrize(
    ("recorded", "flag"),
    [
        ("policy_config.width", "--architecture.width"),
        ("suite_options.horizon", "--horizon"),
        ("suite_options.colour", "--suite-options"),
        ("methods.lora.rank", "--settings lora.rank"),
        ("trials", "--trials"),
        ("versions.torch", None),
    ],
)
def test_a_recorded_setting_is_named_by_its_flag(recorded, flag):
    known = "--architecture.width --horizon --suite-options --settings --trials"
    assert flag_of(recorded, known.split()) == flag


def test_a_setting_of_one_cell_is_named_by_its_flag_and_the_cell():
    said = Mismatch("trials", 1, 2, of="best of 2/0").phrase(spelled="--{}".format)
    assert said == "--trials of best of 2/0 is 1 in the folder and 2 now"


def test_settings_without_a_recipe_are_refused(capsys):
    said = refusal(capsys, "run", "--training.steps", "10")
    assert "No recipe is named" in said
    assert "robomtl run quickstart --training.steps 10" in said


def test_settings_of_each_objective_are_in_the_whole_help_alone(capsys):
    shown = {}
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit):
            main(["run", "ml10-transfer", flag])
        shown[flag] = capsys.readouterr().out
    assert len(shown["--help"].splitlines()) < 130
    assert "--help-all shows them" in " ".join(shown["--help"].split())
    for words, shows in {
        "--seeds": ("--help", "--help-all"),
        "--pretraining.maml.training.learning-rate": ("--help-all",),
        "--pretraining.maml.meta.": ("--help-all",),
    }.items():
        assert tuple(flag for flag in shown if words in shown[flag]) == shows


def test_a_folder_that_is_no_run_is_refused(capsys, tmp_path):
    assert "has no policy.json" in refusal(capsys, "evaluate", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate DATA", "is a data set and has no policy.json; name a run directory"),
        ("evaluate FILE", "is not a folder; name a run directory"),
        ("evaluate exprt", "exprt does not exist; did you mean 'expert'"),
        ("compare DATA RUN", "has the evaluation finished? The folder is a data set."),
        (
            "features RUN --data RUN --out NEW",
            "is the run directory of a policy; give the folder of a data set, such as"
            " RUN/demonstrations",
        ),
        (
            "train --data DATA --steps 1 --out DATA",
            "is a data set; give another folder",
        ),
        ("train --data DATA --steps 1 --out FILE", "is a file or a broken link"),
        ("evaluate RUN --episodes 1 --out DATA", "is a data set; give another folder"),
        ("probe RUN --episodes 1 --out RUN", "whose results would be overwritten"),
        ("run quickstart --out DATA", "is a data set; give another folder"),
        (
            "run quickstart --out RUN",
            "Differing: --policy is 'mlp' in the folder and 'film' now",
        ),
        ("multitask points/MT4 --noise nan --out NEW", "noise is nan; give a number"),
        ("run quickstart --suite points/MT4 --trials 0 --out NEW", "give at least 1"),
        ("run quickstart --new-task.methods finetun --out NEW", "mean 'finetune'"),
        (
            "run quickstart --multitask.settings together.policy_config.widht=3 --out NEW",
            "Did you mean 'width'",
        ),
        ("train --data DATA --execute 9 --out NEW/a/b", "execute is 9, but the policy"),
        ("collect points/MT4 --out FILE", "is a file or a broken link"),
        ("evaluate RUN --video 0", "0 videos of each task were requested"),
        (
            "check RUN --tasks x --limit 3",
            "only the check of a suite accepts --tasks, --limit",
        ),
        (
            "--imprt x list",
            "Unknown flag before the verb '--imprt'. Did you mean '--im",
        ),
    ],
)
def test_what_is_another_kind_of_folder_or_flag_is_named(
    run_directory, capsys, tmp_path, words, said
):
    file, data = tmp_path / "file", run_directory / "demonstrations"
    file.write_text("text")
    places = {"RUN": run_directory, "DATA": data, "FILE": file, "NEW": tmp_path / "new"}
    before = sorted(run_directory.rglob("*"))
    refused = refusal(capsys, *(places.get(word, word) for word in words.split()))
    assert "".join(said.replace("RUN", str(run_directory)).split()) in "".join(
        refused.split()
    )
    assert sorted(run_directory.rglob("*")) == before
    assert [*tmp_path.iterdir()] == [file]


def test_an_option_the_suite_does_not_take_is_refused(capsys):
    said = refusal(capsys, "check", "points/MT4", "--goals", "hidden")
    assert "Suite 'points/MT4': Unknown option 'goals'" in said


def test_the_unmodified_env_is_an_option_of_the_suite(capsys):
    assert "'upstream'" in refusal(capsys, "check", "points/MT4", "--upstream")
    made = SuiteFlags(upstream=True).make("metaworld/MT10")
    assert made.options["upstream"] is True
    trained = {"upstream": True, "horizon": 9}
    assert SuiteFlags().make("metaworld/MT10", trained).options["upstream"] is True


@pytest.mark.slow
def test_an_evaluation_in_the_unmodified_env_says_so(tmp_path):
    words = "evaluate expert --suite metaworld/MT1/reach-v3 --upstream --episodes 1"
    assert main([*words.split(), "--workers", "1", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["options"]["upstream"] is True
    assert results["task_mean"] == 1.0


def test_a_suite_of_other_sizes_is_refused(run_directory, capsys, tmp_path):
    words = ["evaluate", run_directory, "--suite", "metaworld/MT10", "--out", tmp_path]
    assert "does not fit" in refusal(capsys, *words)


def test_a_run_directory_of_other_settings_is_refused(run_directory, capsys):
    words = "train --suite points/MT4 --episodes 4 --policy mlp --steps 30 --threads 1"
    more = ["--architecture.width", 16, "--workers", 1, "--out", run_directory]
    said = refusal(capsys, *words.split(), *more)
    assert "--steps (training.steps) is 20 in the folder and 30 now" in said


def test_check_says_that_a_suite_keeps_the_contract(capsys):
    assert main(["check", "points/MT4"]) == 0
    assert "points/MT4 keeps the contract" in capsys.readouterr().out


def test_what_looks_like_markup_is_printed_as_it_is(capsys):
    assert "[/x] does not exist" in refusal(capsys, "evaluate", "[/x]")
    assert "Unknown verb '[red]'" in refusal(capsys, "[red]")


def test_a_missing_extra_is_named_whole(capsys, known, monkeypatch):
    class Wordy(PointsSuite):
        name = "wordy"

        def variations(self, task, split):
            return embed(["a sentence that nobody shipped"])

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    embeddings._encoder.cache_clear()
    known("wordy", Wordy())
    said = refusal(capsys, "collect", "wordy")
    assert "pip install 'robomtl[language]'" in said


def test_titles_of_tables_are_printed_as_they_are(capsys):
    title, caption = "[/x] on points", "[bold].json instructions"
    show(Table("task", title=title, caption=caption, width=40))
    shown = capsys.readouterr().out
    assert "[/x] on points" in shown
    assert "[bold].json" in shown


def test_problems_of_a_suite_are_printed_as_they_are(capsys, known):
    class Broken(PointsSuite):
        name = "broken"

        def make_expert(self, task):
            raise KeyError("[/x]")

    known("broken", Broken())
    with pytest.raises(SystemExit, match="1"):
        main(["check", "broken"])
    assert "[/x]" in capsys.readouterr().out


def test_a_simulator_that_gives_up_is_reported_in_a_sentence(capsys, known, tmp_path):
    class Shaky(PointsSuite):
        name = "shaky"

        def variations(self, task, split):
            raise SimulationError(task, 3, 7, "it fell over")

    known("shaky", Shaky())
    said = refusal(capsys, "collect", "shaky", "--out", tmp_path / "data")
    assert "reach-red, variation 3, step 7: it fell over" in said


def test_a_damaged_file_of_weights_is_reported_in_a_sentence(capsys, known):
    class Shelved(PointsSuite):
        name = "shelved"

        def variations(self, task, split):
            return load_file(__file__)  # It is no such file.

    known("shelved", Shelved())
    said = refusal(capsys, "collect", "shelved")
    assert "A file of weights is damaged: " in said


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(0), r"sys.exit\(\) was called: SystemExit: 0 \(test_cli.py, line"),
        (PermissionError(13, "Permission denied", "data"), "data: Permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_what_a_plug_in_raises_ends_no_command_in_silence(
    capsys, known, tmp_path, error, message
):
    class Leaving(PointsSuite):
        name = "leaving"

        def variations(self, task, split):
            raise error

    known("leaving", Leaving())
    assert re.search(
        message, refusal(capsys, "collect", "leaving", "--out", tmp_path / "d")
    )


@pytest.mark.parametrize("error", [ImportError("gone"), OSError(9, "Bad descriptor")])
def test_a_bug_shows_its_traceback(known, tmp_path, error):
    class Buggy(PointsSuite):
        name = "buggy"

        def variations(self, task, split):
            raise error

    known("buggy", Buggy())
    with pytest.raises(type(error)):
        main(["collect", "buggy", "--out", str(tmp_path / "d")])


@pytest.mark.slow
def test_an_error_of_a_worker_says_how_to_see_where(capsys, known, monkeypatch):
    class Noted(PointsSuite):
        name = "noted"

        def variations(self, task, split):
            return list(LocalExecutor(workers=1).map(refuse, ["reach-rod"]))

    known("noted", Noted())
    said = refusal(capsys, "collect", "noted")
    assert "There is no task 'reach-rod'." in said
    assert "ROBOMTL_TRACEBACK=1 shows the traceback in the worker." in said
    monkeypatch.setenv("ROBOMTL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no task 'reach-rod'") as raised:
        main(["collect", "noted"])
    assert "in refuse" in raised.value.__notes__[0]


def interrupted(begun, *words, cwd, by=signal.SIGINT):
    """Output of a verb that gets a signal once files matching ``begun`` exist."""
    # A shell that runs tests in the background has its children ignore Ctrl-C.
    code = (
        "import signal, sys; from robomtl.cli.main import main;"
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    process = subprocess.Popen(command, cwd=cwd, stdout=PIPE, stderr=PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("Run directory: ")
    folder = cwd / first.removeprefix("Run directory: ").strip()
    deadline = time.monotonic() + 300
    while not any(folder.glob(begun)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # A file is seen before what wrote it has gone on.
    process.send_signal(by)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 128 + by, said
    assert said.count("Stopped.") == 1
    assert "Traceback" not in said
    return folder, said


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_collecting_that_is_interrupted_says_how_to_go_on(tmp_path, by):
    words = ["collect", "points/MT4", "--episodes", 50_000, "--workers", 1]
    begun = ".collecting/task-*/*.npz"
    folder, said = interrupted(begun, *words, cwd=tmp_path, by=by)
    where = f"--out {folder.relative_to(tmp_path)}"
    assert f"Finished work is kept; the same command with {where} resumes it." in said
    assert any(folder.glob(begun))


@pytest.mark.slow
def test_training_that_is_interrupted_keeps_a_checkpoint(run_directory, tmp_path):
    data = run_directory / "demonstrations"
    out = tmp_path / "run"
    words = ["train", "--data", data, "--policy", "mlp", "--threads", 1, "--out", out]
    words += ["--steps", 1_000_000, "--save-every", 300, "--architecture.width", 16]
    folder, said = interrupted("training.safetensors", *words, cwd=tmp_path)
    assert folder == out
    assert "Finished work is kept; the same command resumes it." in said
    assert load_file(out / "training.safetensors")["step"] % 300 != 0


def test_ctrl_c_before_anything_is_kept_promises_nothing(capsys, known):
    class Slow(PointsSuite):
        name = "slow"

        @property
        def train_tasks(self):
            raise KeyboardInterrupt

    known("slow", Slow())
    assert main(["check", "slow"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_quickstart_has_one_folder_unless_another_is_given(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    script = Path(__file__).parent.parent / "scripts" / "quickstart"
    last = script.read_text().splitlines()[-1]
    own = f"--out {tmp_path / 'mine'}"
    assert shlex.split(last)[:2] == ["exec", ".venv/bin/robomtl"]
    for given, folder in (("", "runs/quickstart"), (own, str(tmp_path / "mine"))):
        words = last.replace('"$@"', f"{given} --data {tmp_path / 'nothing'}")
        assert main(shlex.split(words)[2:]) == 2
        shown = capsys.readouterr().out
        assert shown.splitlines()[0] == f"Run directory: {folder}"


@pytest.mark.slow
def test_a_recipe_that_is_run_again_shows_the_same(capsys, tmp_path, monkeypatch):
    training = TrainConfig(steps=3, threads=1)
    recipe = Recipe(
        line="", suite="points/MT4", episodes=2, trials=2, training=training
    )
    monkeypatch.setitem(RECIPES, "small", recipe)
    words = ["run", "small", "--workers", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    first, made = capsys.readouterr(), (tmp_path / "policy.safetensors").stat()
    assert main(words) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.out.endswith(f"Report: {tmp_path / 'report.html'}\n")
    assert "Collecting" not in again.err and "Training" not in again.err
    assert (tmp_path / "policy.safetensors").stat() == made


def test_a_protocol_sets_the_horizon_and_the_number_of_episodes(tmp_path):
    words = "evaluate expert --suite points/MT4 --protocol lerobot --until success"
    assert main([*words.split(), "--workers", "1", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert (found["protocol"], found["horizon"], found["episodes"]) == (
        "lerobot",
        400,
        10,
    )


@pytest.mark.parametrize("words", [EXPERT, ("collect", "points/MT4")])
def test_the_time_limit_of_a_step_is_a_flag(capsys, tmp_path, words):
    said = refusal(capsys, *words, "--limit", 0, "--out", tmp_path / "out")
    assert "limit is 0 s; give a number above 0" in said


def test_a_protocol_is_not_stretched(capsys, tmp_path):
    words = ("evaluate", "expert", "--suite", "points/MT4", "--out", tmp_path)
    said = refusal(capsys, *words, "--protocol", "lerobot", "--episodes", 9)
    assert "match the protocol 'lerobot': episodes 9, not 10" in said
    said = refusal(capsys, *words, "--protocol", "lerobot", "--tasks", "reach-red")
    assert "match the protocol 'lerobot': tasks 1 of 4, not all of the suite" in said
    words = ["evaluate", "expert", "--suite", "joint/points/MT4+points/two_robots"]
    said = refusal(capsys, *words, "--protocol", "lerobot", "--out", tmp_path)
    assert "match the protocol 'lerobot': horizon set by the suite, not 400" in said
    said = refusal(capsys, *words, "--protocol", "lerobt")
    assert "Did you mean 'lerobot'?" in said
