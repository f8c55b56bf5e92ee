"""Masked trajectory modelling: masked tokens of a window are predicted from the others.

Source: Wu et al. 2023, "Masked Trajectory Models for Prediction, Representation, and
Control" (arXiv:2305.02968): observations and actions of a window are tokens, a transformer
reads those that are not masked, and the mean squared error of all is minimised, summed over
modalities. Departures:

1. An observation's token is a projection of the policy's features, which are thus trained.
2. Masked tokens are replaced by a learned one before the transformer, and the decoder is
   a linear layer for each modality.
3. Masks are drawn token by token, for each window with its own fraction; the paper's masks
   of all tokens after a step are left out.
4. Frames of a window may lie some steps apart, and images are predicted in few pixels.
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.layers.attention import Block, check_heads
from robomtl.policy import Loss, Policy
from robomtl.pretraining.clips import Clips, ClipSampler, Times, spaced
from robomtl.pretraining.objectives import Pretraining, clip_features, width_of
from robomtl.pretraining.reconstruction import Targets
from robomtl.ranges import check_counts
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Material

_LOOKED_AT = 512  # Frames that are checked for actions.


class Model(nn.Module):
    """The transformer over the tokens of a window.

    Args:
        policy: Policy whose features are the observations' tokens.
        settings: Sizes of the transformer.
    """

    def __init__(self, policy: Policy, settings: "MaskedTrajectory") -> None:
        super().__init__()
        width, action = settings.width, policy.spec.action
        self.targets = Targets(policy, settings.grid)
        self.observed = nn.Linear(width_of(policy), width)
        self.acted = nn.Linear(action, width)
        # Tokens that replace masked observations and actions, and position embeddings.
        self.hidden = nn.Parameter(0.02 * torch.randn(2, width))
        self.position = nn.Parameter(0.02 * torch.randn(2 * settings.window, width))
        self.blocks = nn.ModuleList(
            Block(width, settings.heads) for _ in range(settings.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.observation = nn.Linear(width, self.targets.size)
        self.action = nn.Linear(width, action)

    def forward(
        self, features: Tensor, action: Tensor, masked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Reconstructs the observations and actions of windows.

        Args:
            features: Features of the frames; (clip, time, width).
            action: Actions of the frames; (clip, time, action).
            masked: Whether observations and actions are masked; bool, (clip, time, 2).

        Returns:
            Observations, (clip, time, size), and actions, (clip, time, action).
        """
        tokens = torch.stack([self.observed(features), self.acted(action)], dim=2)
        tokens = torch.where(masked[..., None], self.hidden.to(tokens.dtype), tokens)
        tokens = (
            rearrange(tokens, "clip time kind x -> clip (time kind) x") + self.position
        )
        for block in self.blocks:
            tokens = cast(Block, block).among(tokens)
        read = rearrange(self.norm(tokens), "clip (t kind) x -> kind clip t x", kind=2)
        return self.observation(read[0]), self.action(read[1])


@dataclass(frozen=True, kw_only=True)
class MaskedTrajectory(Pretraining):
    """Predicts the masked observations and actions of windows from the others."""

    reads_actions: ClassVar[bool] = True

    window: int = 4
    """Frames in a window."""
    stride: int = 4
    """Steps between two frames of a window."""
    least_masked: float = 0.15
    """Smallest fraction of a window that is masked."""
    most_masked: float = 0.95
    """Largest fraction of a window that is masked; each window draws its own fraction."""
    width: int = 128
    """Length of a token."""
    blocks: int = 2
    """Blocks of the transformer."""
    heads: int = 4
    """Attention heads, which share the width."""
    grid: int = 21
    """Pixels along each side to which an image is reduced before it is predicted."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "window", "stride", "width", "blocks", "heads", "grid")
        check_heads(self.width, self.heads)
        if not 0 <= self.least_masked <= self.most_masked <= 1:
            raise InputError(
                f"least_masked is {self.least_masked} and most_masked {self.most_masked};"
                " give two fractions, the smaller first."
            )

    @property
    def count(self) -> int:
        """See ``Pretraining``."""
        return self.window

    @property
    def min_length(self) -> int:
        """See ``Pretraining``."""
        return 1 + (self.window - 1) * self.stride

    @property
    def times(self) -> Times:
        """See ``Pretraining``."""
        return spaced(self.window, self.stride)

    def draws(self, material: Material, config: TrainConfig) -> ClipSampler:
        """Windows of episodes; see ``Pretraining``.

        Raises:
            InputError: If all actions are equal, as in episodes recorded without actions.
        """
        made = super().draws(material, config)
        action = made.batch(0, _LOOKED_AT).batch.action
        if (action == action[0]).all():
            raise InputError(
                "masked_trajectory predicts actions, and those of the data never differ;"
                " for episodes without actions, pre-train with latent_actions,"
                " time_contrastive, momentum_contrast or language_alignment."
            )
        return made

    def meta(self, policy: Policy) -> Model:
        """The transformer."""
        return Model(policy, self)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The error of each window: that of observations plus that of actions."""
        model = cast(Model, policy.meta)
        features = clip_features(policy, batch)
        frames = batch.batch
        action = rearrange(
            frames.action[:, 0], "(clip time) x -> clip time x", time=batch.times
        )
        target = rearrange(
            model.targets(policy, frames),
            "(clip time) x -> clip time x",
            time=batch.times,
        )
        observation, acted = model(features, action, self._masked(action))
        observed = model.targets.error(observation, target).mean(1)
        acting = (acted.float() - action).square().mean((1, 2))
        return Loss(
            observed + acting,
            {
                "observation_error": observed.mean().detach(),
                "action_error": acting.mean().detach(),
            },
        )

    def _masked(self, action: Tensor) -> Tensor:
        """Draws whether each token is masked; bool, (clip, time, 2)."""
        clips, times, _ = action.shape
        spread = self.most_masked - self.least_masked
        fraction = self.least_masked + spread * torch.rand(
            clips, 1, 1, device=action.device
        )
        return torch.rand(clips, times, 2, device=action.device) < fraction
