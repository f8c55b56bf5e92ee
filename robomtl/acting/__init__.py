"""Policies that act, in trials of an evaluation and for the clients of a server."""
