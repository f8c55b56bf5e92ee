"""Templates of the packages of ``robomtl new`` and the cards of ``robomtl push``."""
