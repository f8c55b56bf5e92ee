"""Processes that compute: how many, where, and with what device, precision and threads."""
