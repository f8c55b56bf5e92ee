"""Images encoded as an mp4 that every browser plays: H.264, 4:2:0."""

import io
from fractions import Fraction
from types import ModuleType
from typing import Any

from robomtl.camera import Picture
from robomtl.extras import library

REPEATABLE = {"mbtree": "0"}
"""Option of x264 that makes files reproducible: its macroblock tree reads uninitialised
memory, so that the same images gave other bytes in one of some hundred files."""
_OPTIONS = {  # x264's default quality, with a fast preset.
    "crf": "23",
    "preset": "veryfast",
    **REPEATABLE,
}


def load_av() -> ModuleType:
    """Imports PyAV.

    Raises:
        MissingExtraError: If PyAV is missing; names the extra.
    """
    return library("av", extra="video", need="Videos need PyAV")


class Mp4:
    """Video in memory.

    Args:
        rate: Images per second [1/s].

    Raises:
        MissingExtraError: If PyAV is missing; names the extra.
    """

    def __init__(self, rate: Fraction) -> None:
        self._av = load_av()
        self._rate = rate
        self._file = io.BytesIO()
        self._container = self._av.open(self._file, "w", format="mp4")
        self._stream: Any = None

    def add(self, picture: Picture) -> None:
        """Appends an image, of the same size as the first; (height, width, 3)."""
        height, width = (
            side // 2 * 2 for side in picture.shape[:2]
        )  # 4:2:0 needs even sides.
        if self._stream is None:
            self._stream = self._begin(width, height)
        frame = self._av.VideoFrame.from_ndarray(
            picture[:height, :width].copy(), format="rgb24"
        )
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """Ends the video; returns the content of the file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()
        return self._file.getvalue()

    def _begin(self, width: int, height: int) -> Any:
        stream = self._container.add_stream(
            "libx264", rate=self._rate, options=_OPTIONS
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1  # Each worker has a core.
        return stream
