"""Settings of auxiliary losses, which are used in training only."""

from dataclasses import dataclass

from robomtl.ranges import check_not_negative, check_types, settings


@settings
@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """Weights of auxiliary losses; all off by default."""

    positions: float = 0.0
    """Weight of the loss of predicting the positions of the hand, the objects and the goal
    from the images, with the demonstrations' states as targets; 0 for none."""

    def __post_init__(self) -> None:
        """Checks the weight.

        Raises:
            InputError: If it is negative.
        """
        check_types(self)
        check_not_negative(self, "positions")
