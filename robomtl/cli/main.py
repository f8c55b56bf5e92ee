"""The command ``robomtl``: a verb is imported when it is given."""

import codecs
import errno
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from rich.panel import Panel
from safetensors import SafetensorError

from robomtl.cli.choices import CHOICES
from robomtl.cli.earlier_flags import present_flags
from robomtl.errors import (
    EpisodesError,
    InputError,
    MissingExtraError,
    PlugInError,
    SimulationError,
)
from robomtl.execution.interrupt import interrupting_terminate
from robomtl.files.paths import check_working_directory
from robomtl.imports import import_modules
from robomtl.nearest import unknown
from robomtl.plug_in import exit_described
from robomtl.terminal import Terminal, in_ascii

VERBS = {
    "run": "a named recipe, from nothing to a report",
    "collect": "demonstrations of a suite's experts",
    "import": "a data set of LeRobot, robomimic or Minari, for training",
    "data": "pictures for a data set of states",
    "pretrain": "features of a policy, before it learns to act",
    "train": "one policy on the demonstrations of many tasks",
    "multitask": "tasks learned together against each alone",
    "lifelong": "tasks learned one after the other, and what is forgotten",
    "adapt": "methods of adaptation to held-out tasks, compared",
    "tune": "hyper-parameters of methods, chosen on training tasks",
    "evaluate": "success of a policy, task by task",
    "probe": "whether a policy uses its instruction",
    "features": "what the features of policies tell of positions and tasks",
    "shift": "success of policies against the magnitude of shifts",
    "view": "one trial, in rerun's viewer",
    "serve": "a policy for clients on the network",
    "compare": "which of two policies is better, and how sure that is",
    "export": "an evaluation in another tool's format",
    "push": "a policy or demonstrations to the Hugging Face hub",
    "pull": "a policy or demonstrations from the hub",
    "new": "a package for a suite, policy or method of one's own",
    "list": "suites, policies, objectives, methods and recipes",
    "check": "whether a suite or a policy keeps its contract",
    "simulators": "environments of simulators that run apart from robomtl",
}

# What is no bug of ours: wrong names and settings, broken files, missing extras, plug-ins
# and simulators that give up. Of OSErrors see _is_bug.
_EXPECTED = (
    EpisodesError,
    InputError,
    MissingExtraError,
    FloatingPointError,
    OSError,
    PlugInError,
    SafetensorError,
    SimulationError,
)

_OF_DEVICES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)

# Modules whose own sys.exit ends a verb: after --help, wrong flags, and a failed check.
_MAY_EXIT = ("argparse", "robomtl", "tyro")

_INTERRUPTED, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status.

    It is 0, 2 for an error, 130 for Ctrl-C, or 143 for SIGTERM.

    Args:
        arguments: Words after ``robomtl``; those of the process when None.
    """
    _show_whatever_can_be_shown()
    with interrupting_terminate() as terminated:
        status = _run(sys.argv[1:] if arguments is None else arguments)
    return _TERMINATED if status == _INTERRUPTED and terminated.is_set() else status


def _run(arguments: Sequence[str]) -> int:
    """Runs one verb, and shows what a user should know of how it ended."""
    console = Terminal(stderr=True)
    try:
        modules, words = _imports(arguments)
        if not words or words[0] in ("-h", "--help"):
            _print_help()
            return 0
        if words[0].startswith("-"):
            kind = "flag before the verb"
            raise InputError(unknown(kind, words[0], ("--help", "--import")))
        if words[0] not in VERBS:
            raise InputError(unknown("verb", words[0], VERBS))
        check_working_directory()  # Without it, torch's libraries end the process.
        import_modules(modules)
        with CHOICES:
            verb = importlib.import_module(f"robomtl.cli.{words[0]}")
            verb.main(present_flags(words[1:]))
    except SystemExit as stopped:
        if _is_ours(stopped):
            raise
        _show(console, exit_described(stopped))
        return 2
    except KeyboardInterrupt as stopped:
        console.print(str(stopped) or "Stopped.", soft_wrap=True, highlight=False)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left, as `robomtl list | head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _EXPECTED as error:
        if os.environ.get("ROBOMTL_TRACEBACK") or _is_bug(error):
            raise
        _show(console, _sentence(error))
        if hasattr(error, "__notes__"):  # A worker noted where it was raised.
            console.print("ROBOMTL_TRACEBACK=1 shows where in the worker it came from.")
        return 2
    return 0


def _imports(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What the flags ``--import`` name, and the other words."""
    modules, words, left = list[str](), list[str](), iter(arguments)
    for word in left:
        flag, equals, value = word.partition("=")
        if flag != "--import":
            words.append(word)
            continue
        module = value if equals else next(left, "")
        if not module or module.startswith("-"):
            raise InputError("--import lacks what to import: a module or a .py file.")
        modules.append(module)
    return modules, words


def _is_ours(stopped: SystemExit) -> bool:
    """Whether the command line itself called ``sys.exit``, and no plug-in."""
    *_, (frame, _) = traceback.walk_tb(stopped.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _MAY_EXIT


def _is_bug(error: Exception) -> bool:
    """Whether an OSError is of no file and no device: nothing a user could change."""
    return (
        isinstance(error, OSError)
        and not isinstance(error, InputError)
        and error.filename is None
        and error.errno not in _OF_DEVICES
    )


def _show(console: Terminal, sentence: str) -> None:
    console.print(Panel(sentence, title="robomtl", border_style="red"))


def _show_whatever_can_be_shown() -> None:
    """Shows characters that a terminal cannot encode by others; see ``in_ascii``."""
    codecs.register_error("robomtl", in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="robomtl")


def _sentence(error: Exception) -> str:
    if isinstance(error, SafetensorError):
        return f"A file of weights is damaged: {error}."
    if isinstance(error, OSError) and error.filename and error.strerror:
        advice = " Give another path, or change its permissions."
        refused = isinstance(error, PermissionError)
        return f"{error.filename}: {error.strerror}.{advice if refused else ''}"
    return str(error) or type(error).__name__


def _print_help() -> None:
    console = Terminal()
    console.print("Task-conditioned robot policies: train, adapt, evaluate per task.\n")
    for verb, line in VERBS.items():
        console.print(f"  robomtl {verb:<10} {line}", highlight=False)
    console.print("\n  robomtl VERB --help says what it takes.", highlight=False)
    line = "imports a module or file first, to register its plug-ins; with any verb"
    console.print(f"  robomtl --import MODULE VERB {line}.", highlight=False)
