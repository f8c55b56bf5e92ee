"""``robomtl simulators``: environments in which simulators run apart from robomtl."""

from collections.abc import Sequence

import tyro
from rich.table import Table

from robomtl.errors import InputError, PlugInError
from robomtl.simulators.environment import ENVIRONMENTS, Environment
from robomtl.simulators.installing import install, remove, size
from robomtl.terminal import Terminal, say


def _list() -> None:
    """Shows the environments that are known, and which are installed."""
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
    except (InputError, PlugInError) as error:  # One that is broken hides no other.
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
    """Installs an environment, anew if it is there already.

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
    say(f"'{name}' is not installed any more.")


def main(arguments: Sequence[str]) -> None:
    """Does what the arguments say; lists the environments without any."""
    tyro.extras.subcommand_cli_from_dict(
        {"list": _list, "install": _install, "remove": _remove},
        prog="robomtl simulators",
        description="Environments in which simulators run apart from robomtl.",
        args=arguments or ["list"],
    )
