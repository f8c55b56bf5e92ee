"""Untrusted ``.npz`` files."""

import io
import zipfile

import numpy as np
import pytest

from robomtl.errors import InputError
from robomtl.files.npz import read_arrays

ARRAYS = {
    "state": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.arange(6).reshape(2, 3).T,
    "image": np.full((2, 4, 4, 3), 7, np.uint8),
    "none": np.zeros((0, 3), np.float32),
    "said": np.array("broke off"),
    "done": np.array([True, False]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_saved_them(save, tmp_path):
    save(tmp_path / "a.npz", **ARRAYS)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def written(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    return path


def array(values):
    sink = io.BytesIO()
    np.save(sink, values, allow_pickle=True)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            array(np.arange(3)).replace(b"(3,)", b"(9,)"),
            r"shape \(9,\) .* other content",
        ),
        (array(np.array([None])), "an unknown kind"),
        (array(np.arange(3)).replace(b"'<i8'", b"1*'i'"), "an unknown kind"),
        (b"", "an unknown kind"),
    ],
)
def test_an_array_that_is_not_what_it_declares_is_refused(content, message, tmp_path):
    with pytest.raises(InputError, match=f"a.npz is damaged or cut short: .*{message}"):
        read_arrays(written(tmp_path / "a.npz", content))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(array(np.arange(3)))
    with pytest.raises(
        InputError, match="damaged or cut short: File is not a zip file"
    ):
        read_arrays(tmp_path / "a.npz")


def test_an_array_that_inflates_beyond_what_is_read_is_refused(tmp_path):
    path = written(tmp_path / "a.npz", bytes(2**28))
    with pytest.raises(InputError, match="declares 268,435,456 in memory"):
        read_arrays(path)
