"""Statistics of features in blocks, compared with statistics of all frames at once."""

from typing import Any

import numpy as np
import pytest

from robomtl.demonstrations.feature_statistics import (
    ImageStatistics,
    RunningStatistics,
    statistics,
)

GENERATOR = np.random.default_rng(0)


def of_blocks(running: Any, values: Any, length: int) -> Any:
    for first in range(0, len(values), length):
        running.add(values[first : first + length])
    return running.result()


def test_statistics_of_blocks_are_those_of_all_frames() -> None:
    values = GENERATOR.standard_normal((1000, 3)).astype(np.float32)
    assert of_blocks(RunningStatistics(), values, 77) == statistics(values)


def test_beyond_the_limit_quantiles_alone_are_of_some_frames() -> None:
    values = GENERATOR.standard_normal((1000, 3)).astype(np.float32)
    whole = statistics(values)
    found = of_blocks(RunningStatistics(limit=2000), values, 77)
    some = statistics(values[::8])  # 125 frames of 12 bytes.
    for name, each in found.items():
        expected = some if name.startswith("q") else whole
        assert each == pytest.approx(expected[name])


def test_statistics_of_images_are_those_of_their_values() -> None:
    images = GENERATOR.integers(3, 200, (7, 5, 6, 3), np.uint8)
    whole = statistics(images.reshape(-1, 3) / 255)
    for name, each in of_blocks(ImageStatistics(), images, 3).items():
        expected = [7] if name == "count" else whole[name]
        assert np.ravel(each) == pytest.approx(expected)
