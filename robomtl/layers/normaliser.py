"""Mean and standard deviation of training data, and vectors standardised by them."""

import torch
from torch import Tensor, nn


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
    def std(self) -> Tensor:
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
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, by its earlier name."""
        return self.std

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
        self.std[place].copy_(values.std.clamp(min=self.FLOOR))

    def forward(self, value: Tensor) -> Tensor:
        """The value with mean 0 and standard deviation 1 over the fitted data; (…, size)."""
        return (value - self.mean) / self.std


def _moments(values: Tensor) -> Moments:
    found = Moments()
    found.add(values)
    return found
