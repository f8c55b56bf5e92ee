import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robomtl.demonstrations import (
    CollectionConfig,
    Demonstrations,
    collect,
    collecting,
    staging,
)
from robomtl.demonstrations.blocks import FAILED, SOLVED, UNSTABLE, Block, Unit
from robomtl.demonstrations.collection_request import Request
from robomtl.demonstrations.expert_episodes import Recorder
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import EpisodesError, InputError, SimulationError
from robomtl.execution import compute
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Failure
from robomtl.suites import suite
from robomtl.task import Action, Expert, Observation, Task

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite(variant="MT4", horizon=50)


class Inline:
    """An executor that needs no process."""

    def __init__(self, workers: int, limit: float) -> None:
        self.workers = workers

    def map(
        self, work: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yields results in reverse order, as parallel work might."""
        for index in reversed(range(len(items))):
            yield index, work(items[index])


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "LocalExecutor", Inline)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def request(**values: Any) -> Request:
    options = {
        "suite": POINTS.name,
        "options": {},
        "tasks": ("reach-red",),
        "noise": 0.0,
        **values,
    }
    return Request(**options)


# Episodes.


def test_an_episode_ends_some_steps_after_its_first_success() -> None:
    block = Recorder(POINTS, request(settle=3))(Unit("reach-red", 0, (0, 1)))
    assert block.outcome.tolist() == [SOLVED, SOLVED]
    for end, length in zip(np.cumsum(block.length), block.length, strict=True):
        success = block.success[end - length : end]
        assert success.argmax() == length - 1 - 3
    assert block.state.shape == (block.length.sum(), 12)
    assert (block.state.dtype, block.action.dtype) == (np.float32, np.float32)


def test_an_episode_may_end_at_its_success() -> None:
    block = Recorder(POINTS, request(settle=0))(Unit("reach-red", 0, (5,)))
    assert np.flatnonzero(block.success).tolist() == [block.length[0] - 1]


def test_recorded_actions_repeat_the_episode() -> None:
    block = Recorder(POINTS, request())(Unit("reach-red", 0, (3,)))
    env = POINTS.make_env("reach-red")
    observation, _ = env.reset(options={"variation": 3})
    for state, action, reward in zip(
        block.state, block.action, block.reward, strict=True
    ):
        assert np.array_equal(observation["state"], state)
        observation, given, *_ = env.step(action)
        assert np.float32(given) == reward


def test_a_disturbance_changes_the_states_but_not_the_labels() -> None:
    unit = Unit("reach-red", 0, (3,))
    clean = Recorder(POINTS, request())(unit)
    noisy = Recorder(POINTS, request(noise=0.9))(unit)
    count = min(len(clean.state), len(noisy.state))
    assert not np.array_equal(clean.state[:count], noisy.state[:count])
    expert = POINTS.make_expert("reach-red")
    for state, action in zip(noisy.state, noisy.action, strict=True):
        assert np.array_equal(expert({"state": state}), action)


def test_the_disturbance_leaves_trailing_components_alone() -> None:
    asked = request(noise=0.9, undisturbed=1)
    block = Recorder(POINTS, asked)(Unit("reach-red", 0, (3,)))
    moved = np.diff(block.state[:, :2], axis=0)
    wanted = 0.07 * block.action[:-1]
    assert np.allclose(moved[:, 1], wanted[:, 1], atol=1e-5)
    assert not np.allclose(moved[:, 0], wanted[:, 0], atol=1e-3)


def test_disturbances_follow_from_seed_task_and_variation_alone() -> None:
    together = Recorder(POINTS, request(noise=0.5))(Unit("reach-red", 0, (3, 4)))
    alone = Recorder(POINTS, request(noise=0.5))(Unit("reach-red", 1, (4,)))
    assert np.array_equal(together.state[-alone.length[0] :], alone.state)
    other = Recorder(POINTS, request(noise=0.5, seed=1))(Unit("reach-red", 1, (4,)))
    count = min(len(other.state), len(alone.state))
    assert not np.array_equal(other.state[:count], alone.state[:count])


def test_an_episode_without_success_leaves_no_frames() -> None:
    hasty = PointsSuite(variant="MT4", horizon=2)
    block = Recorder(hasty, request())(Unit("reach-red", 0, (0, 1)))
    assert block.outcome.tolist() == [FAILED, FAILED]
    assert block.state.shape == (0, 12)
    assert (block.action.shape, int(block.horizon)) == ((0, 2), 2)


class Fragile(PointsEnv):
    """Goes unstable at the third step of variation 1, and in its first life at all."""

    lives = 0

    def __init__(self, task: str, horizon: int) -> None:
        super().__init__(task, horizon)
        Fragile.lives += 1
        self.first = Fragile.lives == 1
        self.breaks = False
        self.error: BaseException = SimulationError(task, 1, 2, "diverged")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        assert options is not None
        self.breaks = self.first or options["variation"] == 1
        return super().reset(seed=seed, options=options)

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if self.breaks and self._step == 2:
            raise self.error
        return super().step(action)


@dataclass(frozen=True, kw_only=True)
class FragileSuite(PointsSuite):
    error: type[BaseException] | None = None

    def make_env(self, task: str) -> Fragile:
        env = Fragile(task, self.horizon)
        if self.error is not None:
            env.error = self.error("gripper")
        return env


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "variation 1, step 2: diverged"),
        (KeyError, "variation 1, step 3: KeyError: 'gripper' (test_collect.py, line "),
        (SystemExit, "variation 1, step 3: SystemExit: gripper (test_collect.py, line"),
    ],
)
def test_an_episode_that_breaks_off_is_tried_again_and_then_reported_separately(
    error: type[BaseException] | None, text: str
) -> None:
    Fragile.lives = 0
    suite = FragileSuite(error=error)
    block = Recorder(suite, request())(Unit("reach-red", 0, (0, 1, 2)))
    assert block.outcome.tolist() == [SOLVED, UNSTABLE, SOLVED]
    assert str(block.error).startswith(text)
    assert block.length[1] == 0
    steady = Recorder(POINTS, request())(Unit("reach-red", 0, (0, 2)))
    assert np.array_equal(block.state, steady.state)


@dataclass(frozen=True, kw_only=True)
class HidingSuite(PointsSuite):
    """Points whose flag is not shown, but to the expert."""

    @property
    def goal(self) -> Any:
        return None

    @property
    def expert_suite(self) -> PointsSuite:
        return PointsSuite(variant=self.variant)

    def make_expert(self, task: str) -> Expert:
        raise AssertionError("The expert must see the goal.")


def test_a_hidden_goal_is_seen_by_the_expert_and_recorded_as_zeros() -> None:
    unit = Unit("reach-flag", 0, (0, 1))
    hidden = Recorder(HidingSuite(), request())(unit)
    shown = Recorder(POINTS, request())(unit)
    assert np.array_equal(hidden.action, shown.action)
    assert np.array_equal(hidden.state[:, :10], shown.state[:, :10])
    assert not hidden.state[:, 10:].any()
    assert shown.state[:, 10:].all()


@dataclass(frozen=True, kw_only=True)
class WildSuite(PointsSuite):
    def make_expert(self, task: str) -> Expert:
        return lambda observation: np.full(2, np.nan, np.float32)


def test_an_expert_that_gives_no_numbers_is_refused() -> None:
    message = (
        r"reach-red, variation 4, step 1: the expert's action is not finite in components"
        r" \[0, 1\]"
    )
    with pytest.raises(ValueError, match=message):
        Recorder(WildSuite(), request())(Unit("reach-red", 0, (4,)))


class BlindingEnv(PointsEnv):
    """Shows a state that is no number after three steps, though its points move on."""

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        observation, *rest = super().step(action)
        if self._step == 3:
            observation["state"][5] = np.nan
        return observation, *rest  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class BlindingSuite(PointsSuite):
    def make_env(self, task: str) -> BlindingEnv:
        return BlindingEnv(task, self.horizon)


def test_a_state_that_is_not_finite_is_not_recorded(tmp_path: Path) -> None:
    message = (
        r"reach-red, variation \d+, step 3: observation 'state' is not finite in"
        r" components \[5\]"
    )
    with pytest.raises(ValueError, match=message):
        collect(
            BlindingSuite(),
            tmp_path,
            config=CollectionConfig(episodes=1, tasks=["reach-red"]),
            compute=Compute(workers=1),
        )
    assert not (tmp_path / "meta").exists()


class BoundlessEnv(PointsEnv):
    def step(self, action: Action) -> Any:
        seen, _, *rest = super().step(action)
        return seen, float("inf"), *rest


@dataclass(frozen=True, kw_only=True)
class BoundlessSuite(PointsSuite):
    def make_env(self, task: str) -> BoundlessEnv:
        return BoundlessEnv(task, self.horizon)


def test_a_reward_that_is_not_finite_breaks_its_episode_off() -> None:
    block = Recorder(BoundlessSuite(), request())(Unit("reach-red", 0, (0,)))
    assert block.outcome.tolist() == [UNSTABLE]
    assert str(block.error) == "variation 0, step 1: its reward is inf"


@dataclass(frozen=True, kw_only=True)
class LoudSuite(PointsSuite):
    def make_expert(self, task: str) -> Expert:
        expert = super().make_expert(task)
        return lambda observation: 25 * expert(observation)


def test_expert_actions_are_clipped() -> None:
    block = Recorder(LoudSuite(), request())(Unit("reach-red", 0, (0, 1, 2)))
    assert np.abs(block.action).max() == 1


# Collecting.


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tasks whose experts often fail: several rounds of units."""
    out = tmp_path_factory.mktemp("collected") / "out"
    collect(
        HASTY,
        out,
        config=CollectionConfig(episodes=12, noise=0.8, seed=3),
        compute=Compute(workers=1),
    )
    return out


HASTY = PointsSuite(variant="MT4", horizon=16)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_files(
    workers: int, collected: Path, tmp_path: Path
) -> None:
    collect(
        HASTY,
        tmp_path,
        config=CollectionConfig(episodes=12, noise=0.8, seed=3),
        compute=Compute(workers=workers),
    )
    assert contents(tmp_path) == contents(collected)


def test_the_first_successes_in_order_are_kept(collected: Path) -> None:
    read = Demonstrations(collected)
    about = json.loads((collected / "meta/robomtl.json").read_text())
    assert sum(read.failures.values()) > 0
    for index, task in enumerate(read.tasks):
        outcomes: list[int] = []
        recorder = Recorder(HASTY, request(noise=0.8, seed=3))
        while outcomes.count(SOLVED) < 12:
            unit = Unit(task, len(outcomes), (len(outcomes),))
            outcomes += recorder(unit).outcome.tolist()
        kept = read.episodes.variation[read.episodes.task == index]
        assert kept.tolist() == np.flatnonzero(np.equal(outcomes, SOLVED)).tolist()
        assert read.failures[task] == outcomes.count(FAILED)
        assert about["tasks"][index]["tried"] == len(outcomes)


def test_collected_demonstrations_name_their_suite(collected: Path) -> None:
    read = Demonstrations(collected)
    assert read.suite == "points/MT4"
    assert read.suite_options == {"horizon": 16}
    assert suite(read.suite, **read.suite_options) == HASTY
    assert read.instructions["reach-red"] == "reach the red target"
    assert read.noise == 0.8
    assert read.episodes.success.all()
    assert not (collected / ".collecting").exists()


def test_other_tasks_and_splits_are_collected_on_demand(
    tmp_path: Path, inline: None
) -> None:
    ml4 = PointsSuite(variant="ML4")
    tasks = ["push-ball", "reach-red"]
    read = collect(
        ml4,
        tmp_path,
        config=CollectionConfig(episodes=2, tasks=tasks, split="official"),
    )
    assert read.tasks == ("push-ball", "reach-red")
    assert set(read.episodes.variation) == {2_000_000, 2_000_001}


@dataclass(frozen=True, kw_only=True)
class GrippingSuite(PointsSuite):
    @property
    def undisturbed_actions(self) -> int:
        return 1


def test_a_suite_says_which_of_its_actions_are_never_disturbed(
    tmp_path: Path, inline: None
) -> None:
    bare = CollectionConfig(episodes=1, noise=0.9, tasks=["reach-red"])
    for made, undisturbed in ((GrippingSuite(), 1), (POINTS, 0)):
        read = collect(made, tmp_path / str(undisturbed), config=bare)
        about = json.loads((read.path / "meta/robomtl.json").read_text())
        assert about["request"]["undisturbed"] == undisturbed
        off = np.diff(read.state[:, :2], axis=0) - 0.07 * read.action[:-1]
        assert (np.abs(off).max(0) > 1e-3).tolist() == [True, not undisturbed]


def test_a_whole_data_set_is_given_at_once(
    collected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "record", None)
    before = contents(collected)
    read = collect(
        HASTY,
        collected,
        config=CollectionConfig(episodes=12, noise=0.8, seed=3),
        compute=Compute(workers=2),
    )
    assert read.fingerprint == Demonstrations(collected).fingerprint
    assert contents(collected) == before


def test_failures_are_reported_at_the_end(
    tmp_path: Path, inline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    collect(
        HASTY,
        tmp_path,
        config=CollectionConfig(episodes=3, noise=0.8, seed=3, tasks=["reach-red"]),
    )
    printed = capsys.readouterr().err
    assert "Collecting: 3/3" in printed
    assert all(word in printed for word in ("tried", "solved", "failed", "unstable"))


# Surviving.

# Workers, which run it too, import no more than they need.
SCRIPT = """
if __name__ == "__main__":
    import sys
    from robomtl.demonstrations import CollectionConfig, collect
    from robomtl.envs.points import PointsSuite

    suite = PointsSuite(variant="MT4", horizon=16)
    config = CollectionConfig(episodes=40, noise=0.8, seed=3)
    collect(suite, sys.argv[1], config=config)
"""


def start(tmp_path: Path, out: Path) -> subprocess.Popen[bytes]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen([sys.executable, str(script), str(out)], stderr=-1)


def num_units(out: Path) -> int:
    return len(list(out.glob(".collecting/task-*/from-*.npz")))


def wait_for_units(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    while num_units(out) < count and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_files(tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    generator = np.random.default_rng(7)
    for count in (0, 20):
        process = start(tmp_path, out)
        wait_for_units(process, out, count)
        time.sleep(generator.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (out / "meta/info.json").exists()
    assert num_units(out) >= 20
    assert start(tmp_path, out).wait() == 0
    config = CollectionConfig(episodes=40, noise=0.8, seed=3)
    collect(HASTY, whole, config=config, compute=Compute(workers=1))
    assert contents(out) == contents(whole)


def test_stopped_by_hand_it_keeps_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(tmp_path, out)
    wait_for_units(process, out, 5)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate()
    assert process.returncode != 0
    assert printed.rstrip().endswith(b"KeyboardInterrupt")
    assert b"is kept" not in printed  # The command line says so.
    assert num_units(out) >= 5
    with pytest.raises(ValueError, match="interrupted. Wait for the command that"):
        Demonstrations(out)


class Stopped(Exception):
    """Stands for a kill between two files."""


@pytest.mark.parametrize("moves", range(10))
def test_stopped_between_any_two_files_it_continues(
    moves: int, tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([True] * moves)

    def limited(move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def moving(source: Path, target: Path) -> Path:
            if not next(left, False):
                raise Stopped
            return move(source, target)

        return moving

    with monkeypatch.context() as context, pytest.raises(Stopped):
        context.setattr(Path, "replace", limited(Path.replace))
        context.setattr(Path, "rename", limited(Path.rename))
        collect(
            HASTY,
            tmp_path / "out",
            config=CollectionConfig(episodes=2, tasks=["reach-red"]),
        )
    with pytest.raises(
        ValueError, match="out (is incomplete: it is being|does not exist)"
    ):
        Demonstrations(tmp_path / "out")
    for name in ("out", "whole"):
        collect(
            HASTY,
            tmp_path / name,
            config=CollectionConfig(episodes=2, tasks=["reach-red"]),
        )
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_data_is_safe_on_disk_before_meta_appears(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        if os.path.samestat(os.fstat(descriptor), tmp_path.stat()):
            synced.append({path.name for path in tmp_path.iterdir()} - {".collecting"})

    monkeypatch.setattr(os, "fsync", watched)
    collect(HASTY, tmp_path, config=CollectionConfig(episodes=2, tasks=["reach-red"]))
    assert synced == [{"data"}, {"data", "meta"}]


def test_stopped_while_tidying_up_it_has_a_whole_data_set(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(staging.Staging, "remove", lambda self: None)
        collect(
            HASTY, tmp_path, config=CollectionConfig(episodes=2, tasks=["reach-red"])
        )
    assert (tmp_path / ".collecting").exists()
    assert len(Demonstrations(tmp_path)) == 2
    collect(HASTY, tmp_path, config=CollectionConfig(episodes=2, tasks=["reach-red"]))
    assert not (tmp_path / ".collecting").exists()


# Refusing.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"episodes": 0}, "episodes is 0; give at least 1"),
        ({"settle": -1}, "settle is -1; give at least 0"),
        ({"noise": 1.5}, "noise is 1.5; give a number from 0 to 1"),
        ({"noise": float("nan")}, "noise is nan; give a number from 0 to 1"),
        ({"tasks": []}, "tasks is empty; name at least 1"),
        ({"tasks": ["reach-red"] * 2}, "Task 'reach-red' is named twice"),
        ({"tasks": ["reach-rod"]}, "'reach-rod'. Did you mean 'reach-red'"),
        ({"split": "trane"}, "split 'trane'. Did you mean 'train'"),
        (
            {"split": "official", "episodes": 51},
            "'reach-red' has 50 variations in the split 'official' of points/MT4; "
            "request at most 50 episodes",
        ),
    ],
)
def test_what_cannot_be_collected_is_refused(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        collect(POINTS, tmp_path / "out", config=CollectionConfig(**values))
    assert not (tmp_path / "out").exists()


def test_no_worker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0; give at least 1"):
        collect(POINTS, tmp_path / "out", compute=Compute(workers=0))
    assert not (tmp_path / "out").exists()


def test_a_suite_that_spares_less_than_no_action_is_refused() -> None:
    with pytest.raises(ValueError, match="undisturbed is -1; give at least 0"):
        request(undisturbed=-1)


@dataclass(frozen=True, kw_only=True)
class MumblingSuite(PointsSuite):
    @property
    def train_tasks(self) -> tuple[Task, ...]:
        return tuple(Task(name=name, instructions=("go",)) for name in ("a", "b"))


def test_tasks_with_the_same_instruction_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Tasks 'a' and 'b' have the same instruction"):
        collect(MumblingSuite(), tmp_path)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ValueError, match="is not empty and not a data set"):
        collect(POINTS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_data_set_of_others_is_not_collected_into(
    collected: Path, tmp_path: Path
) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_bytes(
        (collected / "meta/info.json").read_bytes()
    )
    with pytest.raises(ValueError, match="a data set that robomtl did not collect"):
        collect(POINTS, tmp_path)


def test_a_whole_data_set_of_another_request_is_refused(collected: Path) -> None:
    message = (
        "was begun with other settings; nothing in it was changed. Differing: noise is"
        " 0.8 in the folder and 0.5 now; seed is 3 in the folder and 4 now. Give the same"
    )
    with pytest.raises(ValueError, match=message):
        collect(
            HASTY, collected, config=CollectionConfig(episodes=12, noise=0.5, seed=4)
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", r"\$: object missing required field request"),
        ('{"request": {}}', r"\$.request: object missing required field suite"),
        ('{"request": 3, "tasks": []}', r"\$.request: expected object, got int"),
        ("[]", r"\$: expected object, got array"),
    ],
)
def test_a_damaged_note_of_the_request_is_named(
    content: str, message: str, collected: Path, tmp_path: Path
) -> None:
    (tmp_path / "meta").mkdir()
    whole = (collected / "meta/info.json").read_bytes()
    (tmp_path / "meta/info.json").write_bytes(whole)
    (tmp_path / "meta/robomtl.json").write_text(content)
    with pytest.raises(ValueError, match=f"meta/robomtl.json is damaged: {message}"):
        collect(POINTS, tmp_path)


def test_a_begun_collection_of_another_request_is_refused(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context, pytest.raises(Stopped):
        context.setattr(staging.Staging, "fresh_folder", stop)
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))
    kept = num_units(tmp_path)
    with pytest.raises(ValueError, match="episodes is 2 in the folder and 3 now"):
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=3))
    with pytest.raises(
        ValueError, match="options.horizon is 50 in the folder and 16 now"
    ):
        collect(HASTY, tmp_path, config=CollectionConfig(episodes=2))
    assert num_units(tmp_path) == kept > 0
    assert len(collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))) == 8


def test_a_collection_of_which_nothing_was_finished_binds_nobody(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context, pytest.raises(Stopped):
        context.setattr(staging.Staging, "save", stop)
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))
    assert len(collect(POINTS, tmp_path, config=CollectionConfig(episodes=3))) == 12


def stop(*_: Any) -> Any:
    raise Stopped


def test_two_processes_do_not_collect_into_one_folder(tmp_path: Path) -> None:
    plan = Request(suite=POINTS.name, options={}, tasks=("reach-red",))
    with staging.Staging(tmp_path, plan).opened():
        with pytest.raises(ValueError, match="Another process is writing into"):
            collect(POINTS, tmp_path)


def test_an_expert_that_fails_too_often_is_named(tmp_path: Path, inline: None) -> None:
    hopeless = PointsSuite(variant="MT4", horizon=1)
    message = (
        "expert of 'reach-.*' fails too often: in 1[4-9] of .* episodes .noise 0.2"
    )
    with pytest.raises(ValueError, match=message):
        collect(hopeless, tmp_path, config=CollectionConfig(episodes=3, noise=0.2))
    with pytest.raises(ValueError, match=message):  # Without trying everything again.
        collect(hopeless, tmp_path, config=CollectionConfig(episodes=3, noise=0.2))


class RaisingSuite(PointsSuite):
    def make_expert(self, task: str) -> Expert:
        def expert(observation: Observation) -> Action:
            raise KeyError("gripper")

        return expert


def test_an_expert_that_raises_too_often_is_quoted(
    tmp_path: Path, inline: None
) -> None:
    message = (
        r"1\d of 1\d episodes of 'reach-red' were aborted by errors; the last:"
        r" variation \d+, step 1: KeyError: 'gripper' \(test_collect.py, line"
    )
    with pytest.raises(EpisodesError, match=message):
        collect(
            RaisingSuite(variant="MT4"),
            tmp_path,
            config=CollectionConfig(episodes=1, tasks=["reach-red"]),
        )


def test_an_expert_that_runs_out_of_variations_is_named(
    tmp_path: Path, inline: None
) -> None:
    hurried = PointsSuite(variant="reach-red", horizon=14)
    message = (
        r"expert of 'reach-red' solved (\d+) of all 50 variations in the split 'official'"
        r" of points/reach-red; request at most \1 episodes"
    )
    with pytest.raises(ValueError, match=message):
        collect(
            hurried, tmp_path, config=CollectionConfig(episodes=50, split="official")
        )


def test_a_damaged_unit_is_named(
    tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context, pytest.raises(Stopped):
        context.setattr(staging.Staging, "fresh_folder", stop)
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))
    unit = next(tmp_path.glob(".collecting/task-*/from-*.npz"))
    unit.write_bytes(unit.read_bytes()[:200])
    with pytest.raises(
        ValueError, match=rf"{unit.name} is damaged.*\. Delete it and collect again\."
    ):
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))
    np.savez(unit, reward=np.zeros(3))
    message = rf"{unit.name} is damaged: missing or unknown: .*\. Delete it and collect"
    with pytest.raises(ValueError, match=message):
        collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))
    unit.unlink()
    assert len(collect(POINTS, tmp_path, config=CollectionConfig(episodes=2))) == 8


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("reward", None, "missing or unknown: reward"),
        ("rewards", np.zeros(3, np.float32), "missing or unknown: rewards"),
        ("state", np.zeros(3, np.float32), "state has another shape or type"),
        ("length", np.array([1.5]), "length has another shape or type"),
        ("length", np.array([2]), "lengths of its episodes contradict its frames"),
        ("variation", np.array([1, 2]), "different numbers of episodes"),
        ("other.force", np.zeros((2, 1)), "different numbers of frames"),
    ],
)
def test_a_unit_whose_arrays_do_not_fit_together_is_refused(
    name: str, values: Any, message: str
) -> None:
    frames = np.zeros(3, np.float32)
    arrays = {
        **dict.fromkeys(("variation", "outcome"), np.array([1])),
        **{"length": np.array([3]), "reward": frames, "success": frames > 0},
        **dict.fromkeys(("state", "action"), frames[:, None]),
        **{"fps": np.array(10), "horizon": np.array(50), "error": np.array("")},
    }
    assert Block.of(arrays).length == 3
    changed = {n: v for n, v in {**arrays, name: values}.items() if v is not None}
    with pytest.raises(InputError, match=message):
        Block.of(changed)


