"""What ``regent`` compares steps of demonstrations by: states, or where things are."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomtl.action_head import HeadConfig
from robomtl.errors import InputError
from robomtl.policy import Spec
from robomtl.ranges import check_positive


@dataclass(frozen=True, kw_only=True)
class ComparedConfig(HeadConfig):
    """What of a state is compared."""

    positions: tuple[int, ...] = ()
    """Indices of the first component of positions in a state, such as 0 18 4 11 36 of
    Meta-World: the hand now and before, two objects, the goal. Steps are then compared by
    their differences, without those of absent things, whose components are all 0. Without
    any, steps are compared by the whole state."""
    dimensions: int = 3
    """Number of components of a position."""
    others: tuple[int, ...] = ()
    """Indices of further components to compare by where there are positions, such as 3 of
    Meta-World, the opening of the gripper."""
    near: float = 0.05
    """Difference of positions below which it counts in proportion [m]."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If a size or ``near`` is not positive, or there is one position
                alone.
        """
        super().__post_init__()
        check_positive(self, "near")
        if len(self.positions) == 1:
            raise InputError(
                f"positions is {self.positions}; give 2 or more, whose differences are"
                " compared, or none."
            )


class Compared(nn.Module):
    """What is seen of states, which begins with what steps are compared by.

    Args:
        config: Names the positions.
        spec: Has the length of a state.

    Raises:
        InputError: If the state has no such component, or there are several robots.
    """

    def __init__(self, config: ComparedConfig, spec: Spec) -> None:
        super().__init__()
        _check_places(config, spec)
        self.near, self.others = config.near, list(config.others)
        first = torch.tensor(config.positions, dtype=torch.long)[:, None]
        self.things: Tensor
        self.register_buffer(
            "things", first + torch.arange(config.dimensions), persistent=False
        )
        pairs = len(first) * (len(first) - 1) // 2 * config.dimensions
        self.key = pairs + len(self.others) if pairs else spec.places[-1].stop
        """Number of leading components by which steps are compared."""
        self.seen = self.key + pairs if pairs else spec.inputs
        """Number of components."""
        self.code = slice(self.key, self.key if pairs else spec.inputs)
        """Components that say which robot it is, where there are several."""

    def forward(self, state: Tensor, standardised: Tensor) -> Tensor:
        """What is seen of states, as they are and standardised; (…, state) -> (…, seen)."""
        if not len(self.things):
            return standardised
        places = state[..., self.things]
        there = (places != 0).any(-1)
        count = len(self.things)
        first, second = torch.triu_indices(count, count, 1, device=state.device)
        both = (there[..., first] & there[..., second])[..., None]
        apart = ((places[..., second, :] - places[..., first, :]) * both).flatten(-2)
        apart = apart / self.near
        logarithm = apart.sign() * apart.abs().log1p()
        return torch.cat([logarithm, standardised[..., self.others], apart], dim=-1)


def _check_places(config: ComparedConfig, spec: Spec) -> None:
    """Refuses components that the state does not have."""
    if config.positions and len(spec.embodiments) > 1:
        raise InputError(
            "positions are those in the state of one robot; leave them out for"
            f" {spec.described}."
        )
    size, first = config.dimensions, (*config.positions, *config.others)
    ends = (*(n + size for n in config.positions), *(n + 1 for n in config.others))
    if max(ends, default=0) > spec.state or min(first, default=0) < 0:
        raise InputError(
            f"positions {config.positions} of {size} components and others"
            f" {config.others} do not lie in a state of {spec.state} components."
        )
