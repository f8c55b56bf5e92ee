"""Multi-task learning: tasks learned together against each alone, at equal budgets.

Names are loaded on first use.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.experiments.multitask.arm_design import Asked as Asked
    from robomtl.experiments.multitask.arm_experiment import multitask as multitask
    from robomtl.experiments.multitask.arm_findings import Findings as Findings

_HOMES = {
    "Asked": "robomtl.experiments.multitask.arm_design",
    "Findings": "robomtl.experiments.multitask.arm_findings",
    "multitask": "robomtl.experiments.multitask.arm_experiment",
}

__all__ = ["Asked", "Findings", "multitask"]


__getattr__ = loading(__name__, _HOMES)
