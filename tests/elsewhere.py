"""A fake device: its tensors compute on the CPU, but cannot be mixed with CPU tensors.

Its tensors are distinguished by their storages. As on a real device, operations on tensors
of both devices, conversion to numpy, and generators of the other device are refused.
"""

from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch._C import _functorch as functorch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ELSEWHERE = torch.device("mps")  # A device name that torch accepts without a library.
_CPU = torch.device("cpu")
_CROSSING = ("copy_", "index", "index_put", "_index_put_impl_", "lift_fresh")
_STORAGES = {}  # Storages on the fake device, by address.


class Other(torch.Generator):
    device = ELSEWHERE


def generator(device=_CPU):
    return Other() if torch.device(device) == ELSEWHERE else torch.Generator()


def storage_of(tensor):
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return tensor.untyped_storage()


def is_elsewhere(tensor):
    return storage_of(tensor)._cdata in _STORAGES


def _place(result, there):
    for tensor in _tensors(result):
        storage = storage_of(tensor)
        if there:
            _STORAGES[storage._cdata] = storage
        else:
            _STORAGES.pop(storage._cdata, None)
    return result


def _tensors(given):
    """All tensors in nested tuples, lists and mappings."""
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, dict):
        given = given.values()
    elif not isinstance(given, (tuple, list)):
        return []
    return [tensor for each in given for tensor in _tensors(each)]


class _Operations(TorchDispatchMode):
    """Puts results on the device of their arguments, which must be on one device."""

    inside = False
    """Whether torch itself makes tensors, within a call that was given some elsewhere."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [each for each in _tensors((args, kwargs or {})) if each.numel()]
        there = [is_elsewhere(each) for each in given]
        free = func.overloadpacket.__name__ in _CROSSING
        mixed = {where for each, where in zip(given, there, strict=True) if each.ndim}
        if len(mixed) > 1 and not free:
            raise RuntimeError(f"{func} was given tensors on cpu and {ELSEWHERE}.")
        result = func(*args, **(kwargs or {}))
        if not given and self.inside:
            return _place(result, True)
        if any(there) and not (free and not there[0]):
            _place(result, True)
        return result


class _Calls(TorchFunctionMode):
    """Handles calls that name the device."""

    def __init__(self, operations):
        super().__init__()
        self._operations = operations

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (Tensor.to, Tensor.cpu):
            return self._moved(func, args, kwargs)
        if func is Tensor.numpy and is_elsewhere(args[0]):
            raise TypeError(f"A tensor on {ELSEWHERE} has no numpy array.")
        device = kwargs.get("device")
        there = device is not None and torch.device(device) == ELSEWHERE
        if there:
            kwargs["device"] = _CPU
        source = kwargs.get("generator")
        if source is not None and func is not Tensor.__deepcopy__:
            if (source.device == ELSEWHERE) != there:
                raise RuntimeError(f"{func} was given a generator on {source.device}.")
            if there:  # Below, every generator is the CPU's.
                kwargs["generator"] = torch.Generator()
                kwargs["generator"].set_state(source.get_state())
                source.manual_seed(source.seed())
        before = self._operations.inside
        self._operations.inside = any(map(is_elsewhere, _tensors((args, kwargs))))
        try:
            result = func(*args, **kwargs)
        finally:
            self._operations.inside = before
        copied = func is Tensor.__deepcopy__ and is_elsewhere(args[0])
        return _place(result, True) if there or copied else result

    def _moved(self, func, args, kwargs):
        tensor, *rest = args
        to = [*rest, *kwargs.values(), *([_CPU] if func is Tensor.cpu else [])]
        named = [_device(each) for each in to if _device(each) is not None]
        if not named:
            return func(*args, **kwargs)
        types = [each for each in to if isinstance(each, torch.dtype)]
        types += [each.dtype for each in to if isinstance(each, Tensor)]
        there = named[0] == ELSEWHERE
        if there == is_elsewhere(tensor):
            return tensor.type(types[0]) if types else tensor
        moved = tensor.clone() if tensor.requires_grad else tensor.detach().clone()
        return _place(moved.type(types[0]) if types else moved, there)


def _device(given):
    if isinstance(given, Tensor):
        return ELSEWHERE if is_elsewhere(given) else _CPU
    if isinstance(given, (str, torch.device)):
        return torch.device(given)
    return None


@contextmanager
def elsewhere(*modules):
    """Makes the device available in the block.

    Args:
        modules: Names of those that make generators on it.
    """
    operations = _Operations()
    with pytest.MonkeyPatch.context() as patched, _Calls(operations), operations:
        own = Tensor.device
        patched.setattr(
            Tensor,
            "device",
            property(
                lambda it: (
                    ELSEWHERE
                    if own.__get__(it) == _CPU and is_elsewhere(it)
                    else own.__get__(it)
                )
            ),
        )
        for name in modules:
            patched.setattr(f"{name}.Generator", generator)
        yield
    _STORAGES.clear()
