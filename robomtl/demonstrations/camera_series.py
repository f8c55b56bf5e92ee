"""Writes the images of all cameras of a data set, and their statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.demonstrations.feature_statistics import ImageStatistics, stats_columns
from robomtl.demonstrations.layout import Sizes
from robomtl.demonstrations.video_series import VideoSeries

_SAMPLE = 8  # Approximate number of images per episode that statistics are taken of.


class CameraSeries:
    """Writes the images of all cameras as videos.

    Args:
        folder: Folder of the data set.
        sizes: Sizes of the episodes, with the shapes of the images.
    """

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self._columns = {
            name: layout.column_of(name, shape)
            for name, shape in sizes.others
            if len(shape) == 3
        }
        self._series = {
            name: VideoSeries(
                folder,
                column,
                fps=sizes.fps,
                limit=layout.VIDEO_FILE_MB,
                video=sizes.video,
            )
            for name, column in self._columns.items()
        }
        self._seen = {name: ImageStatistics() for name in self._columns}

    def __enter__(self) -> "CameraSeries":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for series in self._series.values():
            if kind is None:
                series.close()
            else:
                series.discard(kind, error, trace)

    def add(self, others: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Writes the images of an episode; returns columns of its row in meta/episodes.

        Args:
            others: Observation features of the episode, by name; (step, …).
        """
        row: dict[str, Any] = {}
        for name, series in self._series.items():
            images = others[name]
            some = images[:: max(len(images) // _SAMPLE, 1)]
            self._seen[name].add(some)
            row |= series.add(images)
            alone = ImageStatistics()
            alone.add(some)
            row |= stats_columns({self._columns[name]: alone.result()})
        return row

    def described(self) -> dict[str, Any]:
        """Statistics of some images of each camera, by feature."""
        return {self._columns[name]: each.result() for name, each in self._seen.items()}
