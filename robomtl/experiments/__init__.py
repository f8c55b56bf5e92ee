"""The framework of experiments: cells, the loop, statistics, tables and charts."""
