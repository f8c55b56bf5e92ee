"""Renders reports as self-contained pages, which load nothing and run one known script."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from robomtl.evaluation import formatting

_PACKAGE = "robomtl.pages"
_FILTERS = (
    formatting.change,
    formatting.counted,
    formatting.p_value,
    formatting.percent,
    formatting.points,
    formatting.span,
    formatting.rounded,
)


def report_page(report: object) -> str:
    """The report of an experiment as an HTML page.

    Args:
        report: A ``Report`` of ``robomtl.experiments.report``.
    """
    script = _read("page.js")
    return _template().render(
        style=_read("page.css"),
        script=script,
        script_hash=_hash(script),
        report=report,
    )


@cache
def _template() -> Template:
    """The template of a page, compiled once, since that takes longer than rendering."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Imported here, since they load matplotlib, which takes half a second.
    from robomtl.pages.line_chart import line_chart
    from robomtl.pages.step_chart import share_chart

    filters = (*_FILTERS, line_chart, share_chart)
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment.get_template("report.html")


def _read(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """Hash of a script, by which the page's Content-Security-Policy allows only that."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
