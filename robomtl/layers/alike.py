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


def begin_alike(layer: nn.Module, spec: Spec) -> None:
    """Initialises robots with the same state features with equal columns, in place.

    Args:
        layer: A linear layer whose input begins with the observation vector; see
            ``robomtl.layers.observing``.
        spec: Observation features of the robots.
    """
    assert isinstance(layer, nn.Linear)
    once = spec.observed
    alike = [tuple(sorted(each.states.items())) for each in spec.embodiments]
    for time in range(spec.history):
        step = layer.weight.detach()[:, time * once : (time + 1) * once]
        copy_first(step, [place.stop - place.start for place in spec.places], alike)


def copy_first(weight: Tensor, sizes: Sequence[int], alike: Sequence[Hashable]) -> None:
    """Copies the columns of the first block of each kind to the other blocks, in place.

    Args:
        weight: (output, input); its columns begin with the blocks, one after another.
        sizes: Number of columns of each block.
        alike: Kind of each block; blocks of one kind have the same size.
    """
    ends = accumulate(sizes, initial=0)
    blocks = [weight[:, start:stop] for start, stop in pairwise(ends)]
    with torch.no_grad():
        for block, kind in zip(blocks, alike, strict=True):
            block.copy_(blocks[alike.index(kind)])
