"""Statistics of features, as LeRobot stores them for normalisation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Statistics = dict[str, list[float] | list[int]]


def statistics(values: NDArray[Any]) -> Statistics:
    """Every statistic of a feature over frames, each a list of one number a component.

    LeRobot estimates the quantiles of an episode by histograms, and bounds those of a
    data set by the extremes over its episodes; these are exact.

    Args:
        values: Shape (frame,) or (frame, component), of at least one frame.
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


class Subsample:
    """Evenly subsampled rows of an array that comes in blocks, within bounded memory.

    It keeps every row until they take more than the limit, and from then on every second,
    every fourth and so on.

    Args:
        limit: Size of the kept rows [bytes].
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._limit, self.count, self.stride = limit, 0, 1
        self._blocks: list[NDArray[Any]] = []

    def add(self, block: NDArray[Any]) -> None:
        """Takes the next rows."""
        self._blocks.append(block[-self.count % self.stride :: self.stride])
        self.count += len(block)
        while sum(each.nbytes for each in self._blocks) > self._limit:
            self._blocks = [self.rows()[::2].copy()]
            self.stride *= 2

    def rows(self) -> NDArray[Any]:
        """The kept rows, in order."""
        return np.concatenate(self._blocks)


class RunningStatistics:
    """Statistics of a feature over frames that come in blocks, within bounded memory.

    Quantiles are exact until the frames take more than the limit of a ``Subsample``, and
    from then on those of the kept frames; the others are always those of all frames.
    """

    def __init__(self) -> None:
        self._sample = Subsample()
        self._low: NDArray[Any] | float = np.inf
        self._high: NDArray[Any] | float = -np.inf
        self._sum: NDArray[Any] | float = 0.0
        self._squares: NDArray[Any] | float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Takes the next frames; (frame,) or (frame, component)."""
        self._sample.add(values)
        table = values.reshape(len(values), -1).astype(np.float64)
        self._low = np.minimum(self._low, table.min(0))
        self._high = np.maximum(self._high, table.max(0))
        self._sum = self._sum + table.sum(0)
        self._squares = self._squares + (table**2).sum(0)

    def result(self) -> Statistics:
        """The statistics of all frames so far, of which there is at least one."""
        found = statistics(self._sample.rows())
        if self._sample.stride == 1:
            return found
        count = self._sample.count
        mean = np.asarray(self._sum) / count
        variance = np.maximum(np.asarray(self._squares) / count - mean**2, 0)
        whole = {"min": self._low, "max": self._high, "mean": mean}
        whole["std"] = np.sqrt(variance)
        exact = {name: np.asarray(each).tolist() for name, each in whole.items()}
        return {**found, **exact, "count": [count]}


def image_statistics(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Statistics of each colour from 0 to 1, as LeRobot stores them: of shape (3, 1, 1).

    Args:
        images: (image, height, width, 3).
    """
    found = statistics(images.reshape(-1, 3) / 255)
    shaped = {name: [[[each]] for each in values] for name, values in found.items()}
    return {**shaped, "count": [len(images)]}
