"""Names that others chose, as file names and as text on a terminal."""

import hashlib
import re

_SIMPLE = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,99}")
_UNUSUAL = re.compile(r"[^A-Za-z0-9_+.-]")
_KEPT, _DIGITS = 60, 16  # Of a name that is changed, and of its hash.


def file_name(name: str) -> str:
    """The name of a file or folder for any text: one component, another for each text.

    Simple names, such as those of Meta-World's tasks, are kept. In others, unusual
    characters become ``_``, and a hash follows after ``@``, which simple names lack.

    Args:
        name: Such as that of a task.
    """
    if _SIMPLE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    start = _UNUSUAL.sub("_", name)[:_KEPT].replace(".", "_")
    return f"{start}@{digest[:_DIGITS]}"


def visible(text: str) -> str:
    """The text with control and formatting characters escaped, but for line breaks.

    A terminal would obey those of a hostile name: they move its cursor or reverse text.
    """
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else each.encode("unicode_escape").decode()
        for each in text
    )
