"""Shared parts of the HTML pages: templates, style sheet, script, charts and tables."""
