import errno
import os
import signal
import subprocess
import sys

import pytest

from robomtl.errors import InputError
from robomtl.files.durable import append_line, write_json
from robomtl.files.lock import LOCK, locked

HOLD = """
import pathlib, sys, time
from robomtl.files.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder):
    """Another process that holds a folder."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_is_made_and_left_without_a_trace(tmp_path):
    with locked(tmp_path / "runs" / "a"):
        assert os.listdir(tmp_path / "runs" / "a") == [LOCK]
    assert os.listdir(tmp_path) == []
    with locked(tmp_path / "runs" / "a"):
        (tmp_path / "runs" / "a" / "results.json").touch()
    assert os.listdir(tmp_path / "runs" / "a") == ["results.json"]


def test_a_folder_that_another_process_holds_is_refused_until_that_is_killed(tmp_path):
    process = hold(tmp_path)
    message = (
        f"Another process is writing into {tmp_path}; wait for it, or give another"
    )
    with pytest.raises(ValueError, match=message), locked(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with locked(tmp_path):
        pass


def test_a_refused_process_leaves_the_lock_to_its_holder(tmp_path):
    with locked(tmp_path):
        for _ in range(2):
            with pytest.raises(ValueError, match="Another process"), locked(tmp_path):
                pass


def test_a_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError, match="half"), locked(tmp_path):
        raise KeyError("half")
    with locked(tmp_path):
        pass


def test_a_folder_that_is_removed_while_held_is_no_error(tmp_path):
    folder = tmp_path / "staging"
    with locked(folder):
        (folder / LOCK).unlink()
        folder.rmdir()
    assert not folder.exists()


def test_what_killed_processes_left_half_written_is_removed(tmp_path):
    (tmp_path / ".training.safetensors.123.partial").write_text("half")
    with locked(tmp_path):
        assert os.listdir(tmp_path) == [LOCK]


@pytest.mark.parametrize("strange", ["link", "pipe", "folder"])
def test_a_lock_that_is_no_plain_file_is_refused_and_left_as_it_is(tmp_path, strange):
    folder, target = tmp_path / "run", tmp_path / "target"
    folder.mkdir()
    target.write_text("precious")
    make = {"link": lambda path: path.symlink_to(target), "pipe": os.mkfifo}
    make.get(strange, os.mkdir)(folder / LOCK)
    with (
        pytest.raises(ValueError, match=r"\.lock is not a regular file"),
        locked(folder),
    ):
        pass
    assert target.read_text() == "precious"
    assert os.listdir(folder) == [LOCK]


@pytest.mark.parametrize("way", ["file", "file/inside", "link"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, way):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    culprit = tmp_path / way.partition("/")[0]
    message = f"{culprit} is a file or a broken link; give a folder"
    with pytest.raises(InputError, match=message), locked(tmp_path / way):
        pass
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    def refuse(path, mode=0o777):
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    message = r"Nothing can be written into .*run \(Read-only file system\); change its"
    with pytest.raises(InputError, match=message), locked(tmp_path / "run"):
        pass


def test_a_read_only_folder_can_be_read_but_not_written_into(tmp_path, read_only):
    write_json(tmp_path / "results.json", {"rate": 1})
    read_only(tmp_path)
    with locked(tmp_path):
        write_json(tmp_path / "results.json", {"rate": 1})
        message = (
            rf"Nothing can be written into {tmp_path} \(.*\); change its permissions"
        )
        with pytest.raises(InputError, match=message):
            write_json(tmp_path / "results.json", {"rate": 0})
    assert os.listdir(tmp_path) == ["results.json"]


WRITERS = [
    lambda folder: write_json(folder / "results.json", {}),
    lambda folder: append_line(folder / "videos" / "journal.jsonl", "{}"),
    lambda folder: locked(folder / "cells" / "a").__enter__(),
]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("around", [False, True])
def test_a_folder_that_was_removed_meanwhile_is_not_made_again(tmp_path, write, around):
    folder = tmp_path / "runs" / "a"
    message = f"{folder} was removed or replaced while robomtl worked in it"
    with pytest.raises(InputError, match=message), locked(folder):
        (tmp_path / "runs" if around else folder).rename(tmp_path / "elsewhere")
        write(folder)
    assert not folder.exists()


@pytest.mark.parametrize("write", WRITERS)
def test_another_folder_in_the_place_of_one_is_left_as_it_is(tmp_path, write):
    folder = tmp_path / "a"
    with pytest.raises(InputError, match="was removed or replaced"), locked(folder):
        folder.rename(tmp_path / "elsewhere")
        folder.mkdir()
        (folder / LOCK).touch()
        write(folder)
    assert os.listdir(folder) == [LOCK]


def test_a_folder_that_was_put_back_is_written_to(tmp_path):
    folder = tmp_path / "a"
    with locked(folder):
        folder.rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").rename(folder)
        write_json(folder / "results.json", {})
    assert os.listdir(folder) == ["results.json"]
