"""The registry of suites, and ``suite``, which builds a suite by its name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, get_type_hints

from robomtl.arguments import alternatives, checked, lacking, shown, typed
from robomtl.catalogue import Registry
from robomtl.errors import InputError, PlugInError
from robomtl.nearest import unknown
from robomtl.ranges import made_of
from robomtl.task import Suite, Task

_CONFIG = "config"  # Parameter of a factory whose fields are options.


class SuiteFactory(Protocol):
    """A function that builds the suites of a family."""

    def __call__(self, variant: str, **options: Any) -> Suite:
        """Builds the suite of a variant, the part of the name after the slash."""
        ...


SUITES: Registry[SuiteFactory | Suite] = Registry(
    "suite",
    "robomtl.envs",
    {
        "fetch": "robomtl.envs.fetch:fetch",
        "joint": "robomtl.joint:joint",
        "libero": "robomtl.envs.libero:libero",
        "maniskill": "robomtl.envs.maniskill:maniskill",
        "metaworld": "robomtl.envs.metaworld:metaworld",
        "points": "robomtl.envs.points:points",
        "pseudo": "robomtl.pseudo:pseudo",
        "pusht": "robomtl.envs.pusht:pusht",
        "robosuite": "robomtl.envs.robosuite:robosuite",
        "shifted": "robomtl.shifts.shifted_suite:shifted",
    },
)
"""Families of suites: callables ``(variant, **options) -> Suite``; or single suites.

``robomtl.suite("metaworld/MT10")`` calls the factory ``metaworld`` with ``"MT10"``; a
name without a slash calls it with the empty string. A factory may have an attribute
``variants``, a mapping of variant names to one line each, which ``robomtl list`` shows. If the
factory has a parameter ``config`` of a dataclass type, the fields of the dataclass are options,
too. A suite object, as ``from_gymnasium`` returns it, is registered under its own name; if it is
callable, it is also a factory of variants of itself with options.
"""


def _ready(found: Suite, name: str, options: dict[str, Any]) -> Suite:
    """A registered suite object, if the name and the options are its own.

    Raises:
        InputError: If the name or the options differ.
    """
    if name != found.name:
        raise InputError(
            f"There is no suite '{name}': the suite '{found.name}' has no variants."
        )
    if options and options != dict(found.options):
        raise InputError(
            f"Suite '{name}' was registered as an object with the options"
            f" {dict(found.options)}; it does not accept {options}."
        )
    return found


@checked
def suite(name: str, **options: Any) -> Suite:
    """The suite of this name, such as ``metaworld/MT10``.

    Args:
        name: Family and variant, joined by a slash.
        **options: Options of the family, such as ``goals="hidden"`` for ``metaworld/ML10``.

    Raises:
        InputError: If the family or the variant is unknown, an option is unknown or of
            another type, or a suite that was registered as an object is requested with a
            variant or other options.
    """
    family, _, variant = name.partition("/")
    found = SUITES.get(family)
    if not callable(found):
        _checked(found, f"Registered as suite '{family}' is")
        return _ready(found, name, options)
    given = _typed_options(name, found, options)
    made = found(variant, **_configured(found, given))
    return _checked(made, f"The factory registered as suite '{family}' returned")


def unshifted(name: str) -> str:
    """The full name of a suite without shifts; see ``robomtl.shifts``."""
    family, _, variant = name.partition("/")
    return variant.partition("/")[2] if family == "shifted" else name


def _checked(made: Any, what: str) -> Suite:
    """A suite that a plug-in supplied, refused if it is not a suite."""
    if isinstance(made, type) or not hasattr(made, "train_tasks"):
        raise PlugInError(
            f"{what} {made!r}; expected a suite, or a function that makes a suite of a"
            " variant."
        )
    if absent := lacking(made, Suite):
        raise PlugInError(
            f"{what} {shown(made)}, which lacks {', '.join(absent)}; expected all members"
            " of robomtl.task.Suite."
        )
    supplied: Suite = made
    tasks = (*supplied.train_tasks, *supplied.held_out_tasks)
    if wrong := [task for task in tasks if not isinstance(task, Task)]:
        raise PlugInError(
            f"{what} {shown(made)}, whose tasks contain {shown(wrong[0])}; expected"
            " instances of robomtl.Task."
        )
    return supplied


def option_kinds(name: str) -> dict[str, Any]:
    """The options of a suite's factory, with their annotations.

    The annotation is ``Any`` for an option without one. A suite object that is not callable
    has no options. A factory with ``**options`` passes them to the suite that the rest of the
    name names, such as that of ``shifted/friction=4/points/MT4``.

    Args:
        name: Full name of a suite.

    Raises:
        InputError: If there is no such suite.
        PlugInError: If the registered factory has no parameter.
    """
    first, _, variant = name.partition("/")
    family = SUITES.get(first)
    if not callable(family):
        return {}
    hidden = {_CONFIG} if _config_of(family) else {*()}
    own = {k: v for k, v in _kinds(name, family).items() if k not in hidden}
    return own | _passed_on(family, variant)


def _passed_on(family: Callable[..., Suite], variant: str) -> dict[str, Any]:
    """The options of the suite that a factory wraps, if it passes options on."""
    inner = variant.partition("/")[2]
    kinds = (each.kind for each in _parameters(family).values())
    passes_on = inspect.Parameter.VAR_KEYWORD in kinds
    known = inner.partition("/")[0] in SUITES.names()
    return option_kinds(inner) if passes_on and known else {}


def _kinds(name: str, family: Callable[..., Suite]) -> dict[str, Any]:
    parameters = [*_parameters(family).values()]
    if not parameters:
        raise PlugInError(
            f"The factory registered as suite '{name.partition('/')[0]}' has no parameter;"
            " expected a suite, or a function that makes a suite of a variant."
        )
    kinds = {
        each.name: Any if each.annotation is each.empty else each.annotation
        for each in parameters[1:]
        if each.kind is not each.VAR_KEYWORD
    }
    if config := _config_of(family):
        hints = get_type_hints(config)
        kinds |= {each: hints[each] for each in _settings(config)}
    return kinds


def _config_of(family: Callable[..., Suite]) -> Any:
    """The dataclass of a factory's parameter ``config``; None without one."""
    parameter = _parameters(family).get(_CONFIG)
    kinds = alternatives(parameter.annotation) if parameter else ()
    found = (it for it in kinds if isinstance(it, type) and is_dataclass(it))
    return next(found, None)


def _settings(config: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(config) if each.init)


def _configured(
    family: Callable[..., Suite], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments of a factory, with fields of its config put together."""
    config = _config_of(family)
    if config is None:
        return dict(options)
    own = {name: options[name] for name in _settings(config) if name in options}
    others = {name: value for name, value in options.items() if name not in own}
    if own:
        others[_CONFIG] = made_of(others.get(_CONFIG) or config, own)
    return others


def _parameters(family: Callable[..., Suite]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(family, eval_str=True).parameters
    except NameError:  # An annotation that exists for type checkers only.
        return inspect.signature(family).parameters


def _typed_options(
    name: str, family: Callable[..., Suite], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a suite, checked against its factory, as they may come from a file."""
    kinds = _kinds(name, family)
    taken = {each.kind for each in _parameters(family).values()}
    if inspect.Parameter.VAR_KEYWORD in taken:
        return dict(options)
    for option in options:
        if option not in kinds:
            raise InputError(f"Suite '{name}': {unknown('option', option, kinds)}")
    return {
        option: typed(option, value, kinds[option]) for option, value in options.items()
    }
