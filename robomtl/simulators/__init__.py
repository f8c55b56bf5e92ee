"""Simulators that run in separate interpreters with separate packages."""
