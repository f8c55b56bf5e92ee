import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import Connection
from operator import itemgetter
from pathlib import Path

import pytest
from wobbling import python_path

from robomtl.errors import (
    InputError,
    MissingExtraError,
    PlugInError,
    SimulationError,
    StartError,
)
from robomtl.execution.executor import Failure, LocalExecutor
from robomtl.execution.heartbeat import HEARTBEAT

pytestmark = pytest.mark.usefixtures("forked_workers")
"""For tests of items; tests of starting workers spawn them."""


class Unreadable:
    """Work that no worker can unpickle."""

    def __reduce__(self):
        return eval, ("__import__('ghost')",)

    def __call__(self, item):
        return item


class Dying:
    """Work with which the first process dies as it starts."""

    def __init__(self, folder, work):
        self.folder, self.work = folder, work

    def __setstate__(self, state):
        if attempt(state["folder"], "start") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.__dict__ = state

    def __call__(self, item):
        return self.work(item)


def square(item):
    return item**2


def both_started(folder):
    """Waits until another process has called this too."""
    Path(folder, str(os.getpid())).touch()
    assert eventually(lambda: len(list(Path(folder).iterdir())) > 1, seconds=300)


def process_of(folder, item):
    both_started(folder)
    return os.getpid()


def report(folder, item):
    """Leaves the process id behind, then takes its time."""
    Path(folder, f"{item}.pid").write_text(str(os.getpid()))
    time.sleep(60)


def attempt(folder, item):
    """Counts the attempts at an item, in files, as processes come and go."""
    count = len(list(Path(folder).glob(f"{item}-*"))) + 1
    Path(folder, f"{item}-{count}").write_text(str(os.getpid()))
    return count


def die_once(folder, item):
    if item == "mortal" and attempt(folder, item) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_always(item):
    if item == "mortal":
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_halfway_through_the_answer(item):
    if item == "mortal":
        for thing in gc.get_objects():
            if isinstance(thing, Connection):
                os.write(thing.fileno(), b"\x00\x00\x01\x00only the beginning")
        os._exit(9)
    return item


def explode_once(folder, item):
    if attempt(folder, item) == 1:
        raise SimulationError(item, 3, 7, "the arm exploded")
    return item


def explode_always(item):
    raise SimulationError(item, 3, 7, "the arm exploded")


def refuse(item):
    raise InputError(f"There is no task '{item}'.")


def lack(item):
    raise MissingExtraError(
        f"No embedding of '{item}': pip install 'robomtl[language]'"
    )


def stumble(item):
    return {}[item]


def leave(item):
    sys.exit(3)


def panic(item):
    raise BaseException("panicked")


def import_ghost(item):
    import ghost

    return ghost


def hang(item):
    if item == "slow":
        time.sleep(60)
    return item


def work_slowly(item):
    """Takes 7 seconds, and progresses all the while."""
    for _ in range(14):
        HEARTBEAT.beat()
        time.sleep(0.5)
    return item


def process_id(item):
    return os.getpid()


