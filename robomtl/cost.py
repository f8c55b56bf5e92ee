"""Cost of a training or an adaptation."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Steps, samples, parameters and time of a training or an adaptation."""

    steps: int
    """Gradient steps."""
    samples: int
    """Samples over all gradient steps."""
    parameters: int
    """Number of parameters that were trained, solved for or inferred."""
    seconds: float
    """Wall time [s]."""
    act: float | None = None
    """Time to predict the actions of one trial on one core [s]; None if not measured."""
