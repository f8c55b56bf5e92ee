"""The page of a probe: self-contained, for any screen, without network."""

from robomtl.probing.findings import Findings


def page(found: Findings) -> str:
    """The page as HTML."""
    return found.verdict.sentence
