"""``robomtl simulators``: lists, installs and removes the environments of simulators."""

from collections.abc import Sequence

import tyro
from rich.table import Table

from robomtl.errors import InputError, PlugInError
from robomtl.simulators.environment import ENVIRONMENTS, Environment
from robomtl.simulators.installing import install, remove, size
from robomtl.terminal import Terminal, say


def _list() -> None:
    """Lists all environments, and whether they are installed."""
    table = Table(box=None)
    for heading in ("environment", "Python", "requirements", "installed"):
        table.add_column(heading)
    for name in ENVIRONMENTS.names():
        table.add_row(name, *_described(name))
    Terminal().print(table)


def _described(name: str) -> tuple[str, str, str]:
    try:
        environment = ENVIRONMENTS.get(name)
        state = _state(environment)
    except (InputError, PlugInError) as error:  # A broken one must not hide the others.
        return "", str(error), ""
    return environment.python, ", ".join(environment.requirements), state


def _state(environment: Environment) -> str:
    record = environment.record
    if record is None:
        return "no"
    if not record.fits(environment):
        return "with other requirements"
    return f"{size(environment) / 2**20:.0f} MiB in {environment.folder}"


def _install(name: tyro.conf.Positional[str]) -> None:
    """Installs an environment; an existing one is installed anew.

    Args:
        name: Name of the environment.
    """
    environment = ENVIRONMENTS.get(name)
    say(f"Installing '{name}' into {environment.folder}", stderr=True)
    record = install(environment)
    say(f"Installed {len(record.packages)} packages for Python {record.python}.")


def _remove(name: tyro.conf.Positional[str]) -> None:
    """Removes an environment.

    Args:
        name: Name of the environment.
    """
    remove(ENVIRONMENTS.get(name))
    say(f"Removed '{name}'.")


def main(arguments: Sequence[str]) -> None:
    """Runs the command that the arguments name; ``list`` without arguments."""
    tyro.extras.subcommand_cli_from_dict(
        {"list": _list, "install": _install, "remove": _remove},
        prog="robomtl simulators",
        description="Python environments of simulators that need other packages.",
        args=arguments or ["list"],
    )
