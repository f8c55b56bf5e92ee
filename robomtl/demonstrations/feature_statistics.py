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


def image_statistics(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Statistics of each colour from 0 to 1, as LeRobot stores them: of shape (3, 1, 1).

    Args:
        images: (image, height, width, 3).
    """
    found = statistics(images.reshape(-1, 3) / 255)
    shaped = {name: [[[each]] for each in values] for name, values in found.items()}
    return {**shaped, "count": [len(images)]}
