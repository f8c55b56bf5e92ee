"""Proves that a suite keeps its contract; ``robomtl.check_suite`` is the door."""
