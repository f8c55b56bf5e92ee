import sys
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest
import torch
from wobbling import BROKEN, BrokenSuite, Here, WobblingAgent

from robomtl import checkpoint, viewing
from robomtl.acting.agent import PolicyAgent
from robomtl.camera import Camera
from robomtl.checkpoint import Card
from robomtl.cli.main import main
from robomtl.conditioning import Conditioning
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import THINGS
from robomtl.errors import EpisodesError, InputError
from robomtl.evaluation import EvaluationConfig, ExpertAgent, Results
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.gymnasium_factory import from_gymnasium
from robomtl.policies.mlp import MLPConfig
from robomtl.policy import Spec

pytestmark = [
    pytest.mark.usefixtures("forked_workers"),
    # Every worker that collects the tests would take the time to import it.
    pytest.mark.skipif(find_spec("rerun") is None, reason="needs the extra view"),
]

POINTS = PointsSuite(variant="MT6", horizon=16)


def evaluated(out, *, agent=None, suite=POINTS, **options):
    return evaluate(
        agent or WobblingAgent(),
        suite,
        out=out,
        config=EvaluationConfig(**{"tasks": ["reach-blue"], "episodes": 12, **options}),
        compute=Compute(executor=Here()),
    )


def recorded(path):
    """Values in a file of rerun by entity, for each step or static."""
    from rerun import chunk

    series = {}
    for part in chunk.RrdReader(path).stream():
        batch = part.to_record_batch()
        columns = {name: batch.column(name) for name in batch.schema.names}
        steps = columns.get("step")
        steps = [None] * part.num_rows if steps is None else steps.to_pylist()
        for name, column in columns.items():
            if ":" in name:
                entity = f"{part.entity_path.lstrip('/')} {name.partition(':')[2]}"
                values = zip(steps, column.to_pylist(), strict=True)
                series.setdefault(entity, {}).update(values)
    return series


def pushing(suite, variation=1_000_000):
    return viewing.new_trial(suite, task="push-ball", variation=variation)


def an_agent(folder, *, seed=0):
    """A policy that was never trained."""
    suite = PointsSuite()
    tasks = tuple(task.name for task in suite.train_tasks)
    conditioning = Conditioning(kinds=("one_hot",), tasks=tasks, goal=None)
    card = Card(
        policy="mlp",
        config=vars(MLPConfig(width=8)),
        spec=Spec(state=12, action=2, embedding=conditioning.size),
        conditioning=conditioning,
        suite=suite.name,
        suite_options={},
        step=0,
    )
    torch.manual_seed(seed)
    checkpoint.save(folder, checkpoint.build(card), card)
    return PolicyAgent(folder)


def say(capsys, *words):
    assert main(["view", *(str(word) for word in words)]) == 2
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    evaluated(out)
    return out


@pytest.fixture
def shown(tmp_path):
    """A trial of the expert, as it was logged, and how it went."""
    path = tmp_path / "trial.rrd"
    outcome = viewing.view(ExpertAgent(), POINTS, pushing(POINTS), save=path)
    return recorded(path), outcome


def test_a_file_holds_every_moment_of_a_trial(shown):
    series, outcome = shown
    env, expert = POINTS.make_env("push-ball"), POINTS.make_expert("push-ball")
    observation, _ = env.reset(options={"variation": 1_000_000})
    for step in range(outcome.length):
        state = observation["state"]
        assert np.allclose(series["state scalars"][step], state)
        for row, thing in enumerate(THINGS):
            (place,) = series[f"positions/{thing} positions"][step]
            assert np.allclose(place, [*state[2 * row : 2 * row + 2], 0])
        action = expert(observation)
        assert np.allclose(series["action scalars"][step + 1], action)
        observation, reward, *_, info = env.step(action)
        assert np.allclose(series["reward scalars"][step + 1], reward)
        assert series["success scalars"][step + 1] == [info["success"]]
    assert len(series["camera blob"]) == outcome.length + 1


def test_numbers_of_a_state_are_named_by_what_is_there(shown):
    series, _ = shown
    ((names),) = series["state names"].values()
    assert names[:4] == ["point x", "point y", "ball x", "ball y"]


def test_paths_and_the_outcome_are_told(shown):
    series, outcome = shown
    ((paths,),) = series["positions/ball/path strips"].values()
    assert len(paths) == outcome.length + 1
    (((text),),) = series["trial text"].values()
    assert "- task: push-ball\n- variation: 1000000" in text
    assert "- instruction: push the ball to the flag" in text
    assert f"- success: {outcome.success}" in text


def test_without_a_camera_there_are_numbers_only(tmp_path):
    path = tmp_path / "trial.rrd"
    viewing.view(ExpertAgent(), POINTS, pushing(POINTS), camera=None, save=path)
    series = recorded(path)
    assert "state scalars" in series
    assert not [name for name in series if name.startswith("camera")]


