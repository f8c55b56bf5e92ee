import io
import json
import os
import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from wobbling import BROKEN, BrokenSuite, Here, Wobbling, WobblingAgent

from robomtl.camera import Camera
from robomtl.cli.main import main
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.envs.points_picture import COLOURS
from robomtl.errors import PlugInError
from robomtl.evaluation import EvaluationConfig, ExpertAgent, Results, film, video
from robomtl.evaluation.mp4 import Mp4
from robomtl.evaluation.video import video_path
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LocalExecutor
from robomtl.experiments.evaluating import evaluate
from robomtl.experiments.evaluation_report import write_report

pytestmark = pytest.mark.usefixtures("forked_workers")

av = pytest.importorskip("av", reason="needs the extra video")

POINTS = PointsSuite(variant="MT6", horizon=16)
TASKS = ("reach-blue", "push-ball")
HERE = Compute(executor=Here())


@dataclass(frozen=True, kw_only=True)
class ForgetfulAgent(WobblingAgent):
    """Says that it is the wobbling one, and shakes otherwise in some trials."""

    def load(self, suite):
        return Forgetful(self, suite)


class Forgetful(Wobbling):
    def start(self, trials, task_infos):
        super().start(trials, task_infos)
        self.generators[2:] = [np.random.default_rng(5) for _ in self.generators[2:]]


class FailingEnv(PointsEnv):
    """Cannot be drawn once so many steps are taken."""

    draws = 0

    def render(self):
        if self._step >= self.draws:
            raise RuntimeError("GL error 1282")
        return super().render()


@dataclass(frozen=True, kw_only=True)
class FailingSuite(PointsSuite):
    """A suite whose envs fail to render after some steps."""

    draws: int = 0

    def make_env(self, task):
        env = FailingEnv(task, self.horizon, self.camera)
        env.draws = self.draws
        return env


@dataclass(frozen=True, kw_only=True)
class BlindSuite(PointsSuite):
    """Shows nothing, whatever is asked of it."""

    def with_camera(self, camera):
        return self


def played(out, *, agent=None, suite=POINTS, executor=None, **options):
    return evaluate(
        agent or WobblingAgent(),
        suite,
        out=out,
        config=EvaluationConfig(**{"tasks": TASKS, "episodes": 14, **options}),
        compute=Compute(executor=executor) if executor else HERE,
    )


def filmed(out, *, agent=None, suite=POINTS, **options):
    return film(agent or WobblingAgent(), suite, out, **{"compute": HERE, **options})


