"""Simulators that run in interpreters of their own, with packages of their own."""
