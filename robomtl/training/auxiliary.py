"""Settings of losses beside the policy's own, which only training sees."""

from dataclasses import dataclass

from robomtl.ranges import check_not_negative, check_types, settings


@settings
@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """Weights of losses beside the policy's own; all off by default."""

    positions: float = 0.0
    """Weight of the loss of predicting from the images where the hand, the objects and the
    goal are, as the states of the demonstrations say; 0 for none."""

    def __post_init__(self) -> None:
        """Checks the weight.

        Raises:
            InputError: If it is negative.
        """
        check_types(self)
        check_not_negative(self, "positions")