def test_a_suite_that_shows_nothing_and_names_no_position_is_seen_in_numbers(tmp_path):
    hills = from_gymnasium(
        "hills",
        {"climb": lambda: gymnasium.make("MountainCarContinuous-v0")},
        {"climb": ["drive up"]},
        success=lambda outcome: outcome.terminated,
        experts={"climb": lambda observation: np.ones(1, np.float32)},
        horizon=5,
    )
    path = tmp_path / "trial.rrd"
    trial = viewing.new_trial(hills, task=None, variation=None)
    assert viewing.view(ExpertAgent(), hills, trial, save=path).length == 5
    series = recorded(path)
    assert len(series["state scalars"]) == 6
    assert not [name for name in series if name.startswith(("camera", "positions/"))]


def test_the_first_failure_of_an_evaluation_is_shown(evaluation, tmp_path):
    records = Results.read(evaluation).records
    failure = next(record for record in records if not record.success)
    assert any(record.success for record in records)
    agent = WobblingAgent()
    place = viewing.recorded_trial(evaluation, agent, POINTS)
    assert place.record == failure
    path = tmp_path / "trial.rrd"
    played = viewing.view(agent, POINTS, place, save=path, camera=Camera(width=64))
    assert played.length == failure.length
    assert not played.success


def test_the_trial_that_was_named_is_shown(evaluation):
    place = viewing.recorded_trial(
        evaluation, WobblingAgent(), POINTS, variation=1_000_011, repeat=0
    )
    assert (place.chunk.trials[place.row].variation, place.row) == (1_000_011, 1)


def test_a_task_that_there_is_not_names_the_nearest(evaluation):
    agent = WobblingAgent()
    with pytest.raises(ValueError, match="'push-bal'. Did you mean 'push-ball'"):
        viewing.recorded_trial(evaluation, agent, POINTS, task="push-bal")


def test_a_trial_that_was_not_played_is_refused(evaluation):
    message = "no trial with an outcome for task reach-blue, variation 7"
    with pytest.raises(ValueError, match=message):
        viewing.recorded_trial(
            evaluation, WobblingAgent(), POINTS, task="reach-blue", variation=7
        )


def test_a_trial_that_goes_otherwise_leaves_no_file(evaluation, tmp_path):
    place = viewing.recorded_trial(evaluation, WobblingAgent(), POINTS)
    path = tmp_path / "trial.rrd"
    with pytest.raises(ValueError, match="differs from its record: success is False"):
        viewing.view(ExpertAgent(), POINTS, place, save=path)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_place_of_the_file_is_refused_before_the_trial(tmp_path):
    trial = viewing.new_trial(POINTS, task="reach-red", variation=None)
    message = (
        f"{tmp_path} is a folder; give a file to write, such as {tmp_path}/trial.rrd"
    )
    with pytest.raises(InputError, match=message):
        viewing.view(ExpertAgent(), POINTS, trial, save=tmp_path)


def test_a_new_trial_that_breaks_off_leaves_no_file_and_says_why(tmp_path):
    suite, path = BrokenSuite(horizon=8), tmp_path / "trial.rrd"
    trial = viewing.new_trial(suite, task="reach-red", variation=BROKEN)
    message = "The trial of 'reach-red' ended in an error: step 3: it blew up"
    with pytest.raises(EpisodesError, match=message):
        viewing.view(ExpertAgent(), suite, trial, camera=None, save=path)
    assert not path.exists()


def test_without_a_display_a_file_is_asked_for(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ValueError, match="no display .* give --save FILE.rrd"):
        viewing.view(ExpertAgent(), POINTS, pushing(POINTS))


def test_the_command_shows_experts_and_their_evaluations(tmp_path, capsys):
    out, path = tmp_path / "out", tmp_path / "trial.rrd"
    evaluated(out, agent=ExpertAgent(), tasks=["reach-red"], episodes=1)
    assert main(["view", str(out), "--save", str(path), "--no-pictures"]) == 0
    assert f"rerun {path} shows it" in capsys.readouterr().out
    assert len(recorded(path)["state scalars"]) == 17
    words = "view expert --suite points/MT4 --task reach-flag --horizon 5 --size 32 16"
    assert main([*words.split(), "--save", str(path)]) == 0
    assert len(recorded(path)["camera blob"]) == 6


def test_the_policy_of_an_evaluation_is_found_beside_it_or_named(tmp_path, capsys):
    run, out, path = tmp_path / "run", tmp_path / "elsewhere", tmp_path / "trial.rrd"
    agent = an_agent(run)
    for folder in (run, run / "again", out):
        options = {"suite": PointsSuite(horizon=5), "tasks": ["reach-red"]}
        evaluated(folder, agent=agent, episodes=1, **options)
    save = ("--no-pictures", "--save", str(path))
    for folder in ((run,), (run / "again",), (out, "--run", run)):
        assert main(["view", *map(str, folder), *save]) == 0
    assert "evaluation of 'run', which was not found there; name its run" in say(
        capsys, out
    )
    other = an_agent(tmp_path / "other", seed=1)
    message = "not the trials that were evaluated: fingerprint is"
    assert message in say(capsys, out, "--run", other.run)


def test_without_the_extra_its_name_is_told(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert "pip install 'robomtl[view]'" in say(capsys, "expert")
