"""Benchmark of training on pictures of a large data set, compared with a small one.

Both data sets are synthetic, 50 tasks with pictures of one camera. The small one has a fifth
of the episodes. A new process opens a data set, which decodes its videos into the cache, and
trains on it, alternating with the same network on pictures in memory.

    scripts/benchmark images /tmp/images

Memory is that of the process: ``anonymous`` memory, and the ``total`` with pages of mapped
files. The page cache of the system, which keeps read files as long as memory is free, is not
included. Rates are per second of processor time, on which other work on the machine has less
influence.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import tyro
from benchmark_data import ACTION, STATE, TASKS, write

from robomtl.checkpoint import Card, build
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import Demonstrations, layout
from robomtl.demonstrations.video_series import VideoSeries
from robomtl.features import Embodiment
from robomtl.layers.vision import Vision
from robomtl.policy import Policy, Spec
from robomtl.training import TrainConfig
from robomtl.training.frames import Spans
from robomtl.training.learner import learner_for
from robomtl.training.material import materials
from robomtl.training.objective import Cloning, Material
from robomtl.versions import processor

_CAMERA, _KEY = "top", "observation.images.top"
_IN_A_VIDEO = 40  # Episodes per video file.
_IN_MEMORY = 2000  # Frames kept in memory.


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    folder: tyro.conf.Positional[Path]
    """Folder for the data sets."""
    episodes: int = 2500
    """Episodes of the large data set."""
    length: int = 100
    """Frames of an episode."""
    size: int = 84
    """Side of a picture [px]."""
    encoder: str = "strided"
    """Encoder of pictures."""
    batch_size: int = 128
    """Samples per step."""
    steps: int = 100
    """Number of timed training steps, from the cache and from memory each."""
    only: Path | None = None
    """Data set to open and train on in this process; set by the benchmark itself."""


def main(benchmark: Benchmark) -> None:
    """Prints time, memory and steps per second for each data set."""
    if benchmark.only is not None:
        _measure(benchmark.only, benchmark)
        return
    print(processor())
    for episodes in (benchmark.episodes // 5, benchmark.episodes):
        path = benchmark.folder / f"{episodes}x{benchmark.length}"
        if not (path / layout.INFO).exists():
            _write(path, episodes, benchmark)
        print(f"{episodes * benchmark.length:,} pictures", flush=True)
        command = [sys.executable, __file__, str(benchmark.folder), "--only", str(path)]
        for name in ("size", "encoder", "batch_size", "steps"):
            command += [f"--{name.replace('_', '-')}", str(getattr(benchmark, name))]
        subprocess.run(command, check=True)


def _write(folder: Path, episodes: int, benchmark: Benchmark) -> None:
    """Writes a data set with pictures; all videos are the same."""
    length, size = benchmark.length, (benchmark.size, benchmark.size, 3)
    shutil.rmtree(folder, ignore_errors=True)
    write(folder, episodes, length)
    first = _video(folder, _IN_A_VIDEO * length, size)
    files = np.arange(episodes) // _IN_A_VIDEO
    for file in range(1, int(files[-1]) + 1):
        shutil.copy(first, first.with_name(f"file-{file:03d}.mp4"))
    path = folder / layout.EPISODES_PATH.format(chunk_index=0, file_index=0)
    table = pq.read_table(path)
    located = {
        "chunk_index": np.zeros(episodes, np.int64),
        "file_index": files,
        "from_timestamp": (np.arange(episodes) % _IN_A_VIDEO) * length / 80,
    }
    for name, values in located.items():
        table = table.append_column(f"videos/{_KEY}/{name}", pa.array(values))
    pq.write_table(table, path, row_group_size=500)
    info = layout.info(
        layout.Sizes(STATE, ACTION, 80, ((_CAMERA, size),)),
        robot_type="synthetic",
        episodes=episodes,
        frames=episodes * length,
        tasks=TASKS,
    )
    (folder / layout.INFO).write_text(json.dumps(info))


def _video(folder: Path, count: int, size: tuple[int, int, int]) -> Path:
    """Writes a video of moving coloured blocks; returns its path."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (size[0] // 7, size[1] // 7, 3))
    still = np.kron(coarse, np.ones((7, 7, 1))).astype(np.uint8)
    series = VideoSeries(folder, _KEY, fps=80, limit=10_000)
    series.add(np.stack([np.roll(still, step, axis=1) for step in range(count)]))
    series.close()
    return next(folder.glob(f"videos/{_KEY}/*/*.mp4"))


def _measure(path: Path, benchmark: Benchmark) -> None:
    """Prints time and memory of opening a data set, and training steps per second."""
    torch.set_num_threads(1)
    started = time.perf_counter(), time.process_time()
    data = Demonstrations(path, observe=("state", _CAMERA))
    took = time.perf_counter() - started[0], time.process_time() - started[1]
    print(f"  opened in {took[0]:.0f} s, of which {took[1]:.0f} s of processor time")
    config = TrainConfig(
        device="cpu", precision="float32", threads=1, batch_size=benchmark.batch_size
    )
    conditioning = Conditioning(kinds=("one_hot",), tasks=data.tasks)
    stored, _ = materials(data, conditioning, config, chunk=1)
    runs = [
        _Run(each, conditioning, data.embodiment, benchmark, config)
        for each in (stored, _in_memory(stored))
    ]
    count = 10
    pairs = [[run.rate(count) for run in runs] for _ in range(benchmark.steps // count)]
    rates = np.median(np.array(pairs), axis=0)
    ratio = float(np.median([one / two for one, two in pairs]))
    print(
        f"  {rates[0]:.2f} steps per second from the cache, {rates[1]:.2f} from memory;"
        f" ratio {ratio:.3f}, median of {len(pairs)} pairs of {count} steps"
    )
    print(f"  memory {_memory()}", flush=True)


def _in_memory(material: Material) -> Material:
    """The material with a subset of its frames, which is kept in memory."""
    frames = material.frames
    every = len(frames) // _IN_MEMORY
    few = Spans(*(part[::every].contiguous() for part in frames.episodes))
    near = replace(frames, table=frames.table.resident(few), episodes=few.together())
    return replace(material, frames=near)


class _Run:
    """Steps of training on some frames."""

    def __init__(
        self,
        material: Material,
        conditioning: Conditioning,
        robot: Embodiment,
        benchmark: Benchmark,
        config: TrainConfig,
    ) -> None:
        spec = Spec(
            embodiments=(robot,),
            embedding=conditioning.size,
            tasks=TASKS,
            vision=Vision(encoder=benchmark.encoder),
        )
        self._config = config
        self._draws = Cloning().draws(material, config)
        self._learner = learner_for(_policy(spec, conditioning), config)
        self.rate(1)

    def rate(self, steps: int) -> float:
        """Steps per second of processor time [1/s]."""
        before = time.process_time()
        for _ in range(steps):
            batch = self._draws.batch(self._learner.step, self._config.batch_size)
            self._learner.update(batch)
        return steps / (time.process_time() - before)


def _policy(spec: Spec, conditioning: Conditioning) -> Policy:
    return build(
        Card(
            policy="film",
            config={},
            spec=spec,
            conditioning=conditioning,
            suite="",
            suite_options={},
            step=0,
        )
    )


def _memory() -> str:
    """Current and peak memory of this process, in words."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if "kB" in line}
    size = {name: int(value) / 1024 for name, value in found.items()}
    return (
        f"{size['RssAnon']:.0f} MB anonymous, {size['VmRSS']:.0f} MB in total, peak"
        f" {size['VmHWM']:.0f} MB"
    )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
