"""Seeded mutations of files, as by disk errors, manual edits or attackers."""

import io
import json
import math
import struct
import zipfile
from pathlib import Path
from random import Random

import h5py
import msgspec
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
    """The content of a file, mutated.

    Args:
        content: What it holds.
        name: Its name, whose ending says of what kind it is.
        random: Draws the change.
    """
    known = {
        ".json": _json,
        ".jsonl": _lines,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
        ".npz": _npz,
        ".hdf5": _hdf5,
        ".arrow": _arrow,
        ".msgpack": _msgpack,
    }
    raw = random.random() < 0.25
    mutate = _bytes if raw else known.get(Path(name).suffix, _bytes)
    return mutate(content, random)


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
    """The paths of all nested values, the value's own path last."""
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    if isinstance(value, list):
        for place, each in enumerate(value[:20]):
            yield from _places(each, (*path, place))
    yield path


def _json(content: bytes, random: Random) -> bytes:
    value = json.loads(content)
    if random.randrange(8) == 0:
        holder, last = _place(value, random)
        holder[last] = "@@"
        return json.dumps(value).replace('"@@"', random.choice(_LITERALS)).encode()
    return json.dumps(_edited(value, random)).encode()


def _place(value, random: Random):
    """A nested dict or list, and one of its keys or indices."""
    *outer, last = random.choice([p for p in _places(value) if p])
    for each in outer:
        value = value[each]
    return value, last


def _edited(value, random: Random):
    """A plain value with a part removed, renamed, repeated or replaced, or another value."""
    holder, last = _place(value, random)
    kind = random.randrange(7)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(random.choice(_VALUES))] = holder.pop(last)
    elif kind == 2 and isinstance(holder, list):
        holder.append(holder[last])
    elif kind == 3:
        return random.choice(_VALUES)
    else:
        holder[last] = random.choice(_VALUES)
    return value


def _msgpack(content: bytes, random: Random) -> bytes:
    value = _edited(msgspec.msgpack.decode(content), random)
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:  # Of an integer that the format cannot hold.
        return _bytes(content, random)


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
    table = _with_other_columns(pq.read_table(pa.BufferReader(content)), random)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _arrow(content: bytes, random: Random) -> bytes:
    table = _with_other_columns(pa.ipc.open_file(content).read_all(), random)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _with_other_columns(table: pa.Table, random: Random) -> pa.Table:
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
    return table


def _hdf5(content: bytes, random: Random) -> bytes:
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        paths = list[str]()
        file.visit(paths.append)
        outer, _, name = random.choice(paths).rpartition("/")
        group = file[outer] if outer else file
        if random.random() < 0.3:
            _attribute(group[name], random)
        else:
            _member(group, name, random)
    return buffer.getvalue()


def _attribute(entry, random: Random) -> None:
    """Changes an attribute of an HDF5 entry, or of its group."""
    while not entry.attrs and entry.name != "/":
        entry = entry.parent
    name = random.choice([*entry.attrs, "num_samples"])
    before = entry.attrs.get(name)
    if isinstance(before, str) and before.startswith("{") and random.random() < 0.5:
        entry.attrs[name] = _json(before.encode(), random).decode()
    elif random.random() < 0.2:
        entry.attrs.pop(name, None)
    else:
        values = (-1, 2**63, math.nan, "", "x" * 9999, b"\x80\x04.", np.zeros(3), True)
        entry.attrs[name] = random.choice(values)


def _member(group, name: str, random: Random) -> None:
    """Removes or replaces an HDF5 entry."""
    before = group[name]
    rows = getattr(before, "shape", (3,))[:1] or (3,)
    if random.random() < 0.2:
        group.move(name, random.choice([f"{name}x", "demo_9", "episode_9", "\x1b[2J"]))
        return
    del group[name]
    others = (
        *(np.zeros(rows), np.full(rows, math.nan), np.zeros((*rows, 3), np.int64)),
        *(
            np.full((*rows, 2), 1e308),
            np.zeros((0, 3)),
            np.array(1.0),
            np.zeros((3, 0)),
        ),
        *(np.array([b"x"] * 3), np.zeros((*rows, 32, 48, 3), np.uint8)),
        *(
            h5py.SoftLink("/"),
            h5py.ExternalLink("/etc/passwd", "/"),
            np.array([1j] * 3),
        ),
    )
    match random.randrange(5):
        case 0:
            pass
        case 1:  # Declares more than any memory, and stores nothing.
            shape, chunks = (2**40, 3), (2**10, 3)
            group.create_dataset(name, shape, "f4", chunks=chunks, compression="gzip")
        case 2:
            layout = h5py.VirtualLayout(shape=(3, 3), dtype="f8")
            layout[:] = h5py.VirtualSource("/etc/passwd", "data", shape=(3, 3))
            group.create_virtual_dataset(name, layout)
        case _:
            group[name] = random.choice(others)


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
