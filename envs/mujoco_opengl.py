"""OpenGL contexts for MuJoCo's rendering, which work without a display."""

import ctypes
import importlib
import os
from functools import cache
from typing import Any

from robomtl.errors import InputError, MissingExtraError
from robomtl.nearest import unknown

_INSTALL = {
    "egl": "libegl1 libgl1",
    "osmesa": "libosmesa6",
}  # Packages of Debian and Ubuntu.
# Each needs one library of every group. EGL works with and without a GPU.
_LIBRARIES = {
    "egl": (("libEGL.so.1",), ("libGL.so.1", "libOpenGL.so.0")),
    "osmesa": (("libOSMesa.so.8", "libOSMesa.so.6"),),
}
# Values of MUJOCO_GL that MuJoCo accepts and that leave the choice to us.
_OTHERS = ("", "glfw", "glx", "enable", "enabled", "on", "true", "1")
_OFF = ("disable", "disabled", "off", "false", "0")


@cache
def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _is_here(backend: str) -> bool:
    return all(any(map(_loads, group)) for group in _LIBRARIES[backend])


def check_named_backend() -> None:
    """Refuses a value of ``MUJOCO_GL`` with which MuJoCo cannot be imported.

    Raises:
        InputError: If the value is unknown.
        MissingExtraError: If the named library is missing; says which package has it.
    """
    named = os.environ.get("MUJOCO_GL", "").lower().strip()
    if named in _LIBRARIES and not _is_here(named):
        raise MissingExtraError(
            f"MUJOCO_GL is '{named}', but its library is missing. On Debian and Ubuntu:"
            f" apt-get install {_INSTALL[named]}"
        )
    if named not in (*_LIBRARIES, *_OTHERS, *_OFF):
        raise InputError(unknown("MUJOCO_GL", named, _LIBRARIES))


def find_backend() -> str:
    """Name of the OpenGL library: that of ``MUJOCO_GL``, or the first that is installed.

    Raises:
        InputError: If ``MUJOCO_GL`` is unknown or disables rendering.
        MissingExtraError: If the library is missing; says which package has it.
    """
    check_named_backend()
    named = os.environ.get("MUJOCO_GL", "").lower().strip()
    if named in _OFF:
        raise InputError(f"MUJOCO_GL is '{named}', so nothing can be drawn; unset it.")
    if named in _LIBRARIES:
        return named
    for backend in _LIBRARIES:
        if _is_here(backend):
            return backend
    either = " or ".join(_INSTALL.values())
    raise MissingExtraError(
        "Pictures need an OpenGL library, and none was found. On Debian and Ubuntu:"
        f" apt-get install {either}"
    )


def make_context(width: int, height: int) -> Any:
    """Context for off-screen rendering, with ``make_current`` and ``free``.

    Args:
        width: Width of the images [px].
        height: Height of the images [px].

    Raises:
        ValueError: If ``MUJOCO_GL`` is unknown or disables rendering.
        MissingExtraError: If no OpenGL library works on this machine.
    """
    backend = find_backend()
    module = importlib.import_module(f"mujoco.{backend}")
    try:
        return module.GLContext(width, height)
    except (ImportError, RuntimeError) as error:  # Depends on the driver.
        other = next(name for name in _LIBRARIES if name != backend)
        raise MissingExtraError(
            f"OpenGL by {backend} does not work here ({error}). Try MUJOCO_GL={other}, on"
            f" Debian and Ubuntu after: apt-get install {_INSTALL[other]}"
        ) from error
