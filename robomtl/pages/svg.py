"""Converts figures of matplotlib to SVG in the colours and font of a page."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

INK, SOFT, RULE, EDGE = "#1d2024", "#676d75", "#e4e4df", "#a3a8a9"
BAR, WARN, CARD = "#2f8f83", "#b3541e", "#ffffff"
SERIES = ("#5d646c", "#1f8377", "#7b4fb5", "#c05a12", "#2767b8", "#b62f6d", "#72740c")

# Variables of the page's style sheet, which gives them other colours in dark mode.
_VARIABLES = {
    **{INK: "ink", SOFT: "soft", RULE: "line", EDGE: "edge"},
    **{BAR: "bar", WARN: "warn", CARD: "card"},
    **{colour: f"s{number}" for number, colour in enumerate(SERIES)},
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # Keeps text as text, for search and screen readers.
    "path.simplify": True,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid.axis": "y",
    "axes.grid": True,
    "grid.color": RULE,
    "xtick.color": EDGE,
    "ytick.color": EDGE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
}


class Named(NamedTuple):
    """Line name and tooltips of an artist, which is identified by its gid."""

    line: str = ""
    """Name of the artist's line, which the legend highlights; empty for none."""
    texts: Sequence[str] = ()
    """Tooltips of the artist's marks, or of its paths if it has no marks."""


def canvas(
    width: float, height: float, *, left: float = 28, bottom: float = 18
) -> tuple[Figure, Axes]:
    """A new figure with one pair of axes.

    Args:
        width: Width in units of the picture; text is 9 or 10 units high.
        height: Height in the same units.
        left: Width of the margin for the labels of the vertical axis.
        bottom: Height of the margin for the labels of the horizontal axis.
    """
    figure = Figure(figsize=(width / 72, height / 72))
    return figure, axes_in(figure, left, 8, width - left - 6, height - bottom - 8)


def axes_in(
    figure: Figure, left: float, top: float, width: float, height: float
) -> Axes:
    """New axes in a figure; all lengths in units of the picture, from its upper left."""
    whole, high = 72 * figure.get_size_inches()
    with mpl.rc_context(_STYLE):
        return figure.add_axes(
            (left / whole, 1 - (top + height) / high, width / whole, height / high)
        )


def markup(
    figure: Figure, *, summary: str, named: Mapping[str, Named] | None = None
) -> Markup:
    """The figure as an SVG element for a page.

    Args:
        figure: Figure drawn with the colours of this module.
        summary: Text alternative of the figure.
        named: Line names and tooltips by the gid of an artist.
    """
    return Markup(ElementTree.tostring(_element(figure, summary, named), "unicode"))


def document(figure: Figure, *, summary: str) -> str:
    """The figure as an SVG file."""
    root = _element(figure, summary, None)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("font-family", "system-ui, sans-serif")
    root.insert(0, ElementTree.Element("rect", width="100%", height="100%", fill=CARD))
    return ElementTree.tostring(root, "unicode") + "\n"


def _element(
    figure: Figure, summary: str, named: Mapping[str, Named] | None
) -> ElementTree.Element:
    written = io.StringIO()
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # Names of tasks may contain $.
    # The salt makes the identifiers of several figures on a page differ.
    style = {**_STYLE, "svg.hashsalt": summary}
    with mpl.rc_context(style), warnings.catch_warnings():
        # The font of the page draws the text, which may have any characters.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(_short(written.getvalue()))
    for element in root.iter():
        element.tag = _local(element.tag)
        for key in [*element.attrib]:
            element.attrib[_local(key)] = element.attrib.pop(key)
        element.attrib.pop("clip-path", None)  # Everything is drawn within its axes.
    drawn = root.find("g")
    assert drawn is not None
    for group in drawn.iter("g"):
        known = (named or {}).get(group.attrib.pop("id", ""))
        if known is not None:
            _name(group, known)
    widest = (
        1.6 * 72 * figure.get_size_inches()[0]
    )  # Text would be too large beyond it.
    seen = {
        "viewBox": root.attrib["viewBox"],
        "style": f"max-width: {widest:.0f}px",
        "role": "img",
        "aria-label": summary,
    }
    kept = ElementTree.Element("svg", seen)
    kept.append(drawn)
    return kept


def _name(group: ElementTree.Element, known: Named) -> None:
    if known.line:
        group.set("data-line", known.line)
    marks = [*group.iter("use")] or [*group.iter("path")]
    if known.texts:
        for mark, text in zip(marks, known.texts, strict=True):
            title = ElementTree.Element("title")
            title.text = text
            mark.insert(0, title)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _short(svg: str) -> str:
    """The SVG with colours as variables, in the page's font, without needless bytes."""
    svg = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", svg)
    svg = re.sub(
        r" font-family: [^;\"]*;|transform=\"rotate\(-?0 [^\"]*\"|>\s+(?=<)", _bare, svg
    )
    return re.sub(
        "|".join(_VARIABLES),
        lambda colour: f"var(--{_VARIABLES[colour[0]]}, {colour[0]})",
        svg,
    )


def _bare(found: re.Match[str]) -> str:
    return ">" if found[0].startswith(">") else ""
