"""Forward transfer, forgetting and area under the curve of a stream, trial by trial.

Notation: K tasks; c(t, k) is the success on the k-th task after t tasks were learned, and
c(0, k) is set to 0. The definitions are those of LIBERO (Liu et al. 2023, arXiv:2306.03310,
section 3), which measures success at eleven points of each training; here it is measured
twice, before and after. A task that occurs twice in a stream is measured until it is
learned again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Played = Mapping[tuple[int, str], NDArray[np.float64]]
"""Success in the trials of a run, by number of completed stages and task; (trial,) each."""

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
"""Definition of each measure, by its name in reports."""


def window(stream: Sequence[str], task: str) -> tuple[int, int]:
    """The stage that first learns a task, and the last one before it is learned again.

    Args:
        stream: Names of the tasks in the order of learning.
        task: Name of a task in the stream.

    Returns:
        Numbers of both stages, counted from 1.
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
    """NBT_k of a task; (trial,). None for a task without a later stage."""
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
    """Success on a task right after it is learned minus that at the end; (trial,)."""
    return learned(played, stream, task) - played[len(stream), task]
