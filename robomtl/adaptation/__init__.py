"""Few-shot adaptation: one module a method, and their fair comparison.

Names are loaded on first use: a method needs little of what a comparison needs.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.adaptation.adapting import adapt as adapt
    from robomtl.adaptation.adapting import adapt_by as adapt_by
    from robomtl.adaptation.comparing import compare_methods as compare_methods
    from robomtl.adaptation.findings import Findings as Findings
    from robomtl.adaptation.method import Adapted as Adapted
    from robomtl.adaptation.method import Budget as Budget
    from robomtl.adaptation.method import Method as Method
    from robomtl.adaptation.planning import Asked as Asked
    from robomtl.adaptation.support import Support as Support
    from robomtl.adaptation.support import draw_support as draw_support
    from robomtl.experiments.cost import Cost as Cost

_HOMES = {
    "Adapted": "robomtl.adaptation.method",
    "Asked": "robomtl.adaptation.planning",
    "Budget": "robomtl.adaptation.method",
    "Cost": "robomtl.experiments.cost",
    "Findings": "robomtl.adaptation.findings",
    "Method": "robomtl.adaptation.method",
    "Support": "robomtl.adaptation.support",
    "adapt": "robomtl.adaptation.adapting",
    "adapt_by": "robomtl.adaptation.adapting",
    "compare_methods": "robomtl.adaptation.comparing",
    "draw_support": "robomtl.adaptation.support",
}

__all__ = [
    "Adapted",
    "Asked",
    "Budget",
    "Cost",
    "Findings",
    "Method",
    "Support",
    "adapt",
    "adapt_by",
    "compare_methods",
    "draw_support",
]


__getattr__ = loading(__name__, _HOMES)
