import io
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from robomtl.files.paths import as_word
from robomtl.names import file_name
from robomtl.terminal import Terminal, visible

HOSTILE = [
    "../escape",
    "..",
    ".",
    "",
    "a/b",
    "a_b/",
    "a b <i>&\"'",
    "x" * 300,
    "x" * 301,
    "nul\0",
    "\x1b[2J",
    "Öffne 🚪",
    ".hidden",
    "~",
    "a:b",
    "\udcff",
]


def test_the_names_of_simple_tasks_are_kept_as_files():
    for name in ("drawer-open-v3", "reach_red", "MT10", "v1.2", "x" * 100):
        assert file_name(name) == name


def test_a_path_in_a_printed_command_is_never_read_as_a_flag():
    written = {"-x": "./-x", "my runs/a": "'my runs/a'", "/-x": "/-x"}
    assert {path: as_word(Path(path)) for path in written} == written


def test_any_name_is_a_file_of_its_own_inside_its_folder(tmp_path):
    names = [*HOSTILE, "a-b", "a_b", *map(file_name, HOSTILE)]
    for name in names:
        (tmp_path / file_name(name)).mkdir()  # Fails where two are the same.
    found = [path for path in tmp_path.rglob("*") if path.parent == tmp_path]
    assert len(found) == len(names) == len({*names})
    assert all(len(path.name) <= 100 and path.name[0] != "." for path in found)


def test_control_and_formatting_characters_are_visible():
    assert visible("a\x1b[31m\u202eb\rc\nd é") == "a\\x1b[31m\\u202eb\\rc\nd é"


@pytest.mark.parametrize(
    "name", ["[/bold]", "[red]x", ":smile:", "\x1b]0;t\x07", "a\\"]
)
def test_names_are_shown_as_they_are_in_tables_and_lines(monkeypatch, name):
    terminal = Terminal()
    written = io.StringIO()
    monkeypatch.setattr(terminal, "file", written)
    table = Table(name, title=name, caption=name)
    table.add_row(name)
    table.add_row(Text("3", "red"))
    terminal.print(table)
    terminal.print(name)
    assert written.getvalue().count(visible(name)) == 5
    assert "\x1b" not in written.getvalue()
