"""Checkpoints and data sets in repositories of the Hugging Face hub."""
