"""Texts of the packages that ``robomtl new`` writes."""
