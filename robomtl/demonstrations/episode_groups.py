"""Groups of episodes with the same task and goal."""

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.contents import Contents
from robomtl.suites import suite
from robomtl.task import GoalSuite


def groups(contents: Contents) -> NDArray[np.int64]:
    """Index of the group of each episode, ordered by task and goal; (episode,).

    The episodes of a task are one group, unless the suite hides its goals and declares, by
    ``goal_number``, which variations share one.
    """
    table = contents.episodes
    goals = np.zeros(len(table.task), np.int64)
    if contents.suite is not None:
        made = suite(contents.suite, **contents.suite_options)
        if made.goal is None and isinstance(made, GoalSuite):
            names = [contents.tasks[task] for task in table.task]
            pairs = zip(names, table.variation, strict=True)
            goals[:] = [made.goal_number(name, int(v)) for name, v in pairs]
    keys = np.stack([table.task, goals], axis=1)
    _, index = np.unique(keys, axis=0, return_inverse=True)
    return index.reshape(-1).astype(np.int64)
