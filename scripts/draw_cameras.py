"""Draws docs/cameras.png: the initial picture of a task from each camera of Meta-World."""

import io
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

from robomtl.envs.metaworld_cameras import CAMERAS, SYNONYMS
from robomtl.suites import suite

TASK = "pick-place-v3"
SIZE = 128
ROWS, COLUMNS = 2, 4


def main(out: Path) -> None:
    """Writes the figure."""
    cameras = [name for name in CAMERAS if name not in SYNONYMS.values()]
    seen = suite("metaworld/MT10", cameras=cameras, size=SIZE)
    env = seen.make_env(TASK)
    observation, _ = env.reset(options={"variation": 1})
    figure, axes = plt.subplots(ROWS, COLUMNS, figsize=(7.2, 4.0), dpi=100)
    for axis, camera in zip(axes.flat, cameras, strict=True):
        axis.imshow(observation[f"image.{camera}"], interpolation="nearest")
        axis.set_title(camera, fontsize=9)
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    few = Image.open(drawn).convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE)
    few.save(out, optimize=True)
    env.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/cameras.png"))
