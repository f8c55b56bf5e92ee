"""Neural network layers shared by policies."""
