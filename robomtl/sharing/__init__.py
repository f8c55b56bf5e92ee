"""Multi-task learning: tasks learned together against each alone, at equal budgets.

Names are loaded on first use.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.sharing.comparing import multitask as multitask
    from robomtl.sharing.findings import Findings as Findings
    from robomtl.sharing.planning import Asked as Asked

_HOMES = {
    "Asked": "robomtl.sharing.planning",
    "Findings": "robomtl.sharing.findings",
    "multitask": "robomtl.sharing.comparing",
}

__all__ = ["Asked", "Findings", "multitask"]


__getattr__ = loading(__name__, _HOMES)
