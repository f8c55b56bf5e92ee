"""Improvement of policies beyond their demonstrator in rounds of rollouts."""
