"""A few demonstrations of a new task, and demonstrations of the training tasks."""

import robomtl
from robomtl.adaptation import Support, draw_support
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute

SUITE = robomtl.suite("points/ML4", horizon=20)
NEW = "reach-ball"


def collected(folder):
    return collect(
        SUITE,
        folder / "old",
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


def supported(folder, data):
    new = collect(
        SUITE,
        folder / "new",
        config=CollectionConfig(tasks=[NEW], episodes=2),
        compute=Compute(workers=1),
    )
    drawn = draw_support(new, NEW, shots=2, draw=0)
    return Support(demonstrations=drawn.demonstrations, prior=data)
