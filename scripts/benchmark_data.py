"""Benchmark of opening a large data set and training on it, compared with a small one.

Both data sets are synthetic, in the layout that LeRobot writes: one row group per episode,
files of about 100 MB, and statistics of each episode. They are written once and kept.

    scripts/benchmark data /tmp/data --episodes 100000
"""

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import tyro
from numpy.typing import NDArray

from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.demonstrations import Demonstrations, layout
from robomtl.policy import Spec
from robomtl.registry import POLICIES
from robomtl.training import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig
from robomtl.versions import processor

STATE, ACTION, TASKS = 39, 4, 50
_SMALL = 1000  # Episodes of the small data set.
_PER_FILE = 4000  # Episodes per file.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    folder: tyro.conf.Positional[Path]
    """Folder for the data sets."""
    episodes: int = 100_000
    """Episodes of the large data set."""
    length: int = 100
    """Frames of an episode."""
    steps: int = 1500
    """Number of timed training steps."""
    blocks: int = 10
    """Number of blocks into which the steps are divided, alternating between data sets."""
    only: Path | None = None
    """Data set to open and train on in this process; set by the benchmark itself."""


def main(benchmark: Benchmark) -> None:
    """Prints time, memory and samples per second for each data set."""
    if benchmark.only is not None:
        _measure(benchmark.only, benchmark)
        return
    sets = {}
    for name, episodes in (("small", _SMALL), ("large", benchmark.episodes)):
        sets[name] = benchmark.folder / f"{name}-{episodes}x{benchmark.length}"
        if not (sets[name] / layout.INFO).exists():
            write(sets[name], episodes, benchmark.length)
    print(processor())
    for name, path in (("small", sets["small"]), *[("large", sets["large"])] * 2):
        command = [sys.executable, __file__, str(benchmark.folder), "--only", str(path)]
        print(name, flush=True)
        subprocess.run([*command, "--steps", str(benchmark.steps)], check=True)
    _compare([_Run(sets[name]) for name in ("small", "large")], benchmark)


def write(folder: Path, episodes: int, length: int) -> None:
    """Writes a data set of random numbers."""
    features = layout.features(layout.Sizes(STATE, ACTION, 80))
    schema = layout.data_schema(features)
    generator = np.random.default_rng(0)
    described: list[dict[str, NDArray[np.float64]]] = []
    for first in range(0, episodes, _PER_FILE):
        path = folder / layout.DATA_PATH.format(
            chunk_index=0, file_index=first // _PER_FILE
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        number = np.arange(first, min(first + _PER_FILE, episodes))
        columns = _frames(generator, number, length)
        described.append(_statistics(columns, length))
        table = _table(schema, columns)
        pq.write_table(table, path, row_group_size=length, write_page_checksum=True)
    index = np.arange(episodes)
    listed: dict[str, Any] = {
        "episode_index": index,
        "length": np.full(episodes, length),
        "dataset_from_index": index * length,
        "dataset_to_index": (index + 1) * length,
        "data/chunk_index": np.zeros(episodes, np.int64),
        "data/file_index": index // _PER_FILE,
        **{n: _lists([each[n] for each in described]) for n in described[0]},
    }
    path = folder / layout.EPISODES_PATH.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(listed), path, row_group_size=500)
    names = {
        "task_index": np.arange(TASKS),
        "task": [f"task {i}" for i in range(TASKS)],
    }
    pq.write_table(pa.table(names), folder / layout.TASKS)
    info = layout.info(
        layout.Sizes(STATE, ACTION, 80),
        robot_type="synthetic",
        episodes=episodes,
        frames=episodes * length,
        tasks=TASKS,
    )
    (folder / layout.INFO).write_text(json.dumps(info))


def _frames(
    generator: np.random.Generator,
    episodes: NDArray[np.int64],
    length: int,
) -> dict[str, NDArray[Any]]:
    """The frames of some episodes."""
    step, count = np.tile(np.arange(length), len(episodes)), len(episodes) * length
    episode = episodes.repeat(length)
    return {
        layout.STATE: generator.standard_normal((count, STATE), np.float32),
        layout.ACTION: generator.random((count, ACTION), np.float32),
        layout.REWARD: np.zeros(count, np.float32),
        layout.SUCCESS: np.full(count, True),
        layout.VARIATION: episode,
        "timestamp": (step / 80).astype(np.float32),
        "frame_index": step,
        "episode_index": episode,
        "index": episode * length + step,
        "task_index": episode % TASKS,
    }


