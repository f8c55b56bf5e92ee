"""The command ``robomtl``, which imports the module of the given verb only."""

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
    "run": "runs a named recipe: collects, trains, evaluates and reports",
    "collect": "records demonstrations of a suite's experts",
    "import": "converts a data set of LeRobot, robomimic, LIBERO or Minari",
    "data": "adds pictures to a data set of states",
    "pretrain": "trains the features of a policy, before its actions",
    "train": "trains one policy on the demonstrations of many tasks",
    "multitask": "compares multi-task with single-task training",
    "lifelong": "trains on tasks in sequence, and measures forgetting",
    "adapt": "compares methods of adaptation to held-out tasks",
    "tune": "chooses hyper-parameters of methods on training tasks",
    "evaluate": "measures the success of a policy, task by task",
    "probe": "tests whether a policy uses its instruction",
    "features": "tests which positions and tasks features encode",
    "shift": "measures success under shifts of the simulation",
    "view": "shows a trial in rerun's viewer",
    "serve": "serves a policy to clients on the network",
    "compare": "tests which of two policies is better",
    "export": "writes an evaluation in another tool's format",
    "push": "uploads a policy or demonstrations to the Hugging Face hub",
    "pull": "downloads a policy or demonstrations from the hub",
    "new": "writes a package for a new suite, policy or method",
    "list": "lists suites, policies, objectives, methods and recipes",
    "check": "tests whether a suite or a policy keeps its contract",
    "simulators": "installs environments of simulators with other packages",
}

# Errors that are not bugs of robomtl, such as wrong names and settings, damaged files,
# missing extras, and failing plug-ins and simulators. For OSError see _is_bug.
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

# Modules that may call sys.exit: after --help, wrong flags, and a failed check.
_MAY_EXIT = ("argparse", "robomtl", "tyro")

_INTERRUPTED, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status.

    The status is 0, 2 for an error, 130 for Ctrl-C, or 143 for SIGTERM.

    Args:
        arguments: Words after ``robomtl``; None for the arguments of the process.
    """
    _replace_unencodable()
    with interrupting_terminate() as terminated:
        status = _run(sys.argv[1:] if arguments is None else arguments)
    return _TERMINATED if status == _INTERRUPTED and terminated.is_set() else status


def _run(arguments: Sequence[str]) -> int:
    """Runs one verb, and prints expected errors; returns the exit status."""
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
        # The reader of our output has closed it, as `head` does in `robomtl list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _EXPECTED as error:
        if os.environ.get("ROBOMTL_TRACEBACK") or _is_bug(error):
            raise
        _show(console, _sentence(error))
        if hasattr(error, "__notes__"):  # A worker has added its traceback.
            console.print("ROBOMTL_TRACEBACK=1 shows the traceback in the worker.")
        return 2
    return 0


def _imports(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The modules of all flags ``--import``, and the other words."""
    modules, words, left = list[str](), list[str](), iter(arguments)
    for word in left:
        flag, equals, value = word.partition("=")
        if flag != "--import":
            words.append(word)
            continue
        module = value if equals else next(left, "")
        if not module or module.startswith("-"):
            raise InputError("--import has no value; give a module or a .py file.")
        modules.append(module)
    return modules, words


def _is_ours(stopped: SystemExit) -> bool:
    """Whether the command line itself called ``sys.exit``, rather than a plug-in."""
    *_, (frame, _) = traceback.walk_tb(stopped.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _MAY_EXIT


def _is_bug(error: Exception) -> bool:
    """Whether an error is an OSError that concerns neither a file nor a device."""
    return (
        isinstance(error, OSError)
        and not isinstance(error, InputError)
        and error.filename is None
        and error.errno not in _OF_DEVICES
    )


def _show(console: Terminal, sentence: str) -> None:
    console.print(Panel(sentence, title="robomtl", border_style="red"))


def _replace_unencodable() -> None:
    """Makes output replace characters that the terminal cannot encode; see ``in_ascii``."""
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
    console.print("\n  robomtl VERB --help lists the flags of a verb.", highlight=False)
    line = "first imports a module or .py file, to register its plug-ins"
    console.print(f"  robomtl --import MODULE VERB {line}.", highlight=False)
