"""What a folder was asked to hold, so that asking again resumes and never overwrites."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robomtl.durable import write_json


def plain(value: Any) -> Any:
    """The value as JSON can hold it: dataclasses as dicts, infinities as words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def claim(path: Path, request: Mapping[str, Any]) -> None:
    """Writes down a request, or checks that it is the one written down before.

    Args:
        path: JSON file of the request.
        request: What the folder is to hold.

    Raises:
        ValueError: If another request was made there; the message lists the fields.
    """
    asked = plain(request)
    if not path.exists():
        write_json(path, asked)
        return
    differing = list(differences(json.loads(path.read_text()), asked))
    if differing:
        raise ValueError(
            f"{path.parent} holds another run; nothing was changed. Differing: "
            f"{'; '.join(differing)}. Give another --out, or the same settings to resume."
        )


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Sentences on the fields in which two plain values differ."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(key for key in here if key not in there)]:
            inner = f"{name}.{key}" if name else key
            yield from differences(there.get(key), here.get(key), inner)
    elif there != here:
        yield f"{name} is {there!r} there and {here!r} here"
