"""Statistics of features, as LeRobot stores them for normalisation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Statistics = dict[str, list[float] | list[int]]


def statistics(values: NDArray[Any]) -> Statistics:
    """Statistics of a feature over frames, each a list with one number per component.

    LeRobot estimates the quantiles of an episode by histograms, and bounds those of a
    data set by the extremes over its episodes; the ones here are exact.

    Args:
        values: At least one frame; (frame,) or (frame, component).
    """
    table = values.reshape(len(values), -1).astype(np.float64)
    quantiles = np.quantile(table, list(_QUANTILES.values()), axis=0)
    return {
        "min": table.min(0).tolist(),
        "max": table.max(0).tolist(),
        "mean": table.mean(0).tolist(),
        "std": table.std(0).tolist(),
        "count": [len(table)],
        **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
    }


def stats_columns(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of a row of meta/episodes for the statistics of features, by feature."""
    return {
        f"stats/{feature}/{name}": value
        for feature, values in described.items()
        for name, value in values.items()
    }


class RunningStatistics:
    """Statistics of a feature over blocks of frames, computed in bounded memory.

    Quantiles are exact until the frames exceed the limit; from then on they are those of
    every second frame, every fourth and so on. All other statistics are exact.

    Args:
        limit: Largest size of the frames that are kept [bytes].
    """

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self._limit, self._count, self._stride = limit, 0, 1
        self._kept: list[NDArray[Any]] = []
        self._low: NDArray[Any] | float = np.inf
        self._high: NDArray[Any] | float = -np.inf
        self._sum: NDArray[Any] | float = 0.0
        self._squares: NDArray[Any] | float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Adds the next frames; (frame,) or (frame, component)."""
        self._kept.append(values[-self._count % self._stride :: self._stride])
        self._count += len(values)
        while sum(each.nbytes for each in self._kept) > self._limit:
            self._kept = [np.concatenate(self._kept)[::2].copy()]
            self._stride *= 2
        table = values.reshape(len(values), -1).astype(np.float64)
        self._low = np.minimum(self._low, table.min(0))
        self._high = np.maximum(self._high, table.max(0))
        self._sum = self._sum + table.sum(0)
        self._squares = self._squares + (table**2).sum(0)

    def result(self) -> Statistics:
        """The statistics of all frames so far, at least one."""
        of_kept = statistics(np.concatenate(self._kept))
        if self._stride == 1:
            return of_kept
        mean = np.asarray(self._sum) / self._count
        variance = np.maximum(np.asarray(self._squares) / self._count - mean**2, 0)
        exact = {"min": self._low, "max": self._high, "mean": mean}
        exact["std"] = np.sqrt(variance)
        plain = {name: np.asarray(each).tolist() for name, each in exact.items()}
        return {**of_kept, **plain, "count": [self._count]}


class ImageStatistics:
    """Statistics of each colour channel of images, from counts of its 256 values."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._images = 0

    def add(self, images: NDArray[np.uint8]) -> None:
        """Adds the next images; (image, height, width, 3)."""
        for colour, counts in enumerate(self._counts):
            counts += np.bincount(images[..., colour].reshape(-1), minlength=256)
        self._images += len(images)

    def result(self) -> dict[str, Any]:
        """Statistics of values from 0 to 1, of shape (3, 1, 1) as LeRobot stores them."""
        values, below = np.arange(256) / 255, self._counts.cumsum(1)
        total = below[:, -1]
        mean = self._counts @ values / total
        squares = (values - mean[:, None]) ** 2
        found = {
            "min": _ordered(below, np.zeros(3)),
            "max": _ordered(below, total - 1.0),
            "mean": mean,
            "std": np.sqrt((self._counts * squares).sum(1) / total),
        }
        for name, fraction in _QUANTILES.items():
            rank = fraction * (total - 1)
            low, high = (_ordered(below, end(rank)) for end in (np.floor, np.ceil))
            found[name] = low + (high - low) * (rank - np.floor(rank))
        shaped = {n: each[:, None, None].tolist() for n, each in found.items()}
        return {**shaped, "count": [self._images]}


def _ordered(below: NDArray[np.int64], rank: NDArray[Any]) -> NDArray[np.float64]:
    """The value with a rank among the sorted values of each channel, from 0 to 1.

    Args:
        below: Number of values up to each of the 256; (channel, 256).
        rank: Rank, counted from 0; (channel,).
    """
    value: NDArray[np.float64] = (below <= rank[:, None]).sum(1) / 255
    return value
