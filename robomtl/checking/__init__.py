"""Conformance checks of suites and policies; see ``robomtl.check_suite``."""
