"""Equal initial projections for robots that have the same observation features.

Each robot has its own columns in the layer that reads observations, and they are trained
separately. If they were also initialised separately, the trunk would get unrelated inputs
for two robots in the same state, and demonstrations of one robot would help little with
another that has few.
"""

from collections.abc import Hashable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from robomtl.spec import Spec


def init_equal_columns(layer: nn.Module, spec: Spec) -> None:
    """Initialises robots with the same state features with equal columns, in place.

    Args:
        layer: A linear layer whose input begins with the observation vector; see
            ``robomtl.layers.observer``.
        spec: Observation features of the robots.
    """
    assert isinstance(layer, nn.Linear)
    once = spec.observed
    kinds = [tuple(sorted(each.states.items())) for each in spec.embodiments]
    for time in range(spec.history):
        step = layer.weight.detach()[:, time * once : (time + 1) * once]
        copy_first_of_kind(
            step, [each.stop - each.start for each in spec.state_slices], kinds
        )


def copy_first_of_kind(
    weight: Tensor, sizes: Sequence[int], kinds: Sequence[Hashable]
) -> None:
    """Copies the columns of the first block of each kind to the other blocks, in place.

    Args:
        weight: (output, input); its columns begin with the blocks, one after another.
        sizes: Number of columns of each block.
        kinds: Kind of each block; blocks of one kind have the same size.
    """
    ends = accumulate(sizes, initial=0)
    blocks = [weight[:, start:stop] for start, stop in pairwise(ends)]
    with torch.no_grad():
        for block, kind in zip(blocks, kinds, strict=True):
            block.copy_(blocks[kinds.index(kind)])
