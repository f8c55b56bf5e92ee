"""Texts of packages that ``robomtl new`` writes, and of cards that ``robomtl push`` writes."""
