"""Shifts: named differences of a given magnitude between a suite in training and in use."""