def pictures(data):
    """Pictures of an mp4 and how many are shown a second."""
    with av.open(io.BytesIO(data)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(container.decode(stream))
        return [f.to_ndarray(format="rgb24") for f in frames], stream.average_rate


def near(picture, colour):
    """Pixels close to a colour, up to compression."""
    return np.argwhere(np.abs(picture.astype(int) - colour).sum(-1) < 60)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    played(out)
    return out


@pytest.fixture(scope="module")
def films(evaluation):
    """All of the evaluation's trials."""
    return filmed(evaluation, trials="all")


def test_an_mp4_shows_the_pictures_it_was_given():
    mp4 = Mp4(Fraction(80, 3))
    for blue in range(0, 250, 25):
        picture = np.zeros((33, 65, 3), np.uint8)
        picture[:16] = 255, 0, 0
        picture[16:, :, 2] = blue
        mp4.add(picture)
    shown, rate = pictures(mp4.finish())
    assert rate == Fraction(80, 3)
    assert [picture.shape for picture in shown] == [(32, 64, 3)] * 10
    for blue, picture in zip(range(0, 250, 25), shown, strict=True):
        assert np.abs(picture[4, 32] - np.array([255, 0, 0])).max() < 12
        assert np.abs(picture[28, 32] - np.array([0, 0, blue])).max() < 12


def test_every_trial_has_a_video_of_all_its_steps(evaluation, films):
    records = Results.read(evaluation).records
    assert [each.record for each in films] == list(records)
    assert {each.fault for each in films} == {None}
    for each in films:
        shown, rate = pictures(each.path.read_bytes())
        assert len(shown) == each.record.length + 1
        assert rate == 10


def test_videos_lie_by_task_variation_and_repeat(evaluation, films):
    path = evaluation / "videos" / "reach-blue" / "1000003-0.mp4"
    assert films[3].path == path == video_path(evaluation, films[3].record)
    left = {path.name for path in (evaluation / "videos" / "reach-blue").iterdir()}
    assert left == {f"{1_000_000 + variation}-0.mp4" for variation in range(14)}


def test_a_video_shows_its_trial_the_right_way_up(films):
    env = POINTS.make_env("reach-blue")
    for each in films[:3]:
        observation, _ = env.reset(options={"variation": each.record.variation})
        shown, _ = pictures(each.path.read_bytes())
        x, y = observation["state"][:2]
        row, column = near(shown[0], COLOURS["point"]).mean(0)
        side = len(shown[0]) - 1
        assert abs(column - (1.07 + x) / 2.14 * side) < 2
        assert abs(row - (1.07 - y) / 2.14 * side) < 2


def test_the_last_picture_of_a_solved_trial_shows_it_solved(tmp_path):
    played(tmp_path, until="success")
    solved = [each for each in filmed(tmp_path, trials="all") if each.record.success]
    assert solved
    for each in solved:
        if each.record.task == "reach-blue":
            shown, _ = pictures(each.path.read_bytes())
            assert len(shown) == each.record.first_success_step + 1
            point, goal = (
                near(shown[-1], COLOURS[n]).mean(0) for n in ("point", "blue")
            )
            assert np.linalg.norm(point - goal) < 12


def test_failures_are_filmed_and_nothing_else(tmp_path):
    results = played(tmp_path)
    failures = [record for record in results.records if not record.success]
    assert 0 < len(failures) < len(results.records)
    assert [each.record for each in filmed(tmp_path)] == failures
    assert len(list(tmp_path.glob("videos/*/*.mp4"))) == len(failures)


def test_so_many_of_each_task_are_filmed(tmp_path):
    played(tmp_path)
    named = [(f.record.task, f.record.variation) for f in filmed(tmp_path, trials=2)]
    assert named == [(task, 1_000_000 + v) for task in TASKS for v in range(2)]


def test_filming_changes_nothing_of_an_evaluation(evaluation, films, tmp_path):
    played(tmp_path)
    before, after = (Results.read(each).records for each in (tmp_path, evaluation))
    untimed = [[{**vars(r), "seconds": 0} for r in some] for some in (before, after)]
    assert untimed[0] == untimed[1]


def test_videos_that_are_there_are_kept(evaluation, films):
    times = {each.path: os.stat(each.path).st_mtime_ns for each in films}
    films[4].path.unlink()
    half = films[4].path.with_name(f".{films[4].path.name}.1.partial")
    half.touch()  # As a kill leaves it.
    again = filmed(evaluation, trials="all")
    assert again == films
    assert not half.exists()
    remade = [f.path for f in films if os.stat(f.path).st_mtime_ns != times[f.path]]
    assert remade == [films[4].path]


def test_a_trial_that_ends_otherwise_has_no_video_and_says_so(tmp_path):
    played(tmp_path)
    films = filmed(tmp_path, agent=ForgetfulAgent(), trials="all")
    faults = [each for each in films if each.fault]
    assert 0 < len(faults) < len(films)
    assert all(each.path.exists() == (each.fault is None) for each in films)
    assert "in the evaluation and" in faults[0].fault
    assert "when played again" in faults[0].fault


def test_a_trial_that_cannot_be_drawn_to_its_end_has_no_video_and_says_so(tmp_path):
    suite = FailingSuite(variant="MT6", horizon=16, draws=3)
    played(tmp_path, suite=suite, tasks=("reach-blue",), episodes=1)
    (it,) = filmed(tmp_path, suite=suite, trials="all")
    assert not it.path.exists()
    assert it.fault.startswith(
        "it failed when it was played again, step 3: RuntimeError: GL error 1282"
    )


def test_a_suite_that_cannot_be_drawn_is_refused_before_anything_is_filmed(tmp_path):
    suite = FailingSuite(variant="MT6", horizon=16)
    played(tmp_path, suite=suite, tasks=("reach-blue",), episodes=1)
    message = (
        "No picture of 'reach-red' of points/MT6 can be taken: RuntimeError: GL error"
        r" 1282 \(test_video.py, line \d+\)\."
    )
    with pytest.raises(PlugInError, match=message):
        filmed(tmp_path, suite=suite)


@pytest.mark.slow
def test_two_workers_film_what_one_does(evaluation, films, tmp_path):
    played(tmp_path)
    again = filmed(tmp_path, trials="all", compute=None)
    assert [each.path.read_bytes() for each in again] == [
        each.path.read_bytes() for each in films
    ]


@pytest.mark.slow
def test_a_trial_whose_process_dies_has_no_video_and_says_so(tmp_path):
    played(tmp_path, tasks=("reach-blue",), episodes=11)
    deadly = WobblingAgent(deadly=tmp_path / "deaths", deaths=9)
    once = Compute(executor=LocalExecutor(attempts=1))
    films = filmed(tmp_path, agent=deadly, trials=11, compute=once)
    assert [each.fault is None for each in films] == [True] * 10 + [False]
    assert "its process was killed by SIGKILL" in films[-1].fault


def test_trials_that_ended_in_an_error_are_not_filmed(tmp_path):
    suite = BrokenSuite(horizon=8)
    results = played(tmp_path, suite=suite, tasks=("reach-blue",), episodes=5)
    errors = [record.variation for record in results.records if record.error]
    assert errors == [BROKEN]
    films = filmed(tmp_path, trials="all", suite=PointsSuite(horizon=8))
    assert [each.record for each in films] == [
        r for r in results.records if not r.error
    ]


def test_a_size_is_that_of_the_video(tmp_path):
    played(tmp_path, episodes=1)
    (one, _) = filmed(tmp_path, trials=1, camera=Camera(width=64, height=48))
    shown, _ = pictures(one.path.read_bytes())
    assert shown[0].shape == (48, 64, 3)


def test_videos_of_two_cameras_are_not_mixed(evaluation, films):
    message = (
        "has videos of another camera: width is None in the folder and 64 now. Give the"
    )
    with pytest.raises(ValueError, match=message):
        filmed(evaluation, camera=Camera(width=64))


def test_another_agent_or_suite_is_refused(evaluation):
    message = "not the trials that were evaluated: fingerprint is 'wobbling' in the"
    with pytest.raises(ValueError, match=message):
        filmed(evaluation, agent=ExpertAgent())
    with pytest.raises(ValueError, match="options.horizon is 16 in the .* and 9 now"):
        filmed(evaluation, suite=PointsSuite(variant="MT6", horizon=9))


def test_wordings_that_were_changed_since_are_refused(tmp_path):
    wordings = tmp_path / "wordings.json"
    wordings.write_text(json.dumps({"reach-blue": ["go to the blue one"]}))
    out = tmp_path / "out"
    played(out, tasks=("reach-blue",), episodes=2, instructions=wordings)
    wordings.write_text(json.dumps({"reach-blue": ["go there"]}))
    message = "instruction is 'go to the blue one' in the evaluation and 'go there' now"
    with pytest.raises(ValueError, match=message):
        filmed(out)


def test_examples_are_a_failure_and_a_success_of_one_task(tmp_path):
    results = played(tmp_path)
    films = filmed(tmp_path, trials="examples")
    assert [each.record.success for each in films] == [True, False] or [
        each.record.success for each in films
    ] == [False, True]
    assert len({each.record.task for each in films}) == 1
    found = video.find_videos(tmp_path, results)
    write_report(tmp_path / "report.html", results, videos=found)
    shown = (tmp_path / "report.html").read_text()
    assert shown.count('<figure class="featured"') == 2


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ("failure", "Unknown trials 'failure'. Did you mean 'failures'"),
        (0, "0 videos of each task were requested; give at least 1"),
    ],
)
def test_what_chooses_no_trial_is_refused(evaluation, trials, message):
    with pytest.raises(ValueError, match=message):
        filmed(evaluation, trials=trials)


