import ast
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from served_points import SIMULATOR, ServedPoints
from wobbling import WobblingAgent

from robomtl.camera import Camera
from robomtl.checking.checking import check_suite
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import SPLITS
from robomtl.errors import InputError, PlugInError, SimulationError
from robomtl.evaluation import EvaluationConfig
from robomtl.execution.compute import Compute
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.experiments.evaluating import evaluate
from robomtl.simulators import server
from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator

pytestmark = pytest.mark.usefixtures("forked_workers")

TASK = "reach-red"
BROKEN = 1_000_003
"""The variation in which something happens at the third step."""


def trials(out, suite, *, workers=2, **options):
    config = EvaluationConfig(**{"episodes": 12, **options})
    compute = Compute(workers=workers)
    evaluate(WobblingAgent(), suite, out=out, config=config, compute=compute)
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"]).to_pylist()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The trials of the suite in process."""
    out = tmp_path_factory.mktemp("expected")
    return trials(out, PointsSuite(variant="MT4", horizon=16), workers=2)


def test_trials_of_a_served_suite_are_the_same(expected, tmp_path):
    suite = ServedPoints(variant="MT4", horizon=16)
    assert trials(tmp_path, suite, workers=2) == expected


def files(out):
    return {
        path.relative_to(out): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("images", [0, 16])
def test_demonstrations_of_a_served_suite_are_the_same(tmp_path, images):
    own, served = tmp_path / "own", tmp_path / "served"
    for out, kind in ((own, PointsSuite), (served, ServedPoints)):
        collect(
            kind(images=images),
            out,
            config=CollectionConfig(
                episodes=2, tasks=[TASK], video="lossless" if images else None
            ),
        )
    assert files(own) == files(served)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("raise", r"step 3: ZeroDivisionError: BADQACC \(points_server.py, line \d+\)"),
        (
            "die",
            r"step 3: its server was killed by SIGKILL, having printed: it blew up",
        ),
    ],
)
def test_a_simulator_that_breaks_is_an_error_of_its_trial_and_of_no_other(
    expected, tmp_path, how, error
):
    suite = ServedPoints(variant="MT4", horizon=16, how=how)
    rows = trials(tmp_path, suite, tasks=[TASK], workers=1)

    (lost,) = [row for row in rows if row["variation"] == BROKEN]
    assert re.fullmatch(error, lost["error"])
    assert [row for row in rows if row != lost] == [
        row for row in expected if row["task"] == TASK and row["variation"] != BROKEN
    ]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("sys_exit", r"SystemExit: 3 \(points_server.py, line \d+\)"),
        ("exit", r"its server ended with exit code 3"),
    ],
)
def test_a_simulator_that_exits_is_named(how, reason):
    with closing(ServedPoints(how=how).make_env(TASK)) as env:
        env.reset(options={"variation": BROKEN})
        with pytest.raises(
            SimulationError, match=f"variation {BROKEN}, step 3: {reason}"
        ):
            for _ in range(3):
                env.step(np.ones(2, np.float32))


def test_an_episode_goes_on_when_its_server_is_killed():
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 2)).astype(np.float32)
    episodes = []
    for kind in (PointsSuite, ServedPoints):
        suite = kind(images=16, camera=Camera(width=32, height=24))
        with closing(suite.make_env(TASK)) as env:
            seen = [env.reset(seed=5, options={"variation": 1})]
            for step, action in enumerate(actions):
                if step == 3 and kind is ServedPoints:
                    os.kill(SIMULATOR.process().pid, signal.SIGKILL)
                seen.append(env.step(action))
            if kind is ServedPoints:
                os.kill(SIMULATOR.process().pid, signal.SIGKILL)
            seen.extend((env.render(), env.pictures()))
            if kind is ServedPoints:
                os.kill(SIMULATOR.process().pid, signal.SIGKILL)
            seen.append(env.reset(seed=1, options={"variation": 2}))
            episodes.append(seen)
    np.testing.assert_equal(*episodes)


