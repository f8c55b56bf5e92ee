"""Continual learning: methods that learn tasks one by one and retain the earlier ones."""
