"""Flags that several verbs share."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robomtl.registry import suite
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class SuiteFlags:
    """Options of a suite; those left out keep the suite's own defaults."""

    goals: Literal["observable", "hidden"] | None = None
    """Whether the state shows the goal, where the suite leaves the choice."""
    horizon: int | None = None
    """Steps after which an episode ends."""
    train_tasks: tuple[str, ...] | None = None
    """Tasks to train on, for metaworld/custom."""
    held_out_tasks: tuple[str, ...] | None = None
    """Tasks held out, for metaworld/custom."""

    def make(self, name: str, defaults: Mapping[str, Any] | None = None) -> Suite:
        """The suite of this name with the given options.

        Args:
            name: Full name of the suite.
            defaults: Options to use where no flag was given.

        Raises:
            ValueError: If the suite is unknown or does not take an option.
        """
        given = {
            field: getattr(self, field)
            for field in SuiteFlags.__dataclass_fields__
            if getattr(self, field) is not None
        }
        try:
            return suite(name, **{**(defaults or {}), **given})
        except TypeError as error:
            raise ValueError(f"Suite '{name}' does not take this: {error}.") from error


def dated(verb: str, name: str) -> Path:
    """A new folder under ``runs/`` for what a verb writes."""
    now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return Path("runs") / f"{now}_{verb}_{name.replace('/', '-')}"