def ended(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    # A zombie has ended too; whoever inherited it will collect it.
    return Path(f"/proc/{process_id}/stat").read_text().split()[2] == "Z"


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def play_trials(item):
    """Is at one trial after the other, each slow; one of them is deadly."""
    every = range(1, item["trials"] + 1)
    for trial in [trial for trial in every if trial not in HEARTBEAT.lost]:
        HEARTBEAT.beat(trial)
        if trial == item["deadly"]:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(item["pause"])
    return dict(HEARTBEAT.lost)


def blocks_ctrl_c(folder, item):
    both_started(folder)
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def outcomes(executor, work, items):
    return dict(executor.map(work, items))


@pytest.mark.usefixtures("spawned_workers")
@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_has_its_result_whatever_the_number_of_workers(workers):
    results = outcomes(LocalExecutor(workers=workers), square, range(7))
    assert results == {item: item**2 for item in range(7)}


def test_no_item_needs_no_process():
    assert outcomes(LocalExecutor(), square, []) == {}


def test_processes_stay_alive_between_items():
    processes = outcomes(LocalExecutor(workers=2), process_id, range(8)).values()
    assert len(set(processes)) <= 2
    assert os.getpid() not in processes


def test_a_process_goes_on_with_the_kind_it_has():
    items = ["a1", "b1", "a2", "c1", "b2"]
    done = LocalExecutor(workers=1).map(str.upper, items, itemgetter(0))
    assert [index for index, _ in done] == [0, 2, 1, 4, 3]


def test_processes_begin_with_kinds_of_their_own_and_share_what_is_left(tmp_path):
    items, work = ["a1", "a2", "a3", "b1"], partial(process_of, tmp_path)
    found = dict(LocalExecutor(workers=2).map(work, items, itemgetter(0)))
    assert sorted(found) == [0, 1, 2, 3]
    assert found[0] != found[3]


def test_a_killed_process_is_replaced_and_its_item_tried_again(tmp_path):
    results = outcomes(
        LocalExecutor(workers=2), partial(die_once, tmp_path), ["a", "mortal", "b", "c"]
    )
    assert results == dict(enumerate(["a", "mortal", "b", "c"]))
    assert len(list(tmp_path.glob("mortal-*"))) == 2


def test_an_item_whose_process_always_dies_fails_and_the_others_do_not():
    executor = LocalExecutor(workers=2, attempts=2)
    results = outcomes(executor, die_always, ["a", "mortal", "b"])
    assert results == {
        0: "a",
        1: Failure("its process was killed by SIGKILL"),
        2: "b",
    }


@pytest.mark.usefixtures("spawned_workers")
def test_an_answer_cut_short_counts_as_a_death():
    executor = LocalExecutor(workers=1, attempts=2)
    results = outcomes(executor, die_halfway_through_the_answer, ["mortal", "a"])
    assert results == {0: Failure("its process ended with exit code 9"), 1: "a"}


def test_an_item_whose_simulator_failed_is_tried_again_in_another_process(tmp_path):
    results = outcomes(
        LocalExecutor(workers=1), partial(explode_once, tmp_path), ["reach"]
    )
    assert results == {0: "reach"}
    first, second = sorted(tmp_path.glob("reach-*"))
    assert first.read_text() != second.read_text()


def test_an_item_whose_simulator_always_fails_says_where():
    results = outcomes(LocalExecutor(attempts=2), explode_always, ["reach"])
    assert results == {0: Failure("reach, variation 3, step 7: the arm exploded")}


@pytest.mark.usefixtures("spawned_workers")
def test_a_process_that_dies_before_it_has_started_costs_no_attempt(tmp_path):
    work = Dying(tmp_path, partial(die_once, tmp_path))
    results = outcomes(LocalExecutor(workers=1, attempts=2), work, ["mortal"])
    assert results == {0: "mortal"}
    assert len(list(tmp_path.glob("start-*"))) == 3


@pytest.mark.usefixtures("spawned_workers")
def test_work_that_no_process_can_start_with_is_refused():
    message = (
        "No worker process starts: its process ended with exit code 1; .*in a module"
    )
    with pytest.raises(StartError, match=message):
        outcomes(LocalExecutor(), Unreadable(), ["a", "b"])


def test_what_the_user_gave_wrong_is_raised_here():
    with pytest.raises(ValueError, match="There is no task 'reech'"):
        outcomes(LocalExecutor(), refuse, ["reech"])


def test_a_missing_extra_is_raised_here():
    with pytest.raises(
        ImportError, match=r"of 'go': pip install 'robomtl\[language\]'"
    ):
        outcomes(LocalExecutor(), lack, ["go"])


@pytest.mark.parametrize("work", [refuse, lack])
def test_the_traceback_of_a_mistake_is_a_note_and_no_part_of_the_message(work):
    with pytest.raises((ValueError, ImportError)) as raised:
        outcomes(LocalExecutor(), work, ["a"])
    (note,) = raised.value.__notes__
    assert f"in {work.__name__}" in note
    assert "Traceback" not in str(raised.value)


@pytest.mark.usefixtures("spawned_workers")
def test_a_bug_is_raised_here_with_its_traceback():
    with pytest.raises(
        RuntimeError, match=r"(?s)In a worker:.*in stumble.*KeyError: 'a'"
    ):
        outcomes(LocalExecutor(), stumble, ["a"])


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            leave,
            r"sys.exit\(\) was called: SystemExit: 3 \(test_executor.py, line \d+\)",
        ),
        (
            panic,
            r"no Exception was raised: BaseException: panicked \(test_exec.*, line",
        ),
    ],
)
def test_an_exit_of_a_plug_in_is_an_error_that_names_it(work, message):
    with pytest.raises(PlugInError, match=message):
        outcomes(LocalExecutor(), work, ["a"])


def test_a_module_that_is_missing_is_a_bug_and_no_missing_extra():
    with pytest.raises(
        RuntimeError, match="(?s)in import_ghost.*No module named 'ghost'"
    ):
        outcomes(LocalExecutor(), import_ghost, ["a"])


