"""The command ``robomtl``: a verb is imported when it is given."""

import importlib
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.panel import Panel
from safetensors import SafetensorError

from robomtl.errors import EpisodesError, InputError, SimulationError
from robomtl.nearest import unknown
from robomtl.terminal import Terminal

VERBS = {
    "run": "a named recipe, from nothing to a report",
    "collect": "demonstrations of a suite's experts",
    "train": "one policy on the demonstrations of many tasks",
    "multitask": "tasks learned together against each alone",
    "adapt": "methods of adaptation to held-out tasks, compared",
    "tune": "hyper-parameters of methods, chosen on training tasks",
    "evaluate": "success of a policy, task by task",
    "probe": "whether a policy listens to what it is told",
    "view": "one trial, in rerun's viewer",
    "compare": "which of two policies is better, and how sure that is",
    "list": "suites, policies, objectives, methods and recipes",
    "check": "whether a suite keeps the contract",
}

# What is no bug: wrong names and settings, broken files, missing extras, and simulators
# that give up.
_EXPECTED = (
    EpisodesError,
    InputError,
    ImportError,
    FloatingPointError,
    OSError,
    SafetensorError,
    SimulationError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status: 0, 2 for an error, 130 for Ctrl-C.

    Args:
        arguments: Words after ``robomtl``; those of the process when None.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        _print_help()
        return 0
    console = Terminal(stderr=True)
    try:
        if words[0] not in VERBS:
            raise InputError(unknown("verb", words[0], VERBS))
        importlib.import_module(f"robomtl.cli.{words[0]}").main(words[1:])
    except KeyboardInterrupt as stopped:
        console.print(str(stopped) or "Stopped.", soft_wrap=True, highlight=False)
        return 130
    except BrokenPipeError:
        # The reader of our output has left, as `robomtl list | head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _EXPECTED as error:
        if os.environ.get("ROBOMTL_TRACEBACK"):
            raise
        console.print(Panel(_sentence(error), title="robomtl", border_style="red"))
        if hasattr(error, "__notes__"):  # A worker noted where it was raised.
            console.print("ROBOMTL_TRACEBACK=1 shows where in the worker it came from.")
        return 2
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, SafetensorError):
        return f"A file of weights is damaged: {error}."
    return str(error) or type(error).__name__


def _print_help() -> None:
    console = Console()
    console.print("Task-conditioned robot policies: train, adapt, evaluate per task.\n")
    for verb, line in VERBS.items():
        console.print(f"  robomtl {verb:<9} {line}", highlight=False)
    console.print("\n  robomtl VERB --help says what it takes.", highlight=False)
