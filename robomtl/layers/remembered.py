"""The memory of demonstrations in a policy: tensors of any size, saved with it."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.policy import Batch, Loss, Policy


class Remembered(nn.Module):
    """Named tensors that are saved with a policy and loaded in the size they have.

    Args:
        tensors: Each by its name; empty ones for a policy that remembers nothing yet.
        axes: Words for the axes of each tensor. Axes of the same word have the same size,
            which may differ from that of the given tensors; ``_`` keeps the given size.
    """

    def __init__(self, tensors: Mapping[str, Tensor], axes: Mapping[str, str]) -> None:
        super().__init__()
        self._axes = {name: axes[name].split() for name in tensors}
        self._built = {name: tensor.shape for name, tensor in tensors.items()}
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

    def _fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether the sizes agree with the words of the axes."""
        sizes: dict[str, int] = {}
        for name, tensor in tensors.items():
            built = self._built[name]
            if tensor.ndim != len(built):
                return False
            for axis, size, before in zip(
                self._axes[name], tensor.shape, built, strict=True
            ):
                if axis == "_" and size != before or not size and before:
                    return False
                if axis != "_" and sizes.setdefault(axis, size) != size:
                    return False
        return True

    def _load_from_state_dict(  # pyrefly: ignore[bad-override]
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        found = {
            name: state_dict[prefix + name]
            for name, _ in self.named_buffers()
            if prefix + name in state_dict
        }
        if not self._fits(found):
            rest[-1].append(
                f"{prefix} has tensors of shapes"
                f" {', '.join(f'{n} {tuple(t.shape)}' for n, t in found.items())}; expected"
                f" {', '.join(f'{n} ({_said(a)})' for n, a in self._axes.items())}"
            )
            return
        # Copies, as tensors that were read from a file may be mapped to it.
        self.fill({name: tensor.clone() for name, tensor in found.items()})
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _said(axes: list[str]) -> str:
    return " x ".join(axes)


class RememberingPolicy(Policy):
    """A policy that acts from demonstrations it remembers; no gradient trains it.

    A method of adaptation of the same name makes it. Freshly built it stays still.
    """

    trainable: ClassVar[bool] = False
    remembered: Remembered

    @abstractmethod
    def remember(self, episodes: Sequence[Batch]) -> None:
        """Remembers these demonstrations instead of those before.

        Args:
            episodes: At least 1, each with all its steps in order, in chunks of 1.
        """

    def loss(self, batch: Batch) -> Loss:
        """Refuses.

        Raises:
            InputError: Always: there is nothing to train.
        """
        raise InputError(
            f"{type(self).__name__} remembers demonstrations and has nothing to train;"
            " train another policy, such as film, and adapt it by the method of this name."
        )