@pytest.mark.slow
def test_an_item_that_hangs_is_given_up_and_the_others_are_not():
    executor = LocalExecutor(workers=1, attempts=1, limit=3)
    results = outcomes(executor, hang, ["slow", "a"])
    assert results == {0: Failure("made no progress for 3 s"), 1: "a"}


@pytest.mark.slow
def test_an_item_that_moves_on_may_take_longer_than_the_limit():
    executor = LocalExecutor(workers=1, attempts=1, limit=3)
    item = {"trials": 16, "deadly": None, "pause": 0.25}
    assert outcomes(executor, play_trials, [item]) == {0: {}}


def test_a_trial_that_kills_its_process_is_given_up_and_not_its_item():
    executor = LocalExecutor(workers=1, attempts=2)
    items = [{"trials": 3, "deadly": deadly, "pause": 0} for deadly in (2, None)]
    results = outcomes(executor, play_trials, items)
    assert results == {0: {2: "its process was killed by SIGKILL"}, 1: {}}


def test_processes_end_when_the_results_are_not_wanted_any_more():
    results = LocalExecutor(workers=2).map(process_id, range(4))
    _, process = next(results)
    results.close()
    assert ended(process)


def python(*words, **options):
    """The finished Python process of a script, with its output."""
    environment = {**os.environ, "PYTHONPATH": python_path()}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, **options
    )


def test_processes_end_when_their_parent_is_killed(tmp_path):
    code = (
        "from functools import partial\n"
        "from robomtl.execution.executor import LocalExecutor\n"
        "from test_executor import report\n"
        "if __name__ == '__main__':\n"
        f"    work = partial(report, {str(tmp_path)!r})\n"
        "    list(LocalExecutor(workers=2).map(work, [0, 1]))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    paths = {"PYTHONPATH": python_path()}
    parent = subprocess.Popen([sys.executable, script], env={**os.environ, **paths})
    notes = [tmp_path / "0.pid", tmp_path / "1.pid"]
    assert eventually(lambda: all(note.exists() and note.read_text() for note in notes))
    parent.kill()
    parent.wait()
    workers = [int(note.read_text()) for note in notes]
    assert eventually(lambda: all(map(ended, workers)))


def test_a_limit_of_no_time_is_refused():
    with pytest.raises(ValueError, match="limit is 0 s; give a number above 0"):
        LocalExecutor(limit=0)


@pytest.mark.parametrize("count", ["workers", "attempts"])
def test_counts_below_one_are_refused(count):
    with pytest.raises(ValueError, match=f"{count} is 0; give at least 1"):
        LocalExecutor(**{count: 0})


def test_ctrl_c_is_left_to_the_parent_by_every_worker_and_stays_with_it(tmp_path):
    (folder := tmp_path / "started").mkdir()
    code = (
        "import signal\n"
        "from functools import partial\n"
        "from robomtl.execution.executor import LocalExecutor\n"
        "from test_executor import blocks_ctrl_c, outcomes\n"
        "if __name__ == '__main__':\n"
        f"    work = partial(blocks_ctrl_c, {str(folder)!r})\n"
        "    print(sorted(outcomes(LocalExecutor(workers=2), work, [0, 1]).items()))\n"
        "    print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    said = python(script)
    assert said.stdout == "[(0, True), (1, True)]\nset()\n", said.stderr


def test_ctrl_c_is_not_blocked_after_a_start_that_failed():
    with pytest.raises(StartError, match="cannot receive function"):
        outcomes(LocalExecutor(), lambda item: item, [1])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_start_from_standard_input_with_what_modules_define():
    code = (
        "from robomtl.execution.executor import LocalExecutor\n"
        "from test_executor import square\n"
        "print(dict(LocalExecutor(workers=1).map(square, [3])))\n"
        "def own(item): return item\n"
        "list(LocalExecutor(workers=1).map(own, [3]))\n"
    )
    said = python("-", input=code)
    assert said.stdout == "{0: 9}\n", said.stderr
    assert (
        "cannot receive function: it is 'own', and this program has no file"
        in said.stderr
    )


def test_a_daemonic_process_is_told_that_it_starts_no_workers(monkeypatch):
    process = multiprocessing.current_process()
    monkeypatch.setattr(type(process), "daemon", True)
    with pytest.raises(InputError, match="in a daemonic process.*ProcessPoolExecutor"):
        outcomes(LocalExecutor(), square, [1])


def test_scripts_that_import_it_by_its_earlier_path_go_on_working():
    from robomtl.executor import LocalExecutor as Earlier

    assert Earlier is LocalExecutor
