"""Files that are written whole, read with bounds, and claimed by one process at a time."""
