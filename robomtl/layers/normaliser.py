"""Standardisation of vectors by the mean and standard deviation of training data."""

import torch
from torch import Tensor, nn


class Moments:
    """Running mean and standard deviation of values that are added in blocks.

    A single block is computed by torch in its own precision, several blocks in float64.
    """

    def __init__(self) -> None:
        self.count = 0
        """Number of samples added."""
        self._single: Tensor | None = None
        self._mean = self._squares = torch.zeros(())

    def add(self, values: Tensor) -> None:
        """Adds a block of values; (sample, size)."""
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
        """Merges a float64 block into the sums (Chan et al. 1979, updating formulae)."""
        before, self.count = self.count, self.count + len(values)
        mean = values.mean(0)
        step = mean - self._mean
        self._mean = self._mean + step * (len(values) / self.count)
        between = step.square() * (before * len(values) / self.count)
        self._squares = self._squares + (values - mean).square().sum(0) + between

    @property
    def mean(self) -> Tensor:
        """Mean of all samples; (size,)."""
        return self._mean if self._single is None else self._single.mean(0)

    @property
    def std(self) -> Tensor:
        """Standard deviation of all samples, without Bessel's correction; (size,)."""
        if self._single is None:
            return (self._squares / self.count).sqrt()
        return self._single.std(0, unbiased=False)


class Normaliser(nn.Module):
    """Standardises vectors by statistics that are fitted once on training data.

    Args:
        size: Length of the vector.
    """

    # Lower bound of the standard deviation, so that constant features do not amplify noise.
    FLOOR = 1e-2

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    @property
    def deviation(self) -> Tensor:
        """Alias of ``std`` under its earlier name."""
        return self.std

    def fit(self, values: Tensor | Moments, columns: slice = slice(None)) -> None:
        """Sets mean and standard deviation to those of values.

        Args:
            values: Training data, (sample, size), or its moments.
            columns: Positions of the values in the vector; all by default.
        """
        if isinstance(values, Tensor):
            self.fit(_moments(values), columns)
            return
        self.mean[columns].copy_(values.mean)
        self.std[columns].copy_(values.std.clamp(min=self.FLOOR))

    def forward(self, value: Tensor) -> Tensor:
        """Values minus the mean, divided by the standard deviation; (…, size)."""
        return (value - self.mean) / self.std


def _moments(values: Tensor) -> Moments:
    moments = Moments()
    moments.add(values)
    return moments
