"""Construction of Gymnasium envs from an id or a function, without default wrappers."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator
from gymnasium.spaces import Space
from gymnasium.wrappers import TimeLimit

from robomtl.errors import InputError, MissingExtraError
from robomtl.returned_values import kind_of

Maker = str | Callable[..., gymnasium.Env[Any, Any]]
MakeEnv = Maker | tuple[Maker, Mapping[str, Any]]
"""A Gymnasium id (``"Env-v0"`` or ``"module:Env-v0"``) or a function that makes an env; or a
pair of one of these and its keyword arguments."""


def parted(make: MakeEnv) -> tuple[Maker, dict[str, Any]]:
    """The id or function that makes an env, and its keyword arguments.

    Raises:
        InputError: If the value has another form.
    """
    pair: Any = make if isinstance(make, tuple) else (make, {})
    if len(pair) != 2 or not isinstance(pair[1], Mapping):
        raise InputError(
            f"An env is given as {make!r}; give an id, a function, or a pair of one of"
            " these and its keyword arguments, as in ('Env-v0', {'size': 3})."
        )
    maker, arguments = pair
    if not isinstance(maker, str) and not callable(maker):
        raise InputError(
            f"An env is given as {make!r}; give a Gymnasium id, or a function that makes"
            " an env."
        )
    return pair[0], dict(arguments)


def made(make: MakeEnv, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Makes an env from an id or a function.

    Args:
        make: Id or function, with its arguments.
        render_mode: Passed on if the env's constructor accepts it; None passes nothing.

    Raises:
        InputError: If the id is not registered in this process, or a function returns
            anything but an env with two spaces.
        MissingExtraError: If a package that the env needs is not installed.
    """
    maker, arguments = parted(make)
    if callable(maker):
        seen = render_mode is not None and "render_mode" in _parameters(maker)
        extra = {"render_mode": render_mode} if seen else {}
        return _checked(maker, maker(**arguments, **extra))
    build = partial(gymnasium.make, maker, disable_env_checker=True, **arguments)
    try:
        env = build()
        if render_mode is None or not _takes_render_mode(env):
            return env
        env.close()
        return build(render_mode=render_mode)
    except gymnasium.error.UnregisteredEnv as error:
        raise InputError(
            f"No Gymnasium env '{maker}' is registered in this process: {error} Workers"
            " know ids that are registered when their module is imported, outside the"
            " guard if __name__ == '__main__'; name the module in the id, as in"
            " 'my_module:MyEnv-v0'."
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"The env '{maker}' cannot be made: {error}") from error


def _checked(maker: Callable[..., Any], env: Any) -> gymnasium.Env[Any, Any]:
    """The env that a function returned, if it is one.

    Raises:
        InputError: If it is no env, or lacks a space.
    """
    if not isinstance(env, gymnasium.Env):
        given = f"the class {env.__name__}" if isinstance(env, type) else kind_of(env)
        raise InputError(
            f"{_name(maker)} returned {given}; expected an env, an instance of a class that"
            " inherits from gymnasium.Env."
        )
    for name in ("observation_space", "action_space"):
        space = getattr(env, name, None)
        if not isinstance(space, Space):
            raise InputError(
                f"The {name} of {type(env.unwrapped).__name__} is {kind_of(space)};"
                " expected a space of gymnasium.spaces, as an attribute of the env."
            )
    return env


def _name(maker: Callable[..., Any]) -> str:
    """The name of a function, for messages."""
    function = maker.func if isinstance(maker, partial) else maker
    return f"'{getattr(function, '__name__', type(function).__name__)}'"


def _takes_render_mode(env: gymnasium.Env[Any, Any]) -> bool:
    """Whether the entry point of an env's id accepts a render_mode."""
    entry: Any = env.spec.entry_point if env.spec else None
    make = load_env_creator(entry) if isinstance(entry, str) else entry
    if not callable(make):
        return False
    taken = _parameters(make)
    return "render_mode" in taken or any(
        each.kind is each.VAR_KEYWORD for each in taken.values()
    )


def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(make).parameters


def check_reset(task: str, env: gymnasium.Env[Any, Any]) -> None:
    """Refuses an env with the API of Gym before 0.26, whose resets take no seed.

    Raises:
        InputError: If ``reset`` does not accept a seed, or an option that wrappers pass.
    """
    taken = inspect.signature(env.unwrapped.reset).parameters
    # Wrappers pass both arguments on; an unwrapped env is reset with a seed only.
    needed = ("seed",) if env is env.unwrapped else ("seed", "options")
    lacking = [name for name in needed if name not in taken]
    if lacking and all(each.kind != each.VAR_KEYWORD for each in taken.values()):
        raise InputError(
            f"'{task}': reset() of {type(env.unwrapped).__name__} takes no"
            f" {' and no '.join(lacking)}, as in Gym before 0.26; write it as"
            " reset(self, *, seed=None, options=None), and begin with"
            " super().reset(seed=seed)."
        )


def give_time(env: gymnasium.Env[Any, Any], horizon: int) -> None:
    """Extends each TimeLimit that is shorter than the horizon."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            layer._max_episode_steps = max(layer._max_episode_steps, horizon)
        layer = layer.env
