"""Durable writes, bounded reads, and locks for files and folders."""
