"""Data sets whose frames stay in a file, as for large data sets."""

import copy
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from broken_sets import (
    DATA,
    EPISODES,
    FAULTS,
    INFO,
    drop_actions,
    edit,
    entry,
    episodes,
    header,
    sound,
)

import robomtl
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import Demonstrations, frame_file
from robomtl.demonstrations.data_files import DataFiles, Part
from robomtl.demonstrations.marks import Faults
from robomtl.demonstrations.writing import write
from robomtl.errors import InputError
from robomtl.files import cache
from robomtl.layers.normaliser import Moments
from robomtl.training.recorded import Stored, frames
from robomtl.training.samples import Sampler, SamplerConfig, every_frame

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the cache; no vector fits in memory."""
    monkeypatch.setenv("ROBOMTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(frame_file, "LIMIT", 0)
    monkeypatch.setattr("robomtl.demonstrations.kept_frames.LIMIT", 0)
    return tmp_path / "cache/frames"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return sound(tmp_path / "own")


@pytest.fixture
def learnable(own: Path) -> Path:
    """A data set that names no suite."""
    (own / "meta/robomtl.json").unlink()
    return own


@pytest.fixture
def resident(learnable: Path, monkeypatch: pytest.MonkeyPatch) -> Demonstrations:
    """The same data set in memory."""
    with monkeypatch.context() as patch:
        patch.setattr("robomtl.demonstrations.kept_frames.LIMIT", 2**20)
        return Demonstrations(learnable)


def without_statistics(folder: Path) -> None:
    """Leaves a data set whose frames have to be read where it is opened."""
    edit(
        folder,
        EPISODES,
        lambda columns: {n: each for n, each in columns.items() if "stats" not in n},
    )


def entries(kept: Path) -> list[str]:
    return sorted(path.name for path in kept.iterdir() if path.is_dir())


def sampler(data: Demonstrations, chunk: int) -> Sampler:
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    words = [(data.instructions[task],) for task in data.tasks]
    return Sampler(
        frames(data, range(len(data)), CPU),
        InstructionEmbeddings(conditioning, words, InstructionAugmentation()),
        conditioning,
        chunk=chunk,
        config=SamplerConfig(seed=3, temperature=2.0),
    )


def test_a_stored_data_set_holds_what_one_in_memory_holds(
    learnable: Path, resident: Demonstrations
) -> None:
    stored = Demonstrations(learnable)
    assert isinstance(stored.columns, frame_file.Records)
    assert not isinstance(resident.columns, frame_file.Records)
    for data in (stored, stored.select(["shut the door"]), stored.take([3, 0])):
        tasks = [*data.episodes.task]
        assert isinstance(data.columns, frame_file.Records), tasks
    for one, other in (
        (stored, resident),
        (stored.select(["shut the door"]), resident.select(["shut the door"])),
        (stored.take([3, 0]), resident.take([3, 0])),
    ):
        assert np.array_equal(one.state, other.state)
        assert np.array_equal(one.action, other.action)
        assert np.array_equal(one.first_states, other.first_states)
        assert one.fingerprint == other.fingerprint
        assert repr(one) == repr(other)


def test_episodes_without_actions_are_opened_by_their_statistics_too(
    learnable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_actions(learnable)
    stored = Demonstrations(learnable)
    with monkeypatch.context() as patch:
        patch.setattr("robomtl.demonstrations.kept_frames.LIMIT", 2**20)
        resident = Demonstrations(learnable)
    assert isinstance(stored.columns, frame_file.Records)
    assert stored.columns.fill is not None  # No data file was read yet.
    assert np.array_equal(stored.state, resident.state)
    assert stored.fingerprint == resident.fingerprint
    assert not stored.columns["action"].any()


@pytest.mark.parametrize("chunk", [1, 5])
def test_batches_of_stored_frames_are_those_of_frames_in_memory(
    chunk: int, learnable: Path, resident: Demonstrations
) -> None:
    taken = [3, 0, 2, 1]  # Not in the order of their tasks.
    one, other = (
        sampler(data.take(taken), chunk)
        for data in (Demonstrations(learnable), resident)
    )
    assert isinstance(one._source.table, Stored)
    for step in range(3):
        pairs = zip(one.batch(step, 64), other.batch(step, 64), strict=True)
        for mine, expected in pairs:
            if isinstance(mine, dict):
                mine, expected = mine["state"], expected["state"]
            assert torch.equal(mine, expected)
    both = [
        list(
            every_frame(it._source, it._wordings, it._conditioning, chunk=chunk, size=9)
        )
        for it in (one, other)
    ]
    for mine, expected in zip(*both, strict=True):
        assert torch.equal(mine.observation["state"], expected.observation["state"])
        assert torch.equal(mine.action, expected.action)
    made = one._source.resident()
    assert torch.equal(made.state, other._source.state)
    assert torch.equal(made.steps_left, other._source.steps_left)


def test_a_policy_learns_from_stored_frames_as_from_those_in_memory(
    learnable: Path, resident: Demonstrations, tmp_path: Path
) -> None:
    config = robomtl.TrainConfig(steps=3, precision="float32", threads=1, device="cpu")
    trained = [
        robomtl.train(
            data, out=tmp_path / name, conditioning=("one_hot",), config=config
        ).policy.state_dict()
        for name, data in (("one", Demonstrations(learnable)), ("other", resident))
    ]
    for name, value in trained[0].items():
        assert torch.allclose(value, trained[1][name], atol=1e-5), name


def test_moments_of_blocks_are_those_of_all_values() -> None:
    values = 1e3 + torch.randn(1000, 3, generator=torch.Generator().manual_seed(0))
    moments = Moments()
    for block in torch.split(values, 300):
        moments.add(block)
    assert torch.allclose(moments.mean, values.double().mean(0))
    assert torch.allclose(moments.std, values.double().std(0, unbiased=False))


def test_a_data_set_is_stored_once_until_one_of_its_files_changes(
    own: Path, kept: Path
) -> None:
    before = sorted(own.rglob("*"))
    first = Demonstrations(own)
    assert np.isfinite(first.state).all()
    (made,) = entries(kept)
    os.utime(own / "meta/robomtl.json")  # Its frames do not depend on this file.
    Demonstrations(own, beyond="clip")
    assert entries(kept) == [made]
    assert sorted(own.rglob("*")) == before
    edit(own, DATA, entry("observation.state", 5, [7.0, 8.0, 9.0]))
    assert Demonstrations(own).state[5].tolist() == [7.0, 8.0, 9.0]
    assert len(entries(kept)) == 1 and entries(kept) != [made]
    assert first.state[5].tolist() != [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    "case",
    [
        "states of another size",
        "a size beyond the files",
        "frames in disorder",
        "frames cut off",
        "a state that is not finite",
        "an action that is not finite",
        "an action beyond 1",
        "an episode of two tasks",
        "a task without a name",
        "frames without end",
        f"a link that leaves it, at {DATA}",
        f"a pipe at {DATA}",
    ],
)
def test_what_is_wrong_with_a_data_set_is_said_where_it_is_stored(
    case: str, own: Path, kept: Path
) -> None:
    FAULTS[case].put(own)
    for _ in range(2):
        with pytest.raises(InputError, match=FAULTS[case].message):
            assert Demonstrations(own).state is None
    without_statistics(own)
    for _ in range(2):
        with pytest.raises(InputError, match=FAULTS[case].message):
            Demonstrations(own)
        assert not kept.exists() or not entries(kept)


def test_actions_beyond_are_refused_or_clipped_whichever_comes_first(own: Path) -> None:
    edit(own, DATA, entry("action", 5, [0.5, -25.0]))
    without_statistics(own)
    for _ in range(2):
        assert Demonstrations(own, beyond="clip").action[5].tolist() == [0.5, -1.0]
        with pytest.raises(
            InputError, match="magnitude 25 in task 'open-door', episode 1"
        ):
            Demonstrations(own)


@pytest.mark.parametrize("file_mb", [100, 0])
def test_a_data_file_is_read_when_a_frame_of_it_is(
    file_mb: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "own", header(), episodes(), file_mb=file_mb)
    read: list[int] = []
    part = DataFiles.part

    def counted(files: DataFiles, number: int, faults: Faults) -> Part:
        read.append(number)
        return part(files, number, faults)

    monkeypatch.setattr(DataFiles, "part", counted)
    data = Demonstrations(tmp_path / "own")
    assert (data.tasks, data.size("action")) == (("open-door", "shut-door"), 2)
    assert read == []
    first = data.take([0]).first_states
    assert read == [0]
    again = Demonstrations(tmp_path / "own")
    other = copy.copy(again.columns)  # As another process receives it.
    assert read == list(range(1 if file_mb else len(data)))
    assert np.array_equal(other["observation.state"][:1], first)
    assert np.array_equal(data.state, again.state)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (entry("variation", 0, 7), "contradicts the statistics in meta/episodes"),
        (entry("task_index", 0, 1), "changes its task at step 1"),
        (
            entry("action", 0, [0.5, -25.0]),
            "magnitude 25 in task 'open-door', episode 0",
        ),
        (entry("observation.state", 0, [0.0, np.nan, 0.0]), "is not finite in task"),
    ],
)
def test_frames_other_than_their_statistics_are_refused_where_they_are_read(
    fault: Any, message: str, own: Path
) -> None:
    edit(own, DATA, fault)
    data = Demonstrations(own)
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            assert data.first_states is None


def test_a_data_set_that_changes_before_its_frames_are_read_is_refused(
    own: Path,
) -> None:
    data = Demonstrations(own)
    os.utime(own / DATA)
    with pytest.raises(InputError, match="own has changed since it was opened; run"):
        assert data.state is None


def test_what_a_killed_process_left_half_stored_is_made_anew(
    own: Path, kept: Path
) -> None:
    Demonstrations(own)
    (made,) = entries(kept)
    (kept / made / "filled.txt").write_text("0")  # Cut short before the line ends.
    assert np.isfinite(Demonstrations(own).state).all()
    (kept / made).rename(kept / f"{made}.partial")
    (kept / f"{made}.partial/frames.bin").write_bytes(b"half")
    assert np.isfinite(Demonstrations(own).state).all()
    assert entries(kept) == [made]


def test_two_that_want_the_same_make_it_once(kept: Path) -> None:
    made: list[Path] = []
    begun = threading.Event()

    def make(new: Path) -> None:
        begun.set()
        made.append(new)
        (new / "file").write_text("x")

    threads = [
        threading.Thread(
            target=cache.entry, args=("frames", "a", 1), kwargs={"make": make}
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun.is_set() and len(made) == 1
    assert len(entries(kept)) == 1


def test_a_cache_that_cannot_be_written_to_is_named(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBOMTL_CACHE", str(own / INFO))
    with pytest.raises(InputError, match="is not writable .* set ROBOMTL_CACHE to"):
        Demonstrations(own)


def test_records_that_were_cut_short_are_refused(own: Path) -> None:
    data = Demonstrations(own)
    assert isinstance(data.columns, frame_file.Records)
    assert np.isfinite(data.state).all()
    with (data.columns.folder / "frames.bin").open("r+b") as file:
        file.truncate(8)
    with pytest.raises(InputError, match=r"frames.bin was cut short while it was read"):
        data.columns.read(np.array([3]), 1)


def test_records_of_another_size_than_their_frames_are_refused(own: Path) -> None:
    data = Demonstrations(own)
    assert isinstance(data.columns, frame_file.Records)
    with (data.columns.folder / "frames.bin").open("r+b") as file:
        file.truncate(8)
    with pytest.raises(InputError, match=r"frames.bin has 8 bytes instead of .*remove"):
        Demonstrations(own).state[:]
    shutil.rmtree(data.columns.folder)
    assert np.isfinite(Demonstrations(own).state).all()


def test_marks_of_another_number_of_episodes_are_refused(own: Path) -> None:
    data = Demonstrations(own)
    assert isinstance(data.columns, frame_file.Records)
    path = data.columns.folder / "episodes.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(
        InputError, match=r"episodes.parquet has 0 episodes instead of 4; remove"
    ):
        Demonstrations(own)


def test_a_damaged_list_of_stored_frames_has_them_stored_again(own: Path) -> None:
    data = Demonstrations(own)
    assert isinstance(data.columns, frame_file.Records)
    before = np.array(data.state)
    (data.columns.folder / "filled.txt").write_text("x 99999999999 7\n")
    np.testing.assert_array_equal(Demonstrations(own).state, before)
