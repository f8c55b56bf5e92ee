"""What the HTML pages of evaluations and comparisons have in common."""
