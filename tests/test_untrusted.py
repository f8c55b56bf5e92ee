import json
import os
from dataclasses import dataclass

import pytest

from robomtl.errors import InputError
from robomtl.files.durable import write_json
from robomtl.files.untrusted import LIMIT, read_json


@dataclass(frozen=True, kw_only=True)
class Inner:
    state: int
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Form:
    spec: Inner
    tasks: tuple[str, ...] = ()


def test_an_object_is_read_as_written(tmp_path):
    write_json(tmp_path / "config.json", {"task": "öffnen"})
    assert read_json(tmp_path / "config.json", dict[str, str]) == {"task": "öffnen"}


def test_fields_may_be_more_or_absent_where_they_have_a_default(tmp_path):
    path = tmp_path / "card.json"
    write_json(path, {"spec": {"state": 3, "scale": 2, "colour": []}, "x": None})
    assert read_json(path, Form) == Form(spec=Inner(state=3, scale=2.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"spec": ', "damaged or cut short: Input data was truncated"),
        ("\xff", "damaged or cut short"),
        ("[1]", r"damaged: \$: expected object, got array"),
        ('{"spec": {"state": "3"}}', r"\$\.spec\.state: expected int, got str"),
        ('{"spec": {"state": 3.0}}', r"\$\.spec\.state: expected int, got float"),
        ('{"spec": {"state": true}}', r"\$\.spec\.state: expected int, got bool"),
        ('{"spec": {"state": 1, "scale": NaN}}', "damaged or cut short"),
        ('{"spec": {"state": 1, "scale": 1e999}}', "Number out of range"),
        ('{"spec": {"state": 1}, "tasks": [1]}', r"\$\.tasks\[0\]: expected str"),
        ("{}", r"\$: object missing required field spec"),
        ('{"a": ' + "9" * 40 + "}", "has the number 9+, beyond 18446744073709551616"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("[" * 66 + "]" * 66, "nested deeper than 64 levels"),
        (" " * (LIMIT + 1), "at most 16,777,216 are read"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_file_and_field(tmp_path, text, message):
    (tmp_path / "card.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=f"card.json .*{message}"):
        read_json(tmp_path / "card.json", Form)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path):
        with pytest.raises(InputError, match="is not a regular file"):
            read_json(path, Form)
    with pytest.raises(InputError, match="none.json cannot be read: No such file"):
        read_json(tmp_path / "none.json", Form)
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / ("x" * 300), Form)


def test_a_mark_of_the_byte_order_is_skipped(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json", dict[str, int]) == {"a": 1}


def test_json_that_our_own_writer_wrote_is_read(tmp_path):
    values = {"seed": 2**64 - 1, "text": "\x1b\u2028😀", "small": 5e-324, "none": None}
    write_json(tmp_path / "a.json", values)
    assert read_json(tmp_path / "a.json", dict) == values
    assert json.loads((tmp_path / "a.json").read_text()) == values