def test_two_threads_may_step_their_envs():
    def states(env):
        env.reset(options={"variation": 1})
        return [env.step(action)[0]["state"] for _ in range(40)]

    action = np.full(2, 0.5, np.float32)
    envs = [ServedPoints().make_env(TASK) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(states, envs)
    for other in others:
        np.testing.assert_array_equal(first, other)
    for env in envs:
        env.close()


def test_an_announced_step_that_is_not_taken_is_withdrawn():
    action = np.full(2, 0.5, np.float32)
    with closing(ServedPoints().make_env(TASK)) as env:
        env.reset(options={"variation": 1})
        expected = env.step(action)
        env.reset(options={"variation": 1})
        env.announce(action)
        env.reset(options={"variation": 1})
        np.testing.assert_equal(env.step(action), expected)
        with pytest.raises(InputError, match=r"step 1: the action .* is not finite"):
            env.step(np.full(2, np.nan, np.float32))


def test_a_step_that_hangs_ends_its_env_alone(monkeypatch):
    suite, action = ServedPoints(how="hang"), np.ones(2, np.float32)
    with closing(suite.make_env(TASK)) as env, closing(suite.make_env(TASK)) as other:
        env.reset(options={"variation": BROKEN})
        other.reset(options={"variation": 1})
        for _ in range(2):
            env.step(action)
            other.step(action)
        env.announce(action)
        other.announce(action)
        with monkeypatch.context() as patched, pytest.raises(SimulationError) as hung:
            patched.setattr(HEARTBEAT, "limit", 0.5)
            env.step(action)
        assert hung.value.reason == "made no progress for 0.4 s"
        observation, *_ = other.step(action)
        assert env.reset(options={"variation": 1})[0]["state"].any()
    with closing(PointsSuite().make_env(TASK)) as own:
        own.reset(options={"variation": 1})
        *_, (expected, *_) = map(own.step, [action] * 3)
    np.testing.assert_array_equal(observation["state"], expected["state"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "shape",
            r"step 3: observation 'state' is an array of shape \(3,\) and type float32;"
            r" expected an array of shape \(12,\), as the observation space says\.",
        ),
        ("kind", r"and type <U\d+; expected float32\."),
        (
            "nan",
            r"step 3: observation 'state' is not finite in components \[1\], as float32\.",
        ),
        (
            "tuple",
            r"step 3: step returned a tuple of 4; expected \(observation, reward,",
        ),
        ("reward", r"step 3: reward is None; expected a number\."),
        ("truncated", r"step 3: truncated is 'no'; expected True or False\."),
        (
            "silent",
            r"step 3: info is a dict without 'success'; expected True or False\.",
        ),
    ],
)
def test_a_served_env_that_breaks_its_contract_ends_the_evaluation(
    tmp_path, how, message
):
    suite = ServedPoints(variant="MT4", horizon=16, how=how)
    with pytest.raises(InputError, match=f"{TASK}, variation {BROKEN}, .*{message}"):
        trials(tmp_path, suite, tasks=[TASK])


def test_a_simulator_may_print(expected, tmp_path):
    suite = ServedPoints(variant="MT4", horizon=16, how="print")
    rows = trials(tmp_path, suite, tasks=[TASK])
    assert rows == [row for row in expected if row["task"] == TASK]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"cameras": ["corner2"], "size": 32}])
def test_a_served_simulator_steps_as_in_process(options):
    suite, task = metaworld("MT10", MetaWorldConfig(**options)), "drawer-close-v3"
    file = Path(__file__).with_name("metaworld_server.py")
    expert, episodes = suite.make_expert(task), []
    served = ServedEnv(
        Simulator(file=file), task, {"train": suite.variations(task, "train")}, options
    )
    for env in (suite.make_env(task), served):
        with closing(env):
            env.blind = bool(options)
            seen = [env.reset(seed=1, options={"variation": 2_000_003})]
            for _ in range(40):
                shown = {"state": seen[-1][0]["state"]} if "state" in seen[-1][0] else 0
                action = expert(shown) if shown else np.full(4, 0.3, np.float32)
                seen.append(env.step(action))
                if env.blind:
                    seen[-1] = (seen[-1][0] | env.pictures(), *seen[-1][1:])
        episodes.append(seen)
    for own, other in zip(*episodes, strict=True):
        np.testing.assert_equal(own[0], other[0])
        np.testing.assert_equal(own[1:-1], other[1:-1])
        assert own[-1].get("success") == other[-1].get("success")


@pytest.mark.parametrize(
    ("unmade", "error", "message"),
    [
        (
            "raise",
            PlugInError,
            r"cannot make 'a': FileNotFoundError: no assets \(points",
        ),
        ("die", SimulationError, r"its server ended with exit code 4"),
        (
            "space",
            PlugInError,
            r"the space of 'state' is Box.*float64\); expected a Box",
        ),
    ],
)
def test_an_env_that_cannot_be_made_says_why(unmade, error, message):
    with pytest.raises(error, match=message):
        ServedEnv(SIMULATOR, "a", SPLITS, {"unmade": unmade})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nosuch", "cannot be loaded .*: ModuleNotFoundError: No module named"),
        ("import os; os._exit(5)", "does not start .* ended with exit code 5"),
        ("x = 1", "AttributeError: module 'robomtl_simulator' has no attribute 'make'"),
    ],
)
def test_a_server_that_does_not_start_says_why(tmp_path, code, message):
    file = tmp_path / "bad_server.py"
    file.write_text(code)
    with pytest.raises(PlugInError, match=message):
        ServedEnv(Simulator(file=file), "a", SPLITS)


