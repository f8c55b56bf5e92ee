"""Keys and features by which ``regent`` compares steps: states, or object displacements."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomtl.action_head import HeadConfig
from robomtl.errors import InputError
from robomtl.policy import Spec
from robomtl.ranges import check_positive


@dataclass(frozen=True, kw_only=True)
class ComparedConfig(HeadConfig):
    """Settings of the comparison of steps."""

    positions: tuple[int, ...] = ()
    """Index of the first component of each position in the state, such as 0 18 4 11 36 for
    Meta-World: the hand now and one step before, two objects, the goal. Steps are then
    compared by the displacements between these positions, except for absent objects, whose
    components are all 0. If empty, steps are compared by the whole state."""
    dimensions: int = 3
    """Number of components of a position."""
    others: tuple[int, ...] = ()
    """Indices of further components to compare if ``positions`` are given, such as 3 for
    Meta-World, the opening of the gripper."""
    near: float = 0.05
    """Displacement up to which the logarithmic scale is roughly linear [m]."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If a size or ``near`` is not positive, or exactly one position is
                given.
        """
        super().__post_init__()
        check_positive(self, "near")
        if len(self.positions) == 1:
            raise InputError(
                f"positions is {self.positions}; give 2 or more, as steps are compared by"
                " the displacements between them, or none."
            )


class Compared(nn.Module):
    """Features of states, which begin with the key by which steps are compared.

    Args:
        config: Settings of the comparison.
        spec: Spec of the policy, with the length of a state.

    Raises:
        InputError: If the state lacks a configured component, or positions are given for
            several robots.
    """

    def __init__(self, config: ComparedConfig, spec: Spec) -> None:
        super().__init__()
        _check_positions(config, spec)
        self.near, self.others = config.near, list(config.others)
        first = torch.tensor(config.positions, dtype=torch.long)[:, None]
        self.position_components: Tensor
        self.register_buffer(
            "position_components",
            first + torch.arange(config.dimensions),
            persistent=False,
        )
        pairs = len(first) * (len(first) - 1) // 2 * config.dimensions
        self.key = pairs + len(self.others) if pairs else spec.state_slices[-1].stop
        """Length of the key, the leading features by which steps are compared."""
        self.size = self.key + pairs if pairs else spec.inputs
        """Number of features."""
        self.code = slice(self.key, self.key if pairs else spec.inputs)
        """Position of the one-hot code of the robot; empty for a single robot."""

    def forward(self, state: Tensor, standardised: Tensor) -> Tensor:
        """Features of states: the key, then further features; (…, feature).

        Args:
            state: States in their own units; (…, state).
            standardised: The same states, standardised; (…, state).
        """
        if not len(self.position_components):
            return standardised
        positions = state[..., self.position_components]
        present = (positions != 0).any(-1)
        count = len(self.position_components)
        first, second = torch.triu_indices(count, count, 1, device=state.device)
        both_present = (present[..., first] & present[..., second])[..., None]
        displacement = positions[..., second, :] - positions[..., first, :]
        displacement = (displacement * both_present).flatten(-2) / self.near
        logarithm = displacement.sign() * displacement.abs().log1p()
        return torch.cat(
            [logarithm, standardised[..., self.others], displacement], dim=-1
        )


def _check_positions(config: ComparedConfig, spec: Spec) -> None:
    """Checks that the state of a single robot has the configured components."""
    if config.positions and len(spec.embodiments) > 1:
        raise InputError(
            "positions refers to the state of one robot; leave it out for"
            f" {spec.described}."
        )
    size, first = config.dimensions, (*config.positions, *config.others)
    ends = (*(n + size for n in config.positions), *(n + 1 for n in config.others))
    if max(ends, default=0) > spec.state or min(first, default=0) < 0:
        raise InputError(
            f"positions {config.positions} of {size} components and others"
            f" {config.others} do not lie in a state of {spec.state} components."
        )
