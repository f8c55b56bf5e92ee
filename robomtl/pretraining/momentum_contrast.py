"""InfoNCE with a momentum encoder of the keys: contrasts views of frames.

Sources: Laskin et al. 2020, "CURL" (arXiv:2004.04136, equation 4), after He et al. 2020,
"Momentum Contrast" (arXiv:1911.05722): for queries q and keys k of a batch,

    L = -log e^s(q, k+) / Σ_k e^s(q, k),   s = qᵀ W k, or cos(q, k) / τ,

where k is computed with weights that follow those of q, θ_k := m θ_k + (1 - m) θ_q, and
images are cropped at random, independently for the query and the key. Departures:

1. A crop has the size of the image, whose border is repeated (as in DrQ).
2. The positive may be a frame a few steps later: without images to crop, the two views of a
   frame would be equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.policy import Batch, Loss, Policy
from robomtl.pretraining.clips import Clips, Times, nearby
from robomtl.pretraining.objectives import Pretraining, features_of, width_of
from robomtl.ranges import check_counts, check_not_negative, check_positive
from robomtl.training.image_augmentation import shifted
from robomtl.training.parameter_groups import within

Similarity = Literal["bilinear", "cosine"]
_UNREAD = ("head", "meta", "auxiliary")  # Parts that features do not depend on.


class Contrast(nn.Module):
    """The projection of features, the bilinear form W, and the weights of the keys.

    Args:
        policy: Policy whose features are compared.
        size: Length of a projection.
    """

    def __init__(self, policy: Policy, size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width_of(policy), size)
        self.form = nn.Parameter(torch.eye(size))
        for name, weight in self.followed(policy):
            self.register_buffer(_key(name), weight.detach().clone())

    def followed(self, policy: Policy) -> Iterator[tuple[str, Tensor]]:
        """Names and values of the weights that the weights of the keys follow."""
        for name, weight in policy.named_parameters():
            if not any(within(name, part) for part in _UNREAD):
                yield name, weight
        for name, weight in self.projection.named_parameters():
            yield f"projection.{name}", weight

    def query(self, features: Tensor) -> Tensor:
        """The queries of frames; (frame, width) -> (frame, size)."""
        projected: Tensor = self.projection(features)
        return projected.float()

    @torch.no_grad()
    def key(self, policy: Policy, batch: Batch) -> Tensor:
        """The keys of frames; (frame, size)."""
        weights = {
            name: self.get_buffer(_key(name)) for name, _ in self.followed(policy)
        }
        own = {n: w for n, w in weights.items() if not within(n, "projection")}
        order = torch.randperm(len(batch.task), device=batch.task.device)
        arguments = (batch.observation, batch.task_embedding[order])
        features = functional_call(policy, own, arguments).float()
        weight, bias = weights["projection.weight"], weights["projection.bias"]
        return functional.linear(features, weight, bias).float()

    @torch.no_grad()
    def follow(self, policy: Policy, momentum: float) -> None:
        """Moves the weights of the keys towards those of the queries."""
        for name, weight in self.followed(policy):
            self.get_buffer(_key(name)).lerp_(weight, 1 - momentum)


@dataclass(frozen=True, kw_only=True)
class MomentumContrast(Pretraining):
    """Contrasts a frame with another view of it and with the other frames of a batch."""

    size: int = 64
    """Length of the projected features."""
    similarity: Similarity = "bilinear"
    """Similarity s: a learned ``bilinear`` form, or the ``cosine``."""
    temperature: float = 0.1
    """Temperature τ of the cosine."""
    momentum: float = 0.95
    """Momentum m of the keys' weights."""
    crop: int = 4
    """Largest random shift of images along each axis [px]."""
    window: int = 3
    """Largest number of steps between a frame and its positive; 0 for the frame itself, in
    another crop."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range or unknown.
        """
        check_counts(self, "size")
        check_positive(self, "temperature")
        check_not_negative(self, "crop", "window")
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}; give 0 to below 1.")

    @property
    def count(self) -> int:
        """2 frames: a frame and its positive; see ``Pretraining``."""
        return 2

    @property
    def min_length(self) -> int:
        """See ``Pretraining``."""
        return 1 + self.window

    @property
    def times(self) -> Times:
        """See ``Pretraining``."""
        return nearby(self.window)

    def meta(self, policy: Policy) -> Contrast:
        """The projection, the bilinear form, and the weights of the keys.

        Raises:
            InputError: If both views of a frame would be equal, or images are too small
                for the crops.
        """
        images = policy.spec.images
        if not self.window and not (images and self.crop):
            raise InputError(
                "window is 0 and no image is cropped, so that a frame and its positive are"
                " equal; give window 1 or more."
            )
        for name, feature in images.items():
            side = min(feature.shape[:2])
            if 2 * self.crop >= side:
                raise InputError(
                    f"crop is {self.crop}, and images of '{name}' have {side} px; give"
                    f" less than {(side + 1) // 2}."
                )
        return Contrast(policy, self.size)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The InfoNCE loss of each clip, in float32."""
        contrast = cast(Contrast, policy.meta)
        first, second = (_view(batch, time, self.crop) for time in (0, 1))
        query = contrast.query(features_of(policy, first))
        key = contrast.key(policy, second)
        with torch.autocast(query.device.type, enabled=False):
            scores = self._scores(query, key, contrast.form)
        target = torch.arange(len(scores), device=scores.device)
        found = (scores.argmax(1) == target).float().mean()
        per_clip = functional.cross_entropy(scores, target, reduction="none")
        return Loss(per_clip, {"found": found.detach()})

    def follow(self, policy: Policy) -> None:
        """Moves the weights of the keys after a step; see ``MomentumObjective``."""
        cast(Contrast, policy.meta).follow(policy, self.momentum)

    def _scores(self, query: Tensor, key: Tensor, form: Tensor) -> Tensor:
        """Similarity s of each query and each key; (query, key)."""
        if self.similarity == "bilinear":
            return query @ form @ key.mT
        query, key = (functional.normalize(each, dim=-1) for each in (query, key))
        return query @ key.mT / self.temperature


def _view(clips: Clips, time: int, crop: int) -> Batch:
    """The frame at index ``time`` of each clip, with its images cropped at random."""
    batch, rows = clips.batch, slice(time, None, clips.times)
    frames = {name: each[rows] for name, each in batch.observation.items()}
    for name, image in frames.items():
        if image.dtype == torch.uint8 and crop:
            draws = torch.rand(2, len(image), device=image.device)
            offset = (draws * (2 * crop + 1)).long() - crop
            frames[name] = shifted(image.contiguous(), offset, crop)
    task_embedding, task = batch.task_embedding[rows], batch.task[rows]
    return batch._replace(observation=frames, task_embedding=task_embedding, task=task)


def _key(name: str) -> str:
    """Name of a weight's buffer; torch allows no dots in names of buffers."""
    return f"key/{name.replace('.', '/')}"
