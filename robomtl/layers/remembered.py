"""Storage of demonstrations in a policy: tensors of any size that are saved with it."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.policy import Batch, Loss, Policy


class Remembered(nn.Module):
    """Named buffers that are saved with a policy and loaded in the size of the checkpoint.

    Args:
        tensors: Initial tensors by name; empty ones for a policy without demonstrations.
        axes: Axis names of each tensor, separated by spaces. Axes of the same name must
            have the same size, which may change on loading; ``_`` keeps the initial size.
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
        """Replaces tensors by name; the names must exist."""
        for name, tensor in tensors.items():
            self.get_buffer(name)  # Raises AttributeError for an unknown name.
            self.register_buffer(name, tensor)

    def _fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether the sizes of tensors agree with the axis names."""
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
        loaded = {
            name: state_dict[prefix + name]
            for name, _ in self.named_buffers()
            if prefix + name in state_dict
        }
        if not self._fits(loaded):
            rest[-1].append(
                f"{prefix} has tensors of shapes"
                f" {', '.join(f'{n} {tuple(t.shape)}' for n, t in loaded.items())};"
                " expected"
                f" {', '.join(f'{n} ({_joined(a)})' for n, a in self._axes.items())}"
            )
            return
        # Copies, as tensors read from a file may be memory-mapped.
        self.fill({name: tensor.clone() for name, tensor in loaded.items()})
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _joined(axes: list[str]) -> str:
    return " x ".join(axes)


class RememberingPolicy(Policy):
    """A policy that acts from stored demonstrations and has no trainable weights.

    The adaptation method of the same name creates it. Before ``remember`` is called it
    outputs zero actions.
    """

    trainable: ClassVar[bool] = False
    remembered: Remembered

    @abstractmethod
    def remember(self, episodes: Sequence[Batch]) -> None:
        """Stores demonstrations in place of earlier ones.

        Args:
            episodes: At least 1 demonstration, each with all steps in order, in chunks of
                one action.
        """

    def loss(self, batch: Batch) -> Loss:
        """Raises an error.

        Raises:
            InputError: Always, as there is nothing to train.
        """
        raise InputError(
            f"{type(self).__name__} stores demonstrations and has nothing to train; train"
            " another policy, such as film, and adapt it by the method of the same name."
        )
