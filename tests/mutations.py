"""Seeded mutations of files: what a broken disk, an editor or an enemy makes of them."""

import io
import json
import math
import struct
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_VALUES = (
    *(None, True, False, -1, 0, 1, 1.5, 10**6, 10**12, 2**63, 2**70, 1e308, 1e-320),
    *("", "0", "1", "nan", "../../escape", "/etc/passwd", "\x1b[2J[/bold]", "é\u202e"),
    *("{0}", "x" * 10_000, [], {}, [[]], [1] * 1000, {"a": {"a": {}}}),
)
_LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 400,
    '"\\ud800"',
    "[" * 9000,
)


def mutated(content: bytes, name: str, random: Random) -> bytes:
    """The content of a file, changed.

    Args:
        content: What it holds.
        name: Its name, whose ending says of what kind it is.
        random: Draws the change.
    """
    if random.random() < 0.25:
        return _bytes(content, random)
    if name.endswith(".json"):
        return _json(content, random)
    if name.endswith(".jsonl"):
        return _lines(content, random)
    if name.endswith(".safetensors"):
        return _safetensors(content, random)
    if name.endswith(".parquet"):
        return _parquet(content, random)
    if name.endswith(".npz"):
        return _npz(content, random)
    return _bytes(content, random)


def _bytes(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    match random.randrange(7):
        case 0:
            return content[:place]
        case 1:
            return content[place:]
        case 2:
            return b""
        case 3:
            return random.randbytes(random.randrange(2000))
        case 4:
            return content + random.randbytes(8)
        case 5:
            return b"\xef\xbb\xbf" + content
    changed = bytearray(content)
    for _ in range(random.randrange(1, 6)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _places(value, path=()):
    """The paths of all values in a value, its own last."""
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    if isinstance(value, list):
        for place, each in enumerate(value[:20]):
            yield from _places(each, (*path, place))
    yield path


def _json(content: bytes, random: Random) -> bytes:
    value = json.loads(content)
    *outer, last = random.choice([p for p in _places(value) if p])
    holder = value
    for each in outer:
        holder = holder[each]
    kind = random.randrange(8)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(random.choice(_VALUES))] = holder.pop(last)
    elif kind == 2 and isinstance(holder, list):
        holder.append(holder[last])
    elif kind == 3:
        holder[last] = "@@"
        return json.dumps(value).replace('"@@"', random.choice(_LITERALS)).encode()
    elif kind == 4:
        return json.dumps(random.choice(_VALUES)).encode()
    else:
        holder[last] = random.choice(_VALUES)
    return json.dumps(value).encode()


def _lines(content: bytes, random: Random) -> bytes:
    lines = content.splitlines()
    place = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[place]
        case 1:
            lines.insert(random.randrange(len(lines)), lines[place])
        case 2:
            lines[place] = _bytes(lines[place], random)
        case _:
            lines[place] = _json(lines[place], random)
    return b"\n".join(lines) + b"\n"


def _safetensors(content: bytes, random: Random) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], content[8 + length :]
    match random.randrange(5):
        case 0:
            junk = random.choice([math.nan, math.inf, -math.inf, 1e38])
            place = random.randrange(max(len(data) // 4, 1)) * 4
            data = data[:place] + struct.pack("<f", junk) + data[place + 4 :]
        case 1:
            data = data[: random.randrange(len(data) + 1)]
        case 2:
            kinds = [b"F32", b"F64", b"I64", b"BF16", b"F8_E4M3", b"BOOL", b"U64"]
            header = header.replace(b"F32", random.choice(kinds), 1)
        case _:
            header = _json(header, random)
    return len(header).to_bytes(8, "little") + header + data


def _parquet(content: bytes, random: Random) -> bytes:
    table = pq.read_table(pa.BufferReader(content))
    name = random.choice(table.column_names)
    place, rows = table.column_names.index(name), table.num_rows
    kind = random.randrange(8)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.append_column(name, table[name])
    elif kind == 2:
        names = [f"{each}x" if each == name else each for each in table.column_names]
        table = table.rename_columns(names)
    elif kind == 3:
        table = table.slice(0, random.randrange(rows))
    elif kind == 4:
        table = pa.concat_tables([table, table])
    elif kind == 5:
        table = table.set_column(place, name, pa.nulls(rows, table.schema.types[place]))
    else:
        columns = (
            pa.array([random.choice([-1, 0, 1, 2**40, -(2**63)])] * rows, pa.int64()),
            pa.array([random.choice([math.nan, math.inf, 0.5, -1.0])] * rows),
            pa.array([random.choice(["", "\x1b[2J", "../x", "y" * 9999])] * rows),
            pa.array([random.random() < 0.5 for _ in range(rows)]),
            pa.array([[1.0] * random.randrange(4) for _ in range(rows)]),
            pa.array([None if random.random() < 0.5 else 1 for _ in range(rows)]),
        )
        column = random.choice(columns)
        if random.random() < 0.5:
            try:
                column = column.cast(table.schema.types[place])
            except pa.ArrowException:
                pass
        table = table.set_column(place, name, column)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _npz(content: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(list(members))
    array = np.load(io.BytesIO(members[name]), allow_pickle=False)
    changed = (
        *(array[..., None], array.ravel()[:1], np.array(2**62), np.array("x")),
        *(np.zeros((3, 0)), array.astype("S20"), np.array(["x", None])),
    )
    match random.randrange(5):
        case 0:
            del members[name]
        case 1:
            members[random.choice(["x.npy", "other.x.npy", "../x"])] = members[name]
        case 2:  # A header of the same length that declares another size.
            members[name] = members[name].replace(b"'shape': (", b"'shape': (9", 1)
        case 3:
            members[name] = _bytes(members[name], random)
        case _:
            sink = io.BytesIO()
            np.save(sink, random.choice(changed))
            members[name] = sink.getvalue()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for each, stored in members.items():
            archive.writestr(each, stored)
    return made.getvalue()


def write(path: Path, random: Random) -> None:
    """Mutates a file in place."""
    path.write_bytes(mutated(path.read_bytes(), path.name, random))
