"""The weights that a policy takes from the one that its training starts from.

Modules of the same name are taken where all their tensors have the same shape. Those that
differ, such as the head of a robot with other actions or the first layer for other
features, stay as they were initialised.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.evaluation.figures import counted
from robomtl.policy import Policy
from robomtl.training.parameter_groups import check_parts, parts_of, within
from robomtl.training.start import Start

_NORMALISER, _TRUNK = "normaliser", "trunk"
_OWN = "its own parameters"  # Of no module within the policy.
_SHOWN = 3  # New modules whose reasons are given.


class Transferred(NamedTuple):
    """The modules that a policy takes from its start."""

    modules: tuple[str, ...]
    """Names of the modules that are taken; each has tensors of its own."""
    new: Mapping[str, str]
    """Names of the others, and why they are new; empty where they were not requested."""

    @property
    def normaliser(self) -> bool:
        """Whether the statistics of the start are kept, and not fitted on the new data."""
        return _NORMALISER in self.modules

    @property
    def sentence(self) -> str:
        """A sentence on which modules are taken and which are new."""
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
        policy: Freshly built.
        start: Its policy is in memory.

    Returns:
        What was taken: the parts that the start names; all that fit if it names none.

    Raises:
        InputError: If there is no such part, or it does not fit; or, where none is named,
            if the architecture is another or nothing of the trunk fits. The message names
            the parts that fit.
    """
    trained = start.trained.policy
    check_parts(trained, start.parts)
    here, there = policy.state_dict(), trained.state_dict()
    for part in start.parts:
        if misfit := _misfit(here, there, part):
            raise InputError(_refusal(start, part, misfit, _fitting(policy, trained)))
    every = _modules(here)
    wanted = [m for m in every if _within_any(m, start.parts)] if start.parts else every
    reasons = {
        name: _misfit(here, there, name) if name in wanted else "" for name in every
    }
    new = {k: why for k, why in reasons.items() if why or k not in wanted}
    taken = tuple(name for name in every if name not in new)
    if not start.parts:
        _check_alike(policy, start, taken, new)
    copied = {k: v for k, v in there.items() if k.rpartition(".")[0] in taken}
    policy.load_state_dict(copied, strict=False)
    return Transferred(taken, new)


def check_trained(policy: nn.Module, taken: Transferred, train: Sequence[str]) -> None:
    """Refuses to leave new modules as they were initialised.

    Args:
        policy: Has them.
        taken: What it has of its start.
        train: Parts that are trained; all if empty.

    Raises:
        InputError: If a new module with parameters is in none of them.
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


def _check_alike(
    policy: Policy, start: Start, taken: Sequence[str], new: Mapping[str, str]
) -> None:
    """Refuses a start of which nothing essential fits."""
    trained = start.trained.policy
    fitting = _fitting(policy, trained)
    if type(policy) is not type(trained):
        raise InputError(
            f"The start is a policy '{start.trained.card.policy}', whose weights are not"
            f" those of {type(policy).__name__}. Give --policy"
            f" {start.trained.card.policy}, or {_advice(fitting)}, or train from scratch."
        )
    if not any(within(name, _TRUNK) for name in taken):
        misfit = next(why for name, why in new.items() if within(name, _TRUNK))
        raise InputError(_refusal(start, _TRUNK, misfit, fitting))


def _modules(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the modules that own tensors."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))


def _outermost(names: Sequence[str], others: Collection[str]) -> list[str]:
    """The names, those of a part that is there as a whole by the name of that."""
    apart = {name.partition(".")[0] for name in others}
    parts = [(name.partition(".")[0], name) for name in names]
    return list(dict.fromkeys(name if part in apart else part for part, name in parts))


def _within_any(name: str, parts: Sequence[str]) -> bool:
    return any(within(name, part) for part in parts)


def _fitting(policy: Policy, trained: Policy) -> list[str]:
    """Outermost parts that fit as a whole."""
    here, there = policy.state_dict(), trained.state_dict()
    every = dict.fromkeys([*parts_of(policy), *parts_of(trained)])
    return [each for each in every if not _misfit(here, there, each)]


def _misfit(here: Mapping[str, Tensor], there: Mapping[str, Tensor], part: str) -> str:
    """The first tensor of a part that differs in shape or is not in both; else empty."""
    for name in sorted({*here, *there}):
        if _within(name, part) and _size(here, name) != _size(there, name):
            return f"{name} is {_size(there, name)} there and {_size(here, name)} here"
    return "" if any(_within(name, part) for name in here) else f"there is no {part}"


def _within(name: str, part: str) -> bool:
    """Whether a tensor is in a part; in the empty one are those of the policy itself."""
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
