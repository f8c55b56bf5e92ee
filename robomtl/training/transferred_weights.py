"""Transfer of weights from the policy that a training starts from.

Modules of the same name are copied if all their tensors have the same shape. Modules that
differ, such as the head of a robot with other actions or the first layer for other
features, are newly initialised.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.evaluation.formatting import counted
from robomtl.policy import Policy
from robomtl.training.parameter_groups import check_parts, parts_of, within
from robomtl.training.start import Start

_NORMALISER, _TRUNK = "normaliser", "trunk"
_OWN = "its own parameters"  # Parameters of the policy outside its modules.
_SHOWN = 3  # Number of new modules that are reported with their reasons.


class Transferred(NamedTuple):
    """The modules that a policy takes from its start."""

    modules: tuple[str, ...]
    """Names of the modules with tensors that are copied."""
    new: Mapping[str, str]
    """Names of the other modules, and the reasons why they are new; an empty reason if a
    module was not requested."""

    @property
    def normaliser(self) -> bool:
        """Whether the normaliser is the start's, and not fitted on the new data."""
        return _NORMALISER in self.modules

    @property
    def sentence(self) -> str:
        """Sentence with the modules that are taken and those that are new."""
        modules = [name or _OWN for name in _outermost(self.modules, self.new)]
        text = f"Taken from the start: {', '.join(modules)}."
        if not self.new:
            return text
        reasons = [f" ({why})" if why else "" for why in self.new.values()]
        named = [
            (name or _OWN) + why for name, why in zip(self.new, reasons, strict=True)
        ]
        more = len(named) - _SHOWN
        rest = f" and {counted(more, 'other module')}" if more > 0 else ""
        return f"{text} New: {', '.join(named[:_SHOWN])}{rest}."


def transfer_weights(policy: Policy, start: Start) -> Transferred:
    """Copies weights of a start into a policy.

    Args:
        policy: Newly initialised policy.
        start: Start with its policy in memory.

    Returns:
        The modules that were copied: those of the parts that the start names, or all that
        fit if it names none.

    Raises:
        InputError: If a named part is missing or does not fit; or, if none is named, the
            architecture is another or no module of the trunk fits. The message names the
            parts that fit.
    """
    trained = start.trained.policy
    check_parts(trained, start.parts)
    state, trained_state = policy.state_dict(), trained.state_dict()
    for part in start.parts:
        if misfit := _misfit(state, trained_state, part):
            raise InputError(_refusal(start, part, misfit, _fitting(policy, trained)))
    modules = _modules(state)
    requested = [
        name for name in modules if not start.parts or _within_any(name, start.parts)
    ]
    reasons = {
        name: _misfit(state, trained_state, name) if name in requested else ""
        for name in modules
    }
    new = {k: why for k, why in reasons.items() if why or k not in requested}
    taken = tuple(name for name in modules if name not in new)
    if not start.parts:
        _check_architecture(policy, start, taken, new)
    copied = {k: v for k, v in trained_state.items() if k.rpartition(".")[0] in taken}
    policy.load_state_dict(copied, strict=False)
    return Transferred(taken, new)


def check_trained(policy: nn.Module, taken: Transferred, train: Sequence[str]) -> None:
    """Checks that all new modules are trained.

    Args:
        policy: Policy with the new modules.
        taken: Modules that were copied from the start, and new ones.
        train: Parts that are trained; all if empty.

    Raises:
        InputError: If a new module with parameters is in none of these parts.
    """
    check_parts(policy, train)
    parameters = {name.rpartition(".")[0] for name, _ in policy.named_parameters()}
    left = [n for n in taken.new if n in parameters and not _within_any(n, train)]
    if train and left:
        parts = dict.fromkeys(name.partition(".")[0] for name in left)
        raise InputError(
            f"{', '.join(parts)} would stay as initialised, being new and not trained; add"
            f" to --train, beside {' '.join(train)}."
        )


def frozen_sentence(policy: nn.Module, train: Sequence[str]) -> str:
    """Sentence with the modules that are not trained; empty if all are.

    Args:
        policy: Policy with the modules.
        train: Parts that are trained; all if empty.
    """
    trained, frozen = list[str](), list[str]()
    for name, _ in policy.named_parameters():
        owner = name.rpartition(".")[0]
        (trained if _within_any(name, train) else frozen).append(owner)
    if not train or not frozen:
        return ""
    names = [name or _OWN for name in _outermost(frozen, trained)]
    return f"Frozen, as --train leaves them out: {', '.join(names)}."


def _check_architecture(
    policy: Policy, start: Start, taken: Sequence[str], new: Mapping[str, str]
) -> None:
    """Checks that a start has the same architecture, and a module of the trunk fits."""
    trained = start.trained.policy
    fitting = _fitting(policy, trained)
    if type(policy) is not type(trained):
        raise InputError(
            f"The start is a policy '{start.trained.card.policy}', whose weights do not fit"
            f" {type(policy).__name__}. Give --policy {start.trained.card.policy}, or"
            f" {_advice(fitting)}, or train from scratch."
        )
    if not any(within(name, _TRUNK) for name in taken):
        misfit = next(why for name, why in new.items() if within(name, _TRUNK))
        raise InputError(_refusal(start, _TRUNK, misfit, fitting))


def _modules(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the modules that own tensors."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))


def _outermost(names: Sequence[str], others: Collection[str]) -> list[str]:
    """Names of modules, abbreviated to their outermost part if none of ``others`` is in it."""
    apart = {name.partition(".")[0] for name in others}
    parts = [(name.partition(".")[0], name) for name in names]
    return list(dict.fromkeys(name if part in apart else part for part, name in parts))


def _within_any(name: str, parts: Sequence[str]) -> bool:
    return any(within(name, part) for part in parts)


def _fitting(policy: Policy, trained: Policy) -> list[str]:
    """Names of the outermost parts all of whose tensors fit."""
    new, start = policy.state_dict(), trained.state_dict()
    parts = dict.fromkeys([*parts_of(policy), *parts_of(trained)])
    return [each for each in parts if not _misfit(new, start, each)]


def _misfit(new: Mapping[str, Tensor], start: Mapping[str, Tensor], part: str) -> str:
    """The reason why a part does not fit: a missing tensor or another shape; else empty.

    Args:
        new: Tensors of the new policy.
        start: Tensors of the start.
        part: Name of the part.
    """
    for name in sorted({*new, *start}):
        if _within(name, part) and _size(new, name) != _size(start, name):
            sizes = f"{_size(start, name)} in the start and {_size(new, name)}"
            return f"{name} is {sizes} in the new policy"
    return "" if any(_within(name, part) for name in new) else f"there is no {part}"


def _within(name: str, part: str) -> bool:
    """Whether a tensor is in a part; the empty part has the policy's own parameters."""
    return within(name, part) if part else "." not in name


def _size(tensors: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "missing"


def _refusal(start: Start, part: str, misfit: str, fitting: Sequence[str]) -> str:
    return (
        f"The start, a policy '{start.trained.card.policy}', does not fit at part"
        f" '{part}': {misfit}. Give {_advice(fitting)}, or train from scratch."
    )


def _advice(fitting: Sequence[str]) -> str:
    parts = ", ".join(fitting)
    return f"parts that fit: {parts} (start_parts)" if fitting else "another start"
