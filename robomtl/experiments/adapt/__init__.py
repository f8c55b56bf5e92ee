"""Methods of few-shot adaptation, compared on tasks that training never saw.

Names are loaded on first use.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.experiments.adapt.method_design import Asked as Asked
    from robomtl.experiments.adapt.method_experiment import Supports as Supports
    from robomtl.experiments.adapt.method_experiment import (
        compare_methods as compare_methods,
    )
    from robomtl.experiments.adapt.method_findings import Findings as Findings
    from robomtl.experiments.adapt.tuning import tune as tune

_HOMES = {
    "Asked": "robomtl.experiments.adapt.method_design",
    "Findings": "robomtl.experiments.adapt.method_findings",
    "Supports": "robomtl.experiments.adapt.method_experiment",
    "compare_methods": "robomtl.experiments.adapt.method_experiment",
    "tune": "robomtl.experiments.adapt.tuning",
}

__all__ = ["Asked", "Findings", "Supports", "compare_methods", "tune"]


__getattr__ = loading(__name__, _HOMES)
