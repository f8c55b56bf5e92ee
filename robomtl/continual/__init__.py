"""Continual learning: tasks arrive one by one, and a policy is to keep the earlier ones."""
