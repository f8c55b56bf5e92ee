"""Text on the terminal, as it is: no markup, and control characters are visible."""

import sys

from rich.console import Console, HighlighterType, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

from robomtl.names import visible


class Terminal(Console):
    """A console that shows every string as it is, also in tables.

    Args:
        stderr: Whether it writes to standard error.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)

    def render_str(  # noqa: PLR0913  The signature is the library's.
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


def say(text: str, *, stderr: bool = False) -> None:
    """Prints a line, which may have names that others chose."""
    print(visible(text), file=sys.stderr if stderr else sys.stdout, flush=True)