class FastEnv(PointsEnv):
    metadata: dict[str, Any] = {"render_fps": 80}


@dataclass(frozen=True, kw_only=True)
class UnevenSuite(PointsSuite):
    def make_env(self, task: str) -> PointsEnv:
        return FastEnv(task, 50) if task == "reach-blue" else PointsEnv(task, 50)


def test_tasks_of_different_sizes_are_not_mixed(tmp_path: Path, inline: None) -> None:
    uneven = UnevenSuite()
    read = collect(
        uneven,
        tmp_path / "blue",
        config=CollectionConfig(episodes=1, tasks=["reach-blue"]),
    )
    assert read.fps == 80
    message = "'reach-blue' has 80 steps per second, '.*' 10 steps"
    with pytest.raises(ValueError, match=message):
        collect(uneven, tmp_path / "all", config=CollectionConfig(episodes=1))


class Dying(Inline):
    def map(
        self, work: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        yield 0, work(items[0])
        yield 1, Failure("its process was killed by SIGSEGV")


def test_a_unit_without_result_stops_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(compute, "LocalExecutor", Dying)
        with pytest.raises(SimulationError, match="reach-red, variation 5.*by SIGSEGV"):
            collect(
                POINTS,
                tmp_path,
                config=CollectionConfig(episodes=10, tasks=["reach-red"]),
            )
    assert num_units(tmp_path) == 1


# Simulators.


@pytest.mark.slow
def test_meta_world_is_collected(tmp_path: Path) -> None:
    reach = suite("metaworld/MT1/reach-v3")
    read = collect(reach, tmp_path, config=CollectionConfig(episodes=2))
    assert read.tasks == ("reach-v3",)
    assert (read.state.shape[1], read.action.shape[1]) == (39, 4)
    assert read.episodes.success.all()


@pytest.mark.slow
def test_meta_world_with_hidden_goals_is_collected(tmp_path: Path) -> None:
    tasks = ["reach-v3", "push-v3"]
    hidden = collect(
        suite("metaworld/ML10"),
        tmp_path / "a",
        config=CollectionConfig(episodes=2, tasks=tasks),
    )
    shown = collect(
        suite("metaworld/ML10", goals="observable"),
        tmp_path / "b",
        config=CollectionConfig(episodes=2, tasks=tasks),
    )
    assert np.array_equal(hidden.action, shown.action)
    assert np.array_equal(hidden.state[:, :36], shown.state[:, :36])
    assert not hidden.state[:, 36:].any()
    assert shown.state[:, 36:].any()
