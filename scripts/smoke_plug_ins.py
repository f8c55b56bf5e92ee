"""Smoke test of installed plug-ins: suite tray, policy gated and method wise."""

import tempfile
from pathlib import Path

import robomtl


def main() -> None:
    """Collects, trains, adapts and evaluates with few steps."""
    tray = robomtl.suite("tray")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        robomtl.train(
            robomtl.collect(
                tray,
                folder / "data",
                config=robomtl.CollectionConfig(episodes=5),
                compute=robomtl.Compute(workers=1),
            ),
            out=folder / "run",
            policy="gated",
            conditioning=("goal",),
            config=robomtl.TrainConfig(steps=100, threads=1),
        )
        task = tray.held_out_tasks[0].name
        shown = robomtl.collect(
            tray,
            folder / "shown",
            config=robomtl.CollectionConfig(tasks=[task], episodes=2),
            compute=robomtl.Compute(workers=1),
        )
        robomtl.adapt(folder / "run", shown, method="wise", out=folder / "adapted")
        results = robomtl.evaluate(
            robomtl.PolicyAgent(folder / "adapted"),
            tray,
            out=folder / "evaluation",
            config=robomtl.EvaluationConfig(tasks=[task], episodes=10),
            compute=robomtl.Compute(workers=1),
        )
        print(f"tray, gated, wise: {results.task_mean:.0%} of '{task}'")


if __name__ == "__main__":
    main()
