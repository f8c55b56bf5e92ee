"""Writes images of episodes as the videos of a LeRobotDataset v3.0."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations import layout
from robomtl.evaluation.mp4 import REPEATABLE, load_av
from robomtl.files.durable import replacing

# Every second frame is a keyframe, as in LeRobot, so that viewers seek quickly.
_OPTIONS = {"preset": "veryfast", "g": "2", "bf": "0", **REPEATABLE}
_CODECS: dict[layout.Video, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {**_OPTIONS, "crf": "18"}),
    "lossless": ("libx264rgb", {**_OPTIONS, "qp": "0"}),
}
"""Encoder and its options; ``lossless`` is H.264 in RGB, which any FFmpeg decodes (profile
High 4:4:4 Predictive)."""


class VideoSeries:
    """A series of videos of a camera of limited size, written one after the other.

    Args:
        folder: Folder of the data set.
        key: Name of the feature, such as ``observation.images.top``.
        fps: Frames per second [1/s].
        limit: Size from which a new file is begun [MB].
        video: Encoding of images.

    Raises:
        MissingExtraError: If PyAV is missing; names the extra.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        *,
        fps: int,
        limit: float,
        video: layout.Video = "h264",
    ) -> None:
        self._av = load_av()
        self._video: layout.Video = video
        self._folder, self._key, self._fps = folder, key, fps
        self._limit = limit * 1024**2
        self._file, self._frames = -1, 0
        self._path = Path()
        self._container: Any = None
        self._stream: Any = None
        self._stack = ExitStack()

    def add(self, images: NDArray[np.uint8]) -> dict[str, int | float]:
        """Appends an episode; returns its location as columns of the episode files."""
        if self._container is None or self._path.stat().st_size >= self._limit:
            self._open(images[0].shape)
        assert self._container is not None
        start = self._frames
        for image in images:
            frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
            self._container.mux(self._stream.encode(frame))
        self._frames += len(images)
        chunk, file = divmod(self._file, layout.FILES_PER_CHUNK)
        return {
            f"videos/{self._key}/chunk_index": chunk,
            f"videos/{self._key}/file_index": file,
            f"videos/{self._key}/from_timestamp": start / self._fps,
            f"videos/{self._key}/to_timestamp": self._frames / self._fps,
        }

    def close(self) -> None:
        """Finishes the last file."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None
        self._stack.close()

    def discard(self, *error: Any) -> None:
        """Removes files that are incomplete, after an error."""
        self._stack.__exit__(*error)

    def _open(self, shape: tuple[int, ...]) -> None:
        self.close()
        self._file, self._frames = self._file + 1, 0
        chunk, file = divmod(self._file, layout.FILES_PER_CHUNK)
        path = layout.VIDEO_PATH.format(
            video_key=self._key, chunk_index=chunk, file_index=file
        )
        self._path = self._stack.enter_context(replacing(self._folder / path))
        self._container = self._av.open(str(self._path), "w", format="mp4")
        rate = Fraction(self._fps)
        codec, options = _CODECS[self._video]
        self._stream = self._container.add_stream(codec, rate=rate, options=options)
        self._stream.height, self._stream.width = shape[:2]
        lossless = self._video == "lossless"
        stored = "rgb24" if lossless else layout.pixel_format(shape, self._video)
        self._stream.pix_fmt = stored
        self._stream.codec_context.thread_count = 1  # The same bytes on any machine.
