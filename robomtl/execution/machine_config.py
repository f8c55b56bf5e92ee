"""Requested device and precision of a run.

Separate from ``robomtl.execution.machine``, so that commands without training do not import
torch.
"""

from dataclasses import dataclass
from typing import Literal

from robomtl.ranges import check_types, settings

Precision = Literal["auto", "bfloat16", "float32"]


@settings
@dataclass(frozen=True, kw_only=True)
class Machine:
    """Device and precision that networks compute with."""

    device: str = "auto"
    """Torch device of the networks, such as cpu or cuda:1; ``auto`` is cuda if available,
    else cpu."""
    precision: Precision = "auto"
    """Arithmetic of the networks, whose weights and losses stay float32; ``auto`` is
    bfloat16 where the device computes in it natively, else float32."""

    def __post_init__(self) -> None:
        """Checks the types.

        Raises:
            InputError: If the precision is unknown; names the nearest.
        """
        check_types(self)
