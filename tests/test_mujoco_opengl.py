import os
import subprocess
import sys

import pytest

from robomtl.camera import Camera, with_camera
from robomtl.cli.main import main
from robomtl.envs import mujoco_opengl
from robomtl.suites import suite


@pytest.fixture
def libraries(monkeypatch):
    """The libraries that load, for a test to choose."""
    present = set()
    monkeypatch.setattr(mujoco_opengl, "_loads", present.__contains__)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    return present


def test_egl_draws_where_it_is_whole(libraries):
    libraries |= {"libEGL.so.1", "libOSMesa.so.8", "libGL.so.1"}
    assert mujoco_opengl.find_backend() == "egl"


def test_osmesa_draws_where_egl_lacks_a_library(libraries):
    libraries |= {"libEGL.so.1", "libOSMesa.so.8"}
    assert mujoco_opengl.find_backend() == "osmesa"


def test_the_environment_names_what_draws(libraries, monkeypatch):
    libraries |= {"libEGL.so.1", "libOSMesa.so.6", "libGL.so.1"}
    monkeypatch.setenv("MUJOCO_GL", "OSMesa")
    assert mujoco_opengl.find_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert mujoco_opengl.find_backend() == "egl"


@pytest.mark.parametrize(
    ("named", "kind", "message"),
    [
        (
            "",
            ImportError,
            "none was found.*apt-get install libegl1 libgl1 or libosmesa6",
        ),
        ("egl", ImportError, "MUJOCO_GL is 'egl'.*apt-get install libegl1 libgl1"),
        ("osmesa", ImportError, "MUJOCO_GL is 'osmesa'.*apt-get install libosmesa6"),
        ("elg", ValueError, "Unknown MUJOCO_GL 'elg'. Did you mean 'egl'"),
        ("off", ValueError, "MUJOCO_GL is 'off', so nothing can be drawn; unset it"),
    ],
)
def test_what_cannot_draw_says_what_to_do(libraries, monkeypatch, named, kind, message):
    monkeypatch.setenv("MUJOCO_GL", named)
    with pytest.raises(kind, match=message):
        with_camera(suite("metaworld/MT10"), Camera())


def test_a_library_that_does_not_work_names_the_other(monkeypatch):
    class Broken:
        @staticmethod
        def GLContext(width, height):
            raise RuntimeError("Cannot create an EGL context.")

    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.setattr(mujoco_opengl, "_loads", lambda library: True)
    monkeypatch.setattr(mujoco_opengl.importlib, "import_module", lambda name: Broken)
    message = (
        "by egl does not work here .Cannot create.*Try MUJOCO_GL=osmesa.*libosmesa6"
    )
    with pytest.raises(ImportError, match=message):
        mujoco_opengl.make_context(64, 64)


def test_without_a_library_no_trial_runs(libraries, tmp_path, capsys):
    pytest.importorskip("av")
    words = "evaluate expert --suite metaworld/MT10 --video failures --out"
    assert main([*words.split(), str(tmp_path / "out")]) == 2
    assert "apt-get install" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_backend_with_which_mujoco_cannot_be_imported_is_no_traceback():
    words = ["evaluate", "expert", "--suite", "metaworld/MT10", "--episodes", "1"]
    code = f"from robomtl.cli.main import main; raise SystemExit(main({words}))"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MUJOCO_GL": "vulkan"},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 2
    assert "Unknown MUJOCO_GL 'vulkan'" in said.stderr
    assert "Traceback" not in said.stderr
