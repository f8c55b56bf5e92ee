"""Adaptation methods, one per module, each with the objective that trains for it."""
