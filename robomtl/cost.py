"""What learning takes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an adaptation or a training took."""

    steps: int
    """Gradient steps."""
    samples: int
    """Samples in these steps together."""
    parameters: int
    """Numbers that were trained, solved for or inferred."""
    seconds: float
    """Wall time [s]."""
    act: float | None = None
    """Time in which the policy predicts the actions of one trial on one core [s]; None
    where it was not measured."""
