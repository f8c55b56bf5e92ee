"""Robots that observe alike begin with equal projections into what they share.

Each robot has columns of its own in the layer that reads observations, and they learn apart.
Where they also begin apart, the trunk sees two robots in the same place as two unrelated
ones, and what one demonstrates is worth little to another that has few demonstrations.
"""

from collections.abc import Hashable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from robomtl.spec import Spec


def begin_alike(layer: nn.Module, spec: Spec) -> None:
    """Gives robots with the same state features equal columns of a layer, in place.

    Args:
        layer: A linear layer whose input begins with the joined observation; see
            ``robomtl.layers.observing``.
        spec: What the robots observe.
    """
    assert isinstance(layer, nn.Linear)
    once = spec.observed
    alike = [tuple(sorted(each.states.items())) for each in spec.embodiments]
    for time in range(spec.history):
        step = layer.weight.detach()[:, time * once : (time + 1) * once]
        copy_first(step, [place.stop - place.start for place in spec.places], alike)


def copy_first(weight: Tensor, sizes: Sequence[int], alike: Sequence[Hashable]) -> None:
    """Copies columns of a weight, from the first block of each kind to the others.

    Args:
        weight: (output, input); its input begins with blocks side by side.
        sizes: Columns of each block.
        alike: What kind each block is; blocks of one kind have the same size.
    """
    ends = accumulate(sizes, initial=0)
    blocks = [weight[:, start:stop] for start, stop in pairwise(ends)]
    with torch.no_grad():
        for block, kind in zip(blocks, alike, strict=True):
            block.copy_(blocks[alike.index(kind)])