def test_a_server_of_another_protocol_is_refused(monkeypatch):
    monkeypatch.setattr(server, "PROTOCOL", 99)
    with pytest.raises(
        PlugInError, match="speaks version 1 .* this process version 99"
    ):
        Simulator(file=Path(__file__).with_name("bare_server.py")).process()


STRANGE = """
import os, struct, sys, time
for number, (kind, payload, length) in enumerate({answers!r}):
    if number:  # The first is a greeting; each later one answers a message.
        os.read(int(sys.argv[1]), 2**16)
    head = struct.pack("<cI", kind, length or len(payload))
    os.write(int(sys.argv[2]), head + payload)
time.sleep(60)
"""
HELLO = b"D", b'{"protocol": 1, "python": "3.8.0"}', 0
PART = (
    '{"name": "%s", "dtype": "float32", "shape": [1], "at": 64, "low": "", "high": ""}'
)
MADE = f"""{{"slot": 0, "offset": 4096, "size": 4096, "action": {PART % ""}, "observation":
 [{PART % "state"}], "sighted": false, "horizon": 1, "fps": 1, "render_mode": null}}"""


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [(b"D", b"{", 0)],
            "An answer of the server of bare_server.py is damaged or cut",
        ),
        ([(b"D", b"", 2**30)], "its server announced an answer of 1,073,741,829 bytes"),
        ([HELLO, (b"D", b"[]", 0)], r"is damaged: \$: expected object, got array"),
        (
            [HELLO, (b"D", MADE.encode(), 0)],
            "names 4096 bytes at 4096, beyond the memory",
        ),
    ],
)
def test_strange_answers_are_refused(tmp_path, monkeypatch, answers, message):
    strange = tmp_path / "server.py"
    strange.write_text(STRANGE.format(answers=answers))
    monkeypatch.setattr(server, "__file__", str(strange))
    simulator = Simulator(file=Path(__file__).with_name("bare_server.py"))
    monkeypatch.setattr("robomtl.simulators.simulator._PROCESSES", {})
    with pytest.raises(PlugInError, match=message):
        ServedEnv(simulator, "count", {"train": range(1)})


def test_the_server_is_written_for_python_3_8():
    ast.parse(Path(server.__file__).read_text(), feature_version=(3, 8))


def test_a_server_without_envs_ends_and_another_one_starts(tmp_path, monkeypatch):
    hasty = tmp_path / "server.py"
    code = Path(server.__file__).read_text()
    hasty.write_text(code.replace("UNUSED = 60.0", "UNUSED = 0.01"))
    simulator = Simulator(file=Path(__file__).with_name("bare_server.py"))
    with monkeypatch.context() as patch:  # A busy machine makes no env in time.
        patch.setattr(server, "__file__", str(hasty))
        process = simulator.process()
    while process.alive:
        time.sleep(0.01)
    assert simulator.process() is not process
    ServedEnv(simulator, "count", {"train": range(1)}).close()


def test_envs_that_are_made_and_closed_take_no_more_memory():
    def size():
        return os.fstat(SIMULATOR.process()._memory.fileno()).st_size

    ServedPoints(images=64).make_env(TASK).close()
    before = size()
    for _ in range(3):
        ServedPoints(images=64).make_env(TASK).close()
    assert size() == before


ORPHAN = """
import time
import numpy as np
from served_points import SIMULATOR, ServedPoints
env = ServedPoints(how="hang").make_env("reach-red")
env.reset(options={"variation": 1_000_003})
print(SIMULATOR.process().pid, flush=True)
while True:
    env.step(np.ones(2, np.float32))
"""


def test_no_server_outlives_a_killed_process():
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        pid = int(process.stdout.readline())
        time.sleep(0.2)  # It hangs in a step.
        process.kill()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_served_suite_keeps_the_contract():
    assert not check_suite(ServedPoints(), tasks=[TASK])


@pytest.mark.parametrize("images", [0, 16])
def test_a_served_env_steps_as_the_env_itself(images):
    own, served = (
        kind(images=images, camera=Camera(width=32, height=24))
        for kind in (PointsSuite, ServedPoints)
    )
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    episodes = []
    for suite in (own, served):
        with closing(suite.make_env("reach-flag")) as env:
            result = env.reset(seed=3, options={"variation": 7})
            steps = [result, *map(env.step, actions)]
            episodes.append((steps, env.render(), env.pictures()))
            spaces = env.observation_space, env.action_space, env.horizon
            episodes[-1] = (*episodes[-1], spaces, env.metadata)
    np.testing.assert_equal(*episodes)
