"""Draws docs/map.svg: the packages, and the paths of a demonstration, a trial and a cell."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from robomtl.pages.svg import CARD, EDGE, INK, RULE, SERIES, SOFT, axes_in, document

WAYS = {
    "One demonstration: from robomtl collect to the loss": (
        ("envs/", "simulator and expert"),
        ("demonstrations/expert_episodes.py", "episodes, in workers"),
        ("demonstrations/writing.py", "LeRobot v3 on disk"),
        ("demonstrations/dataset.py", "reading it"),
        ("training/material.py", "frames, instructions"),
        ("training/samples.py", "batches"),
        ("training/objective.py", "training objective"),
        ("policies/", "loss per sample"),
    ),
    "One trial: from robomtl evaluate to the table": (
        ("experiments/evaluating.py", "plans trials"),
        ("evaluation/loop.py", "loop over cells"),
        ("execution/executor.py", "worker processes"),
        ("evaluation/rollout.py", "steps env and policy"),
        ("evaluation/journal.py", "finished trials"),
        ("experiments/report.py", "tables and charts"),
        ("pages/", "terminal and HTML"),
    ),
    "One cell: from robomtl adapt to the page": (
        ("experiments/adapt/", "plans cells"),
        ("evaluation/loop.py", "loop over cells"),
        ("execution/executor.py", "worker processes"),
        ("adaptation/methods/", "adapted policy"),
        ("experiments/playing.py", "its trials"),
        ("evaluation/journal.py", "finished cells"),
        ("experiments/report.py", "findings in sections"),
        ("pages/", "terminal and HTML"),
    ),
}
ROOMS = (
    ("envs/", "simulators, one module each"),
    ("policies/", "architectures, one module each"),
    ("layers/", "layers shared by architectures"),
    ("encoders/", "image encoders"),
    ("conditioning/", "task to embedding"),
    ("demonstrations/", "collect, store, read, mix"),
    ("training/", "batches, loss, loop, run"),
    ("heads/", "action heads"),
    ("pretraining/", "objectives for features"),
    ("adaptation/", "contract; methods/; meta/"),
    ("continual/", "methods of lifelong learning"),
    ("acting/", "policies in envs and servers"),
    ("evaluation/", "trials, rollout, results"),
    ("experiments/", "a folder each; one loop, one report"),
    ("pages/", "HTML and figures"),
    ("checking/", "tests of a suite's contract"),
    ("shifts/", "suites that differ from training"),
    ("simulators/", "simulators in other interpreters"),
    ("importing/", "data sets of other formats"),
    ("hub/", "push and pull"),
    ("execution/", "worker processes, devices"),
    ("files/", "atomic writing, bounded reading"),
    ("cli/", "one module per verb"),
)
WIDTH, BOX, GAP, HIGH = 860.0, 96.0, 12.0, 52.0
HEIGHT = 362.0 + 54 * -(-len(ROOMS) // 4)


def main() -> None:
    """Writes the figure."""
    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    axes = axes_in(figure, 0, 0, WIDTH, HEIGHT)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.axis("off")
    for row, (title, stops) in enumerate(WAYS.items()):
        _way(axes, 16 + 104 * row, title, stops, SERIES[1 + row])
    axes.text(
        12,
        344,
        "Packages: imports go downwards, and never into envs/, policies/ or encoders/",
        color=INK,
    )
    for number, (name, line) in enumerate(ROOMS):
        row, column = divmod(number, 4)
        left = 12 + 211 * column
        _box(axes, left, 356 + 54 * row, 200, 42, RULE)
        axes.text(left + 8, 374 + 54 * row, name, color=INK)
        axes.text(left + 8, 389 + 54 * row, line, color=SOFT, size=9)
    summary = "; ".join(f"{t}: {', '.join(n for n, _ in s)}" for t, s in WAYS.items())
    drawn = document(figure, summary=summary)
    Path(__file__).parents[1].joinpath("docs/map.svg").write_text(drawn, "utf-8")


def _way(
    axes: Axes, top: float, title: str, stops: tuple[tuple[str, str], ...], colour: str
) -> None:
    axes.text(12, top + 4, title, color=INK)
    for number, (name, line) in enumerate(stops):
        left = 12 + (BOX + GAP) * number - 4
        _box(axes, left, top + 14, BOX - 2, HIGH, colour)
        folder, _, module = name.rstrip("/").rpartition("/")
        axes.text(
            left + 6, top + 29, folder + "/" if folder else "", color=SOFT, size=8
        )
        axes.text(
            left + 6, top + 42, module + "/" * name.endswith("/"), color=INK, size=8.5
        )
        axes.text(left + 6, top + 56, line, color=SOFT, size=6.5)
        if number:
            axes.annotate(
                "",
                (left, top + 40),
                (left - GAP - 1, top + 40),
                arrowprops={"arrowstyle": "->", "color": EDGE},
            )


def _box(
    axes: Axes, left: float, top: float, width: float, height: float, colour: str
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, top),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=5",
            facecolor=CARD,
            edgecolor=colour,
        )
    )


if __name__ == "__main__":
    main()
