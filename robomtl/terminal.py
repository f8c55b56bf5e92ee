"""Output to the terminal: without markup, and with control characters made visible."""

import sys

from rich.console import Console, HighlighterType, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

_IN_ASCII = str.maketrans(
    {"–": "-", "−": "-", "·": ",", "…": "...", "×": "x", "≤": "<=", "≥": ">="}
)


def visible(text: str) -> str:
    """The text with control and formatting characters escaped, except line breaks.

    A terminal would obey those in a hostile name: move its cursor, or reverse the text.
    """
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else each.encode("unicode_escape").decode()
        for each in text
    )


class Terminal(Console):
    """A console that shows every string as it is, also in tables.

    Args:
        stderr: Whether it writes to standard error.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leaves it to the command, which ends as if all had been read.

        Raises:
            BrokenPipeError: Always; the library would end the process.
        """
        raise  # The library calls this where it handles one.

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
        """The string as text that the library draws."""
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
    """What is shown for characters that cannot be encoded, and where they end.

    Dashes, minus signs and the like keep their meaning; others become question marks.

    Args:
        error: Says which characters, as ``codecs.register_error`` has it.
    """
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end].translate(_IN_ASCII)
    return lost.encode("ascii", "replace").decode(), error.end


def say(text: str, *, stderr: bool = False) -> None:
    """Prints a line, which may have names that others chose."""
    print(visible(text), file=sys.stderr if stderr else sys.stdout, flush=True)
