"""Alias of ``robomtl.adaptation.active_learning`` under its earlier name."""

from robomtl.adaptation.active_learning import active_support as active_support
from robomtl.adaptation.active_learning import most_uncertain as most_uncertain
