"""Flow matching: transports noise to a chunk of actions along straight lines.

With a_s = (1 - s) ε + s a, for noise ε, a chunk a and a time s drawn uniformly from [0, 1], a
network v(a_s, s, h) learns the velocity a - ε by the squared error. To act, n Euler steps
a ← a + v/n start from a = ε at s = 0.

Source: Lipman et al. 2022, "Flow Matching for Generative Modeling" (arXiv:2210.02747),
equations 22 and 23 with σ_min = 0, which is the rectified flow of Liu et al. 2022
(arXiv:2209.03003), equation 1. As the head of a policy: Black et al. 2024, "π0"
(arXiv:2410.24164), section IV. Departure from π0:

1. Times are drawn uniformly; π0 draws more times close to the noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.action_head import HeadConfig
from robomtl.heads.denoising import Corrupted, DenoisingHead, Predict
from robomtl.policy import Spec


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Straight lines from noise to actions; see ``Process``."""

    steps: int
    """Number of Euler steps from noise to actions."""

    def corrupted(self, chunk: Tensor, noise: Tensor) -> Corrupted:
        """A point between noise and chunk, with the velocity as target; see ``Process``."""
        time = torch.rand(len(chunk), device=chunk.device)
        weight = time[:, None, None]
        return Corrupted((1 - weight) * noise + weight * chunk, time, chunk - noise)

    def sampled(self, predict: Predict, noise: Tensor) -> Tensor:
        """Integrates the velocity from noise by Euler steps; see ``Process``."""
        chunk = noise
        for step in range(self.steps):
            time = chunk.new_full((len(chunk),), step / self.steps)
            chunk = chunk + predict(chunk, time) / self.steps
        return chunk


class FlowHead(DenoisingHead):
    """Samples a chunk by flow matching.

    Args:
        width: Length of the features.
        config: Length of a chunk, sizes of the network and number of steps.
        spec: Lengths of the robots' actions.
    """

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        super().__init__(width, config, spec, process=flow_of(config))


def flow_of(config: HeadConfig) -> Flow:
    """Flow process with the settings of a config."""
    return Flow(steps=config.sampling_steps)
