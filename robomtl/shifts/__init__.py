"""Shifts of a suite: what changes between training and use, each by a named magnitude."""
