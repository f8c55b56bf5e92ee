"""A record of the inputs and outputs of a network's layers while it runs."""

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
    bias: str | None
    read: Tensor
    """What the weight was multiplied with, (sample, …, input)."""
    given: Tensor
    """(sample, …, output)."""
    version: int
    """Version of the output at that time, since it must not be written to afterwards."""
    scales: bool
    """Whether the weight is multiplied with element by element."""


class Recording(TorchFunctionMode):
    """Keeps what layers read and give, while the network runs.

    Args:
        parameters: What the network is called with, by name; none requires a gradient.
        samples: Number of samples.
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
        if _holds_tensor(result) and self._trained((args, kwargs.values())):
            raise ElsewhereError
        return result

    def _linear(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        if not self._trained((weight, bias)):
            return functional.linear(input, weight, bias)
        given = functional.linear(_followed(input), weight, bias)
        self._keep(weight, bias, input.detach(), given, scales=False)
        return given

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
        given = _followed(normal) * weight + (0 if bias is None else bias)
        self._keep(weight, bias, normal.detach(), given, scales=True)
        return given

    def _keep(
        self,
        weight: Tensor,
        bias: Tensor | None,
        read: Tensor,
        given: Tensor,
        *,
        scales: bool,
    ) -> None:
        if not self._by_sample(read) or (scales and weight.ndim != 1):
            raise ElsewhereError
        names = self._names.get(id(weight)), self._names.get(id(bias))
        self.uses.append(Use(*names, read, given, given._version, scales))

    def _by_sample(self, read: Tensor) -> bool:
        """Whether the first axis, and no other but the last, is that of samples."""
        first, *others = read.shape[:-1] or (0,)
        return first == self._samples and self._samples not in others

    def _trained(self, given: Any) -> bool:
        """Whether a parameter is among what is given, or in it."""
        if isinstance(given, Tensor):
            return id(given) in self._names
        if isinstance(given, (tuple, list, ValuesView)):
            return any(self._trained(each) for each in given)
        return False


def _followed(value: Tensor) -> Tensor:
    """A value that autograd follows, so that what comes of it may be written to."""
    return value if value.requires_grad else value.detach().requires_grad_()


def _holds_tensor(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(_holds_tensor(each) for each in result)
    return isinstance(result, Tensor)
