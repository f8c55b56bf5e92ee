"""From the observations of robots that differ to the one vector that a network reads.

A robot's state features stand side by side in places of its own; the places of the other
robots are zero, and a one-hot code of the robot follows. The first linear layer of a network
that reads this vector is therefore a projection of its own for each robot into features
that all share. One robot with one vector is read as it is, standardised.
"""

from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.spec import IMAGE_FEATURES, Spec

EMBODIMENT = "embodiment"
"""Key of an observation under which the index of its robot stands; (batch,)."""


class Moments:
    """Mean and standard deviation of values that come in blocks.

    Those of a single block are computed as torch does; several are added up in float64.
    """

    def __init__(self) -> None:
        self.count = 0
        """Number of values."""
        self._single: Tensor | None = None
        self._mean = self._squares = torch.zeros(())

    def add(self, values: Tensor) -> None:
        """Counts a block of values; (sample, size)."""
        if not len(values):
            return
        if not self.count:
            self.count, self._single = len(values), values
            return
        if self._single is not None:
            self.count, single, self._single = 0, self._single, None
            self._count(single.double())
        self._count(values.double())

    def _count(self, values: Tensor) -> None:
        """Adds a block to the sums (Chan et al. 1979, updating formulae)."""
        before, self.count = self.count, self.count + len(values)
        mean = values.mean(0)
        step = mean - self._mean
        self._mean = self._mean + step * (len(values) / self.count)
        between = step.square() * (before * len(values) / self.count)
        self._squares = self._squares + (values - mean).square().sum(0) + between

    @property
    def mean(self) -> Tensor:
        """(size,)."""
        return self._mean if self._single is None else self._single.mean(0)

    @property
    def deviation(self) -> Tensor:
        """(size,)."""
        if self._single is None:
            return (self._squares / self.count).sqrt()
        return self._single.std(0, unbiased=False)


class Normaliser(nn.Module):
    """Standardises a vector by statistics fitted once on training data.

    Args:
        size: Length of the vector.
    """

    FLOOR = 1e-2  # Of the standard deviation: constants must not blow up noise.

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def fit(self, values: Tensor | Moments, place: slice = slice(None)) -> None:
        """Takes mean and standard deviation of values.

        Args:
            values: (sample, size), or their moments.
            place: Components that the values are; all by default.
        """
        if isinstance(values, Tensor):
            self.fit(_moments(values), place)
            return
        self.mean[place].copy_(values.mean)
        self.deviation[place].copy_(values.deviation.clamp(min=self.FLOOR))

    def forward(self, value: Tensor) -> Tensor:
        """The value with mean 0 and standard deviation 1 over the fitted data; (…, size)."""
        return (value - self.mean) / self.deviation


def _moments(values: Tensor) -> Moments:
    found = Moments()
    found.add(values)
    return found


class ImageEncoder(nn.Module):
    """Three convolutions, and where in the image each of their channels is active.

    Source: Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies"
    (arXiv:1504.00702), section 6.1: the spatial softmax. Departures:

    1. The convolutions are smaller, and the first is strided.
    2. Activations are normalised, and those that enter the softmax are scaled by 3: a
       softmax of small ones is flat, so that positions would hardly differ at first.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = IMAGE_FEATURES // 2
        last = nn.GroupNorm(channels, channels)
        nn.init.constant_(last.weight, 3.0)  # Departure 2.
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.GroupNorm(4, 16),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.GroupNorm(4, 32),
            nn.GELU(),
            nn.Conv2d(32, channels, 3, padding=1),
            last,
        )

    def forward(self, image: Tensor) -> Tensor:
        """The mean position of each channel, from -1 to 1.

        Args:
            image: uint8; (batch, height, width, 3).

        Returns:
            (batch, ``IMAGE_FEATURES``).
        """
        scaled = rearrange(image, "batch h w rgb -> batch rgb h w") / 127.5 - 1
        active = self.layers(scaled).float()
        weight = rearrange(active, "batch c h w -> batch c (h w)").softmax(-1)
        weight = weight.view_as(active)
        down, right = (
            torch.linspace(-1, 1, side, device=weight.device)
            for side in weight.shape[2:]
        )
        return torch.cat(
            [(weight.sum(3) * down).sum(-1), (weight.sum(2) * right).sum(-1)], dim=-1
        )


class Observer(nn.Module):
    """Joins the features of an observation to one vector; see the module.

    Args:
        spec: What the robots observe.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self._spec = spec
        self.images = nn.ModuleDict({name: ImageEncoder() for name in spec.images})
        self.here: Tensor | None
        self.register_buffer("here", _here(spec), persistent=False)

    def spread(self, observation: Mapping[str, Tensor]) -> Tensor:
        """State features, each robot's in its own places; (…, spread)."""
        parts = [
            observation[name][..., :size]
            for each in self._spec.embodiments
            for name, size in sorted(each.states.items())
        ]
        if not parts:
            image = observation[next(iter(self.images))]
            return image.new_zeros(*image.shape[:-3], 0, dtype=torch.float)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def joined(self, observation: Mapping[str, Tensor], spread: Tensor) -> Tensor:
        """The vector that a network reads; (batch, ``spec.inputs``).

        Args:
            observation: See ``Batch.observation``.
            spread: What ``spread`` says of it, standardised.
        """
        parts = [spread]
        for name, encoder in self.images.items():
            parts.append(_encoded(encoder, observation[name]))
        if self.here is not None:
            parts = self._masked(parts, self.here[observation[EMBODIMENT]])
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        if self._spec.history > 1:
            joined = rearrange(joined, "batch time x -> batch (time x)")
        if self.here is not None:
            robots = len(self._spec.embodiments)
            code = functional.one_hot(observation[EMBODIMENT], robots)
            joined = torch.cat([joined, code.to(joined.dtype)], dim=-1)
        return joined

    def _masked(self, parts: list[Tensor], here: Tensor) -> list[Tensor]:
        if self._spec.history > 1:
            here = here[:, None]
        masks = torch.split(here, [part.shape[-1] for part in parts], dim=-1)
        return [part * mask for part, mask in zip(parts, masks, strict=True)]


def _here(spec: Spec) -> Tensor | None:
    """1 where a robot has a component of the joined features, 0 elsewhere.

    Returns:
        (robot, component); None for a single robot.
    """
    if len(spec.embodiments) == 1:
        return None
    states = torch.zeros(len(spec.embodiments), spec.places[-1].stop)
    for robot, place in enumerate(spec.places):
        states[robot, place] = 1
    seen = [[name in it.images for name in spec.images] for it in spec.embodiments]
    images = torch.tensor(seen, dtype=torch.float).reshape(len(seen), -1)
    return torch.cat([states, images.repeat_interleave(IMAGE_FEATURES, dim=1)], dim=1)


def _encoded(encoder: nn.Module, image: Tensor) -> Tensor:
    """(batch, feature), or (batch, time, feature) of a history."""
    batch = image.shape[:-3]
    encoded: Tensor = encoder(image.flatten(0, -4))
    return encoded.view(*batch, -1)
