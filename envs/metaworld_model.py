"""Compiled models of Meta-World's tasks, which several envs share in turns.

A model needs 15 MB, mostly for meshes, 5 to 12 MB more with textures, and 0.1 s to compile.
The envs of a task differ only in the positions of bodies and sites, which resets write, and
in what a shift alters for an episode; see ``robomtl.shifts``.
"""

import copy
import ctypes
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import mujoco
from metaworld.env_dict import ENV_CLS_MAP

from robomtl.envs.mujoco_alterations import ALTERABLE

_SIZE = 480  # Width and height of Meta-World's images [px].


def _hand_back_memory() -> None:
    """Returns freed memory, 30 MB after compiling, to the system if the C library can."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _drop_textures(spec: Any) -> None:
    """Removes all textures, so that their image files are not read."""
    for texture in list(spec.textures):
        texture.delete()
    for material in spec.materials:
        material.textures = [""] * len(material.textures)


class SharedModel:
    """Model of a task, used by one env at a time; see ``Turn``.

    Args:
        task: Name of the task.
        textured: Whether to load textures, which only rendering needs.
    """

    def __init__(self, task: str, *, textured: bool) -> None:
        # The path is a property that needs an instance, but reads none of its attributes.
        spec = mujoco.MjSpec.from_file(object.__new__(ENV_CLS_MAP[task]).model_name)
        if not textured:
            _drop_textures(spec)
        # MuJoCo 3.3.0 inverts this flag: False starts threads, whose freed memory is not
        # returned to the system.
        spec.compiler.usethread = True
        _hand_back_memory()  # Memory of earlier models, to lower the peak.
        self.model = spec.compile()
        del spec
        _hand_back_memory()
        # As Gymnasium's MujocoEnv does after loading.
        view = self.model.vis.global_
        view.offwidth = max(view.offwidth, _SIZE)
        view.offheight = max(view.offheight, _SIZE)
        self.positions = (self.model.body_pos, self.model.site_pos)
        """Positions of bodies (body, 3) and sites (site, 3) in their parents [m]; views."""
        self.initial = tuple(each.copy() for each in self.positions)
        """Copies of the positions before any reset."""
        self.alterable = tuple(getattr(self.model, name) for name in ALTERABLE)
        """Arrays of the model that an env may alter; views."""
        self.compiled = tuple(each.copy() for each in self.alterable)
        """Copies of the alterable arrays as compiled."""
        self.lock = threading.RLock()
        self.current: tuple[Any, ...] = ()
        """Positions of the env whose turn it was last."""
        self.altered = self.compiled
        """Values of ``alterable`` that are now in the model."""

    def copy(self) -> Any:
        """Separate copy of the model, with the initial positions."""
        with Turn(self):
            return copy.copy(self.model)


class Turn:
    """Context manager of an env's turns, in which the shared model is as the env left it.

    It restores the positions and the altered arrays of the env. Threads that step envs of
    the same task wait for each other.

    Args:
        shared: Model that the env shares with others.
    """

    def __init__(self, shared: SharedModel) -> None:
        self._shared = shared
        self._own = tuple(each.copy() for each in shared.initial)
        self._altered = shared.compiled

    def keep(self) -> None:
        """Stores the positions in the model as this env's, during its turn."""
        for own, written in zip(self._own, self._shared.positions, strict=True):
            own[:] = written

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model for this env, during its turn, until ``restore``.

        Args:
            change: Writes into the alterable arrays of the model that it is called with.
        """
        change(self._shared.model)
        self._altered = tuple(each.copy() for each in self._shared.alterable)
        self._shared.altered = self._altered

    def restore(self) -> None:
        """Undoes this env's alterations, during its turn."""
        self._altered = self._shared.compiled
        self._write_altered()

    def _write_altered(self) -> None:
        shared = self._shared
        if shared.altered is not self._altered:
            for array, values in zip(shared.alterable, self._altered, strict=True):
                array[:] = values
            shared.altered = self._altered

    def __enter__(self) -> None:
        """Waits for the model, and writes this env's positions and alterations into it."""
        shared = self._shared
        shared.lock.acquire()
        if shared.current is not self._own:
            bodies, sites = shared.positions
            bodies[:], sites[:] = self._own
            shared.current = self._own
        self._write_altered()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Releases the model to other envs."""
        self._shared.lock.release()


_MODELS: WeakValueDictionary[tuple[str, bool], SharedModel] = WeakValueDictionary()
_LATEST: list[SharedModel] = []  # The latest model, kept while no env uses it.


def shared_model(task: str, *, textured: bool) -> SharedModel:
    """Model of a task; compiled unless an env uses it or it is the latest one."""
    shared = _MODELS.get((task, textured))
    if shared is None:
        _LATEST.clear()  # Before compiling, to lower the peak of memory.
        shared = SharedModel(task, textured=textured)
        _MODELS[task, textured] = shared
    _LATEST[:] = [shared]
    return shared
