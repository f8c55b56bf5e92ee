import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from robomtl.errors import DiskFullError, InputError
from robomtl.files.durable import (
    append_line,
    read_lines,
    replacing,
    room,
    write_json,
    write_text,
    writing_into,
)


def test_a_file_appears_whole_with_its_folder(tmp_path):
    path = tmp_path / "run" / "config.json"
    write_json(path, {"seed": 1})
    assert json.loads(path.read_text()) == {"seed": 1}
    assert os.listdir(path.parent) == ["config.json"]


def test_a_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "report.html", "größer\n")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "größer\n"


def test_the_old_file_stands_until_the_block_has_succeeded(tmp_path):
    path = tmp_path / "weights"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_after_an_error_the_old_file_stands_and_nothing_else(tmp_path):
    path = tmp_path / "weights"
    write_text(path, "old")
    with pytest.raises(KeyError, match="half"), replacing(path) as temporary:
        temporary.write_text("ne")
        raise KeyError("half")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights"]


def test_a_value_that_is_not_json_leaves_no_file(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "config.json", {"seed": object()})
    assert os.listdir(tmp_path) == []


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights"
    write_text(path, "old")
    code = (
        "import os, signal, sys, pathlib\n"
        "from robomtl.files.durable import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('ne')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, path])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_file_has_the_access_rights_of_the_umask_whoever_writes_it(tmp_path):
    path = tmp_path / "weights"
    with replacing(path) as temporary:
        temporary.write_text("new")
        temporary.chmod(0o600)
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.fixture
def full_disk():
    """No file may grow beyond 4 kB, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("write", [write_text, append_line])
def test_a_full_disk_is_told_and_leaves_what_was_finished(tmp_path, full_disk, write):
    path = tmp_path / "trials.jsonl"
    append_line(path, "one")
    message = f"The disk of {tmp_path} is full .*Finished work is kept; free some space"
    with pytest.raises(DiskFullError, match=message):
        write(path, "x" * 8000)
    assert os.listdir(tmp_path) == ["trials.jsonl"]
    assert read_lines(path) == ["one"]


def fill(disk):
    """Writes until the disk is full."""
    with (
        pytest.raises(OSError, match="No space left"),
        (disk / "other").open("wb") as it,
    ):
        while True:
            it.write(bytes(2**12))
            it.flush()


def test_room_is_held_for_what_is_written_later(small_disk):
    with room(small_disk / "run", 2**16) as release:
        fill(small_disk)
        release()
        write_text(small_disk / "run" / "weights", "x" * 2**15)
    assert os.listdir(small_disk / "run") == ["weights"]
    with pytest.raises(DiskFullError), room(small_disk / "run", 2**16):
        pass
    assert os.listdir(small_disk / "run") == ["weights"]


@pytest.mark.parametrize("write", [write_text, append_line])
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch, write):
    def refuse(path, *arguments, **settings):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    message = (
        rf"Nothing can be written into {tmp_path} \(Permission denied\); change its"
        r" permissions, or give another folder \(--out\)\."
    )
    with pytest.raises(InputError, match=message):
        write(tmp_path / "trials.jsonl", "one")


def test_a_file_elsewhere_that_may_not_be_read_is_not_blamed_on_the_folder(tmp_path):
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/elsewhere")
    with pytest.raises(PermissionError), writing_into(tmp_path):
        raise refusal


def test_lines_are_read_as_appended(tmp_path):
    path = tmp_path / "run" / "trials.jsonl"
    for line in ("one", "two", "drei ü"):
        append_line(path, line)
    assert read_lines(path) == ["one", "two", "drei ü"]


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
    assert read_lines(tmp_path / "trials.jsonl") == []


def test_a_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_text("one\ntw")
    assert read_lines(path) == ["one"]


def test_a_line_appended_after_one_cut_short_stands_alone(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_text("one\ntw")
    append_line(path, "three")
    assert read_lines(path) == ["one", "three"]


def test_a_letter_cut_in_the_middle_is_left_out(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_bytes("one\nü".encode()[:-1])
    assert read_lines(path) == ["one"]
    append_line(path, "three")
    assert read_lines(path) == ["one", "three"]


def test_lines_that_are_no_text_are_refused_with_their_file(tmp_path):
    path = tmp_path / "trials.jsonl"
    path.write_bytes(b"one\n\xff\n")
    with pytest.raises(ValueError, match="trials.jsonl is damaged: 'utf-8' codec"):
        read_lines(path)
