"""Policies that act, in trials and for the clients of a server."""
