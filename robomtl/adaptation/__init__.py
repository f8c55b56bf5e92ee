"""Few-shot adaptation: one module a method, and their fair comparison."""

from robomtl.adaptation.adapting import Cost, adapt, adapt_by
from robomtl.adaptation.method import Adapted, Budget, Method
from robomtl.adaptation.support import Support, draw_support

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
