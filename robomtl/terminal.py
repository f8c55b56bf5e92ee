"""Output to the terminal, without markup and with control characters escaped."""

import sys

from rich.console import Console, HighlighterType, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

_IN_ASCII = str.maketrans(
    {"–": "-", "−": "-", "·": ",", "…": "...", "×": "x", "≤": "<=", "≥": ">="}
)


def visible(text: str) -> str:
    """The text with control and formatting characters escaped, except line breaks.

    Unescaped, such characters in a hostile name could move the cursor or hide text.
    """
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else each.encode("unicode_escape").decode()
        for each in text
    )


class Terminal(Console):
    """A rich console that prints every string literally, in tables too.

    Args:
        stderr: Whether to write to standard error.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Re-raises the error for the command line, which then exits with success.

        Raises:
            BrokenPipeError: Always; rich itself would end the process.
        """
        raise  # Rich calls this method while it handles a BrokenPipeError.

    def render_str(  # The signature is the library's.
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        emoji: bool | None = None,
        markup: bool | None = None,
        highlight: bool | None = None,
        highlighter: HighlighterType | None = None,
    ) -> Text:
        """The escaped string as rich's text."""
        return super().render_str(
            visible(text),
            style=style,
            justify=justify,
            overflow=overflow,
            emoji=emoji,
            markup=markup,
            highlight=highlight,
            highlighter=highlighter,
        )


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Error handler for ``codecs`` that replaces characters which cannot be encoded.

    Dashes, minus signs and similar characters become ASCII equivalents; other characters
    become question marks.

    Args:
        error: Error with the text and the range of its characters.

    Returns:
        The replacement, and the index at which encoding continues.
    """
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end].translate(_IN_ASCII)
    return lost.encode("ascii", "replace").decode(), error.end


def say(text: str, *, stderr: bool = False) -> None:
    """Prints a line with control characters escaped, as it may contain names of plug-ins."""
    print(visible(text), file=sys.stderr if stderr else sys.stdout, flush=True)
