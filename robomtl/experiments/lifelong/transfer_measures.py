"""Forward transfer, forgetting and area of a stream, trial by trial.

With K tasks, c(t, k) the success on the k-th task after t tasks were learned, and c(0, k)
taken for 0. The definitions are those of LIBERO (Liu et al. 2023, arXiv:2306.03310, section
3), where c(k, k) is measured as often as a task is trained; here twice, before and after.
A task that the stream has twice is followed until it is learned again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Played = Mapping[tuple[int, str], NDArray[np.float64]]
"""Success of the trials of a run, by stages that are over and task; (trial,) each."""

FORMULAS = {
    "c(t, k)": "success on the k-th of K tasks after t tasks were learned",
    "final": "mean over k of c(K, k)",
    "learned": "mean over k of c(k, k)",
    "FWT": "mean over k of FWT_k = ½ (c(k-1, k) + c(k, k)), with c(0, 1) = 0",
    "NBT": "mean over k < K of NBT_k = 1/(K-k) Σ_{t>k} (c(k, k) - c(t, k)); lower is better",
    "NBT/c": "mean over k < K of NBT_k / c(k, k), where c(k, k) > 0",
    "AUC": "mean over k of 1/(K-k+1) (FWT_k + Σ_{t>k} c(t, k))",
    "forgetting": "c(k, k) - c(K, k), of each task",
}
"""How each measure is computed."""


def window(stream: Sequence[str], task: str) -> tuple[int, int]:
    """The stage that first learns a task, and the last before it is learned again.

    Args:
        stream: Names of the tasks in their order.
        task: One of them.

    Returns:
        Both counted from 1.
    """
    first = list(stream).index(task)
    later = [n for n in range(first + 1, len(stream)) if stream[n] == task]
    return first + 1, later[0] if later else len(stream)


def learned(played: Played, stream: Sequence[str], task: str) -> NDArray[np.float64]:
    """c(k, k) of a task; (trial,)."""
    return played[window(stream, task)[0], task]


def forward(played: Played, stream: Sequence[str], task: str) -> NDArray[np.float64]:
    """FWT_k of a task; (trial,)."""
    first, _ = window(stream, task)
    after = played[first, task]
    before = played[first - 1, task] if first > 1 else np.zeros_like(after)
    return (before + after) / 2


def backward(
    played: Played, stream: Sequence[str], task: str
) -> NDArray[np.float64] | None:
    """NBT_k of a task, None of the one that is learned last; (trial,)."""
    first, last = window(stream, task)
    if last == first:
        return None
    later = [played[stage, task] for stage in range(first + 1, last + 1)]
    return np.asarray(played[first, task] - np.mean(later, axis=0))


def area(played: Played, stream: Sequence[str], task: str) -> NDArray[np.float64]:
    """AUC_k of a task; (trial,)."""
    first, last = window(stream, task)
    later = [played[stage, task] for stage in range(first + 1, last + 1)]
    return np.asarray(np.mean([forward(played, stream, task), *later], axis=0))


def forgotten(played: Played, stream: Sequence[str], task: str) -> NDArray[np.float64]:
    """Success of a task when it was learned minus that at the end; (trial,)."""
    return learned(played, stream, task) - played[len(stream), task]
