"""What experiments have in common: cells, their running, statistics, tables, charts."""
