"""Recording of the inputs and outputs of a network's layers in a forward pass."""

from collections.abc import Mapping, Sequence, ValuesView
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class ElsewhereError(Exception):
    """A parameter has an effect that was not recorded."""


class Use(NamedTuple):
    """One call of a layer."""

    weight: str | None
    """Name of the weight; None if it is not trained."""
    bias: str | None
    """Name of the bias; None if it is not trained."""
    read: Tensor
    """Input that the weight was multiplied with; (sample, …, input)."""
    output: Tensor
    """Output of the layer; (sample, …, output)."""
    version: int
    """Version of the output at the call; a later one means that it was written to."""
    scales: bool
    """Whether the weight multiplies its input element by element."""


class Recording(TorchFunctionMode):
    """Records the inputs and outputs of layers while a network runs.

    Args:
        parameters: Parameters that the network is called with, by name; none requires a
            gradient.
        samples: Number of samples.

    Raises:
        ElsewhereError: In the forward pass, if a parameter is used by anything but a linear
            layer or a layer norm of each sample.
    """

    def __init__(self, parameters: Mapping[str, Tensor], samples: int) -> None:
        super().__init__()
        self._samples = samples
        self._names = {id(value): name for name, value in parameters.items()}
        self.uses: list[Use] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.linear:
            return self._linear(*args, **kwargs)
        if func is functional.layer_norm:
            return self._layer_norm(*args, **kwargs)
        result = func(*args, **kwargs)
        if _has_tensor(result) and self._trained((args, kwargs.values())):
            raise ElsewhereError
        return result

    def _linear(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        if not self._trained((weight, bias)):
            return functional.linear(input, weight, bias)
        output = functional.linear(_tracked(input), weight, bias)
        self._keep(weight, bias, input.detach(), output, scales=False)
        return output

    def _layer_norm(
        self,
        input: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        if not self._trained((weight, bias)) or weight is None:
            return functional.layer_norm(input, normalized_shape, weight, bias, eps)
        normal = functional.layer_norm(input, normalized_shape, eps=eps)
        output = _tracked(normal) * weight + (0 if bias is None else bias)
        self._keep(weight, bias, normal.detach(), output, scales=True)
        return output

    def _keep(
        self,
        weight: Tensor,
        bias: Tensor | None,
        read: Tensor,
        output: Tensor,
        *,
        scales: bool,
    ) -> None:
        if not self._by_sample(read) or (scales and weight.ndim != 1):
            raise ElsewhereError
        names = self._names.get(id(weight)), self._names.get(id(bias))
        self.uses.append(Use(*names, read, output, output._version, scales))

    def _by_sample(self, read: Tensor) -> bool:
        """Whether the first axis, and no other one before the last, may be of samples."""
        first, *others = read.shape[:-1] or (0,)
        return first == self._samples and self._samples not in others

    def _trained(self, arguments: Any) -> bool:
        """Whether a parameter is among the arguments, or nested in them."""
        if isinstance(arguments, Tensor):
            return id(arguments) in self._names
        if isinstance(arguments, (tuple, list, ValuesView)):
            return any(self._trained(each) for each in arguments)
        return False


def _tracked(value: Tensor) -> Tensor:
    """The value with a gradient, so that results computed from it may be written to."""
    return value if value.requires_grad else value.detach().requires_grad_()


def _has_tensor(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(_has_tensor(each) for each in result)
    return isinstance(result, Tensor)