def test_a_suite_that_shows_nothing_is_refused(tmp_path):
    suite = BlindSuite(horizon=8)
    played(tmp_path, suite=suite, tasks=("reach-blue",), episodes=1)
    with pytest.raises(
        ValueError, match="The env renders no pictures: its render_mode"
    ):
        filmed(tmp_path, suite=suite)


def evaluated(out, *words):
    given = ["evaluate", "expert", "--suite", "points/MT4", "--horizon", "12"]
    given += ["--episodes", "2", "--workers", "1", "--out", out, *words]
    return main([str(word) for word in given])


@pytest.mark.slow
def test_a_flag_films_during_and_after_an_evaluation(tmp_path, capsys):
    size = ("--video-size", 64, 64)
    assert evaluated(tmp_path, "--video", 1, *size) == 0
    assert f"Videos: 4 in {tmp_path / 'videos'}" in capsys.readouterr().out
    assert evaluated(tmp_path, "--video", "all", *size) == 0
    assert len(list(tmp_path.glob("videos/*/*.mp4"))) == 8


def test_the_report_shows_the_videos_that_are_there(evaluation, films):
    results = Results.read(evaluation)
    found = video.find_videos(evaluation, results)
    assert {*found.values()} == {each.path for each in films}
    first = [record.success for record in results.records].count(False)
    solved = {each.path: each.record.success for each in films}
    assert [solved[path] for path in found.values()].index(True) == first
    played(evaluation)
    page = (evaluation / "report.html").read_text()
    assert page.count('id="clip-') == len(found)


def test_without_the_extra_no_trial_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert evaluated(tmp_path / "out", "--video", "failures") == 2
    assert "pip install 'robomtl[video]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_video_that_is_missing_is_told(tmp_path, capsys, monkeypatch):
    def faulty(agent, suite, folder, **options):
        record = Results.read(folder).records[0]
        path = video_path(folder, record)
        return (video.Film(record=record, path=path, fault="it went otherwise"),)

    monkeypatch.setattr("robomtl.cli.evaluate.film", faulty)
    assert evaluated(tmp_path, "--video", 1) == 0
    said = capsys.readouterr().out
    assert "Videos: 0 in" in said
    assert (
        "No video of reach-red, variation 1000000, repeat 0: it went otherwise" in said
    )
