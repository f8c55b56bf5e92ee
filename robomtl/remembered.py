"""What a policy remembers of demonstrations: tensors whose sizes are those that came."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Remembered(nn.Module):
    """Named tensors that are saved with a policy and loaded in whatever size they have.

    Args:
        tensors: Each by its name; empty ones for a policy that remembers nothing yet.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of this name."""
        return self.get_buffer(name)

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Remembers these tensors instead, under names that are there."""
        for name, tensor in tensors.items():
            self.get_buffer(name)  # It must be there.
            self.register_buffer(name, tensor)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        found = {
            name: state_dict[prefix + name]
            for name, _ in self.named_buffers()
            if prefix + name in state_dict
        }
        self.fill(found)
        super()._load_from_state_dict(state_dict, prefix, *rest)
