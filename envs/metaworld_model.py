"""Compiled models of Meta-World's tasks, and how several envs use one in turns.

A model takes 15 MB, most of it meshes, 5 to 12 more with textures, and 0.1 s to compile.
Between the envs of a task only the positions of bodies and sites differ, which resets
write, and what a shift alters for an episode; see ``robomtl.shifts``.
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

_SIZE = 480  # Sides of Meta-World's pictures [pixel].


def _hand_back_memory() -> None:
    """Returns to the system what is freed, 30 MB by compiling, where C libraries can."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _drop_textures(spec: Any) -> None:
    """Leaves all as it is but what cameras see; pictures are not even read."""
    for texture in list(spec.textures):
        texture.delete()
    for material in spec.materials:
        material.textures = [""] * len(material.textures)


class SharedModel:
    """A task's model, used by one env at a time; see ``Turn``.

    Args:
        task: Name of the task.
        textured: Whether cameras look at it. Textures take no part in physics.
    """

    def __init__(self, task: str, *, textured: bool) -> None:
        # The path is a property of instances, which reads nothing of them.
        spec = mujoco.MjSpec.from_file(object.__new__(ENV_CLS_MAP[task]).model_name)
        if not textured:
            _drop_textures(spec)
        # MuJoCo 3.3.0 reads it the wrong way round: False is what starts threads, and
        # what these freed does not go back to the system.
        spec.compiler.usethread = True
        _hand_back_memory()  # Of models before it, so that the peak is lower.
        self.model = spec.compile()
        del spec
        _hand_back_memory()
        # As Gymnasium's MujocoEnv does after loading.
        view = self.model.vis.global_
        view.offwidth = max(view.offwidth, _SIZE)
        view.offheight = max(view.offheight, _SIZE)
        self.positions = (self.model.body_pos, self.model.site_pos)
        """Of bodies (body, 3) and sites (site, 3), in their parents [m]; views."""
        self.initial = tuple(each.copy() for each in self.positions)
        """The positions before any reset."""
        self.alterable = tuple(getattr(self.model, name) for name in ALTERABLE)
        """What an env may alter; views."""
        self.compiled = tuple(each.copy() for each in self.alterable)
        """The same as compiled."""
        self.lock = threading.RLock()
        self.current: tuple[Any, ...] = ()
        """The positions of the env whose turn it was last."""
        self.altered = self.compiled
        """The values of ``alterable`` in the model."""

    def copy(self) -> Any:
        """A model of one's own, its positions the initial ones."""
        with Turn(self):
            return copy.copy(self.model)


class Turn:
    """The turns of one env: ``with turn:`` the model is as that env left it.

    That is its positions, and what the env altered for an episode. Threads that step envs of one task wait for each other there.

    Args:
        shared: The model.
    """

    def __init__(self, shared: SharedModel) -> None:
        self._shared = shared
        self._own = tuple(each.copy() for each in shared.initial)
        self._altered = shared.compiled

    def keep(self) -> None:
        """Takes over the positions in the model, during this env's turn."""
        for own, written in zip(self._own, self._shared.positions, strict=True):
            own[:] = written

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model for this env, during its turn, until ``restore``.

        Args:
            change: Takes the model, and writes into its alterable arrays.
        """
        change(self._shared.model)
        self._altered = tuple(each.copy() for each in self._shared.alterable)
        self._shared.altered = self._altered

    def restore(self) -> None:
        """Undoes what was altered, during this env's turn."""
        self._altered = self._shared.compiled
        self._write_altered()

    def _write_altered(self) -> None:
        shared = self._shared
        if shared.altered is not self._altered:
            for array, values in zip(shared.alterable, self._altered, strict=True):
                array[:] = values
            shared.altered = self._altered

    def __enter__(self) -> None:
        """Waits for the model, and writes what is this env's own into it."""
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
        """Leaves the model to others."""
        self._shared.lock.release()


_MODELS: WeakValueDictionary[tuple[str, bool], SharedModel] = WeakValueDictionary()
_LATEST: list[SharedModel] = []  # One, kept while no env uses it.


def shared_model(task: str, *, textured: bool) -> SharedModel:
    """The model of a task; compiled, unless an env uses it or the last one did."""
    shared = _MODELS.get((task, textured))
    if shared is None:
        _LATEST.clear()  # Before another is compiled, not after.
        shared = SharedModel(task, textured=textured)
        _MODELS[task, textured] = shared
    _LATEST[:] = [shared]
    return shared
