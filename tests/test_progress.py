import re
import time

import pytest

from robomtl import progress as module
from robomtl.execution.executor import LocalExecutor
from robomtl.progress import item_progress, progress, quiet


def work(units=2):
    with progress("Working", units) as advance:
        advance()
        advance(units - 1, note="done")


def test_where_there_is_no_terminal_a_line_is_printed_at_the_end(capsys):
    work()
    assert "Working: 2/2, 0 s, 0 s left. done" in capsys.readouterr().err


def test_what_is_part_of_something_larger_keeps_quiet(capsys):
    with quiet():
        work()
    assert capsys.readouterr().err == ""
    work()
    assert capsys.readouterr().err


def test_a_line_is_printed_while_nothing_is_done(capsys, monkeypatch):
    monkeypatch.setattr(module, "_LINE_EVERY", 0.0)
    said = ""
    with progress("Waiting", 3):
        for _ in range(200):  # A busy machine may take longer than half a second.
            if "Waiting: 0/3, " in (said := said + capsys.readouterr().err):
                break
            time.sleep(0.05)
    assert re.search(r"Waiting: 0/3, \d+ s\.", said)


def slowly(item):
    with quiet(), progress("Part", 4) as advance:
        for _ in range(3):
            advance(note="never shown")
        time.sleep(3)  # The parent looks once a second, later on a busy machine.
    return item


@pytest.mark.slow
def test_what_a_worker_has_done_of_an_item_moves_the_line(capsys, monkeypatch):
    monkeypatch.setattr(module, "_LINE_EVERY", 0.0)
    with item_progress("Items", [1000], done=200) as reach:
        for index, _ in LocalExecutor(workers=1).map(slowly, ["one"]):
            reach(index, 1.0, note="one")
    shown = capsys.readouterr().err
    assert "Items: 875/1200" in shown  # 0.9 of 3/4, and what was done before.
    assert shown.splitlines()[-1].endswith("left. one")
    assert "Items: 1200/1200" in shown.splitlines()[-1]


@pytest.mark.parametrize("terminal", [True, False])
def test_no_more_is_shown_as_done_than_there_is(terminal, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with progress("Training", 3, done=5) as advance:
        advance(2)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "5/3" not in shown and "7/3" not in shown
