"""Few-shot adaptation: the contract of a method, and the methods.

Names are loaded on first use.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.adaptation.adapting import adapt as adapt
    from robomtl.adaptation.adapting import adapt_by as adapt_by
    from robomtl.adaptation.method import Adapted as Adapted
    from robomtl.adaptation.method import Budget as Budget
    from robomtl.adaptation.method import Method as Method
    from robomtl.adaptation.support import Support as Support
    from robomtl.adaptation.support import draw_support as draw_support
    from robomtl.cost import Cost as Cost

_HOMES = {
    "Adapted": "robomtl.adaptation.method",
    "Budget": "robomtl.adaptation.method",
    "Cost": "robomtl.cost",
    "Method": "robomtl.adaptation.method",
    "Support": "robomtl.adaptation.support",
    "adapt": "robomtl.adaptation.adapting",
    "adapt_by": "robomtl.adaptation.adapting",
    "draw_support": "robomtl.adaptation.support",
}

__all__ = [
    "Adapted",
    "Budget",
    "Cost",
    "Method",
    "Support",
    "adapt",
    "adapt_by",
    "draw_support",
]


__getattr__ = loading(__name__, _HOMES)