def _statistics(
    columns: dict[str, NDArray[Any]], length: int
) -> dict[str, NDArray[np.float64]]:
    """Statistics of each episode; (episode, component)."""
    found = {}
    for name, column in columns.items():
        values = column.reshape(-1, length, column[0].size).astype(np.float64)
        low, high = values.min(1), values.max(1)
        mean, deviation = values.mean(1), values.std(1)
        described = {"min": low, "max": high, "mean": mean, "std": deviation}
        found |= {f"stats/{name}/{key}": each for key, each in described.items()}
    return found


def _lists(parts: list[NDArray[np.float64]]) -> pa.Array:
    """An array of rows as an Arrow column of lists."""
    values = np.concatenate(parts)
    flat = pa.array(values.reshape(-1))
    rows = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return rows.cast(pa.list_(pa.float64()))


def _table(schema: pa.Schema, columns: dict[str, NDArray[Any]]) -> pa.Table:
    arrays = [
        pa.FixedSizeListArray.from_arrays(  # pyrefly: ignore[no-matching-overload]
            pa.array(columns[field.name].reshape(-1)),
            type=field.type,
        )
        if pa.types.is_fixed_size_list(field.type)
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def _memory() -> tuple[float, float]:
    """Resident and private memory of this process [MB]."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    size = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return size["Rss"], size["Private_Clean"] + size["Private_Dirty"]


class _Run:
    """Steps of training on a data set."""

    def __init__(self, path: Path) -> None:
        data, cpu = Demonstrations(path), torch.device("cpu")
        self._config = TrainConfig(device="cpu", precision="float32", threads=1)
        conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
        instructions = [(data.instructions[task],) for task in data.tasks]
        self._sampler = Sampler(
            known := frames(data, range(len(data)), cpu),
            InstructionEmbeddings(
                conditioning, instructions, self._config.instruction_augmentation
            ),
            conditioning,
            chunk=1,
            config=SamplerConfig(seed=0),
        )
        film = POLICIES.get("film")
        spec = Spec(state=STATE, action=ACTION, embedding=conditioning.size)
        self._policy = film(film.Config(), spec)
        self._policy.fit_blocks(known.blocks())
        self._learner = learner_for(self._policy, self._config)

    def rate(self, steps: int) -> float:
        """Samples per second over a number of steps [1/s]."""
        before = time.perf_counter()
        for _ in range(steps):
            batch = self._sampler.batch(self._learner.step, self._config.batch_size)
            self._learner.update(batch)
        return steps * self._config.batch_size / (time.perf_counter() - before)


def _measure(path: Path, benchmark: Benchmark) -> None:
    """Prints time and memory of opening a data set and training on it."""
    torch.set_num_threads(1)
    film = POLICIES.get("film")
    film(film.Config(), Spec(state=STATE, action=ACTION, embedding=TASKS))
    before, start = _memory(), time.perf_counter()
    Demonstrations(path)
    print(f"  opened in {time.perf_counter() - start:.2f} s")
    run = _Run(path)
    print(f"  first step after {time.perf_counter() - start:.2f} s")
    rate = run.rate(benchmark.steps)
    more = [now - then for now, then in zip(_memory(), before, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before[0]
    print(
        f"  after {benchmark.steps} steps ({rate:.0f} samples per second) {more[0]:.0f} MB"
        f" resident and {more[1]:.0f} MB private above torch's {before[0]:.0f} MB; peak"
        f" {peak:.0f} MB resident",
        flush=True,
    )


def _compare(runs: list[_Run], benchmark: Benchmark) -> None:
    """Prints samples per second on both data sets, measured in alternating blocks."""
    torch.set_num_threads(1)
    each = benchmark.steps // benchmark.blocks
    pairs = [[run.rate(each) for run in runs] for _ in range(benchmark.blocks + 1)][1:]
    small, large = (float(np.median(column)) for column in zip(*pairs, strict=True))
    ratio = float(np.median([two / one for one, two in pairs]))
    print(
        f"{small:.0f} samples per second on the small data set, {large:.0f} on the large"
        f" one; ratio {ratio:.3f}, median of {len(pairs)} pairs of {each} steps"
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
