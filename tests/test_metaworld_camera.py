import gc
import io

import mujoco
import numpy as np
import pytest
from families import Here
from gymnasium.envs.mujoco.mujoco_rendering import OffScreenViewer
from wobbling import WobblingAgent

from robomtl.acting.agent import PolicyAgent
from robomtl.camera import Camera, take_picture, with_camera
from robomtl.demonstrations import CollectionConfig, add_cameras, collect
from robomtl.envs.metaworld_cameras import CAMERAS, SYNONYMS, WINDOWS
from robomtl.envs.metaworld_env import MetaWorldEnv
from robomtl.envs.mujoco_opengl import find_backend, make_context
from robomtl.evaluation import EvaluationConfig, film
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.planning import planned
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.suites import suite
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.slow

MT50 = suite("metaworld/MT50", horizon=100)


@pytest.fixture(scope="module", autouse=True)
def opengl():
    try:
        find_backend()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def open_drawer(opengl):
    """An env that stays open: others of its task share its model and its screen."""
    env = with_camera(MT50, Camera(width=96, height=96)).make_env("drawer-open-v3")
    env.reset(options={"variation": 1})
    take_picture(env)
    yield
    env.close()


@pytest.fixture
def seen():
    """Makes envs at the start of an episode, and closes them."""
    envs = []

    def make(task="drawer-open-v3", **given):
        camera = Camera(**{"width": 96, "height": 96, **given})
        envs.append(with_camera(MT50, camera).make_env(task))
        envs[-1].reset(options={"variation": 1})
        return envs[-1]

    yield make
    for env in envs:
        env.close()


class Viewer(OffScreenViewer):
    """Meta-World's own way to draw, with the library that is here."""

    def _get_opengl_backend(self, width, height):
        self.opengl_context = make_context(width, height)

    def picture(self, camera):
        self.make_context_current()
        index = self.model.camera(camera).id
        return self.render("rgb_array", camera_id=index).copy()

    def close(self):
        self.make_context_current()
        self.con.free()
        self.opengl_context.free()


def middle_of_red(picture):
    """Row and column of the middle of all that is red: the arm."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return np.argwhere((red > 2 * green) & (red > 2 * blue)).mean(0)


def moved(env, way):
    for _ in range(30):
        env.step(np.array([*way, 0], np.float32))
    return take_picture(env)


@pytest.mark.parametrize("task", ["drawer-open-v3", "soccer-v3"])
def test_faithful_pictures_are_meta_world_s_own_turned_the_right_way_up(seen, task):
    upstream = suite("metaworld/MT50", upstream=True).make_env(task)
    upstream.reset(options={"variation": 1})
    inside, env = upstream.simulator.env, seen(task, profile="faithful")
    mujoco.mj_forward(inside.model, inside.data)  # After its reset it lags behind.
    viewer = Viewer(inside.model, inside.data, 96, 96)
    expert = MT50.make_expert(task)
    observation, _ = env.reset(options={"variation": 1})
    for step in range(31):
        if step % 30 == 0:
            theirs = viewer.picture("corner2")[::-1, ::-1]
            assert np.array_equal(take_picture(env), theirs)
        action = expert(observation)
        observation, *_ = env.step(action)
        upstream.step(action)
    viewer.close()


def test_the_first_picture_is_the_same_whether_its_start_was_kept_or_not(seen):
    env = seen("drawer-open-v3", profile="faithful")
    pictures = []
    for _ in range(2):
        env.reset(options={"variation": 17})
        pictures.append(take_picture(env))
    assert np.array_equal(*pictures)


@pytest.mark.parametrize("camera", ["corner", "corner2", "corner3", "corner4"])
def test_corners_see_the_hand_rise(seen, camera):
    env = seen(name=camera)
    before = middle_of_red(take_picture(env))
    assert middle_of_red(moved(env, (0, 0, 1)))[0] < before[0] - 1


def test_corner2_sees_the_hand_go_away_from_the_robot_to_the_right(seen):
    env = seen()
    before = middle_of_red(take_picture(env))
    assert middle_of_red(moved(env, (0, 1, 0)))[1] > before[1] + 1


def test_a_camera_at_the_hand_or_above_the_table_is_not_turned(seen):
    cameras = ("topview", "gripperPOV")
    envs = [seen(name=camera, profile="faithful") for camera in cameras]
    pictures = [take_picture(env) for env in envs]
    inside = envs[0].simulator.env
    viewer = Viewer(inside.model, inside.data, 96, 96)
    for camera, picture in zip(cameras, pictures, strict=True):
        assert np.array_equal(picture, viewer.picture(camera))
    viewer.close()


def test_every_task_has_the_cameras(seen):
    model = seen().simulator.env.model
    own = {model.camera(index).name for index in range(model.ncam)}
    assert own == {*CAMERAS} - {*SYNONYMS} - {*WINDOWS}


def test_corner2_close_is_corner2_moved_towards_the_table(seen):
    model = seen().simulator.env.model
    far, near = model.camera("corner2"), model.camera(SYNONYMS["corner2-close"])
    assert near.pos.tolist() == [0.75, 0.075, 0.7]
    assert np.array_equal(near.quat, far.quat)
    assert near.fovy == far.fovy


def test_corner2_zoom_is_a_window_of_corner2_close():
    shown = {}
    for name, size in {"corner2-close": 200, "corner2-zoom": 132}.items():
        made = suite("metaworld/MT10", cameras=[name], size=size)
        env = made.make_env("drawer-open-v3")
        shown[name] = env.reset(options={"variation": 7})[0][f"image.{name}"]
        env.close()

    assert (shown["corner2-zoom"] == shown["corner2-close"][44:176, 56:188]).all()


def test_fast_pictures_show_the_same_without_shadows_and_reflections(seen):
    fast, faithful = (
        take_picture(seen(profile=profile)).astype(float)
        for profile in ("fast", "faithful")
    )
    assert (fast != faithful).any()
    assert np.corrcoef(fast.ravel(), faithful.ravel())[0, 1] > 0.95


def test_pictures_are_480_pixels_of_corner2_drawn_fast_unless_others_are_asked_for(
    seen,
):
    own = with_camera(MT50, Camera()).camera
    assert own == Camera(name="corner2", profile="fast", width=480, height=480)
    assert take_picture(seen(width=120, height=64)).shape == (64, 120, 3)


def test_an_unknown_camera_names_the_nearest():
    with pytest.raises(ValueError, match="camera 'corner5'. Did you mean 'corner'"):
        with_camera(MT50, Camera(name="corner5"))


@pytest.mark.parametrize("profile", ["fast", "faithful"])
def test_pictures_never_change_the_physics(seen, profile):
    task = "pick-place-v3"
    env, unseen = seen(task, profile=profile), MT50.make_env(task)
    settings = env.simulator.env.model.vis.quality
    before = settings.offsamples, settings.shadowsize
    expert, (observation, _) = (
        MT50.make_expert(task),
        env.reset(options={"variation": 1}),
    )
    unseen.reset(options={"variation": 1})
    for step in range(60):
        if step % 20 == 0:
            take_picture(env)
        action = expert(observation)
        shown, other = (each.step(action) for each in (env, unseen))
        observation = shown[0]
        assert observation["state"].tobytes() == other[0]["state"].tobytes()
        assert shown[1:] == other[1:]
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    states = []
    for inside in (env.simulator.env, unseen.simulator.env):
        states.append(np.empty(mujoco.mj_stateSize(inside.model, kind)))
        mujoco.mj_getState(inside.model, inside.data, states[-1], kind)
    assert states[0].tobytes() == states[1].tobytes()
    assert (settings.offsamples, settings.shadowsize) == before


def test_envs_seen_side_by_side_do_not_disturb_each_other(seen):
    one = seen("door-close-v3")  # Of a task of which no other env is open.
    alone = take_picture(one)
    other = with_camera(MT50, Camera(width=64, height=64)).make_env("push-v3")
    other.reset(options={"variation": 2})
    take_picture(other)
    assert np.array_equal(take_picture(one), alone)
    del other  # Without having been closed.
    gc.collect()
    assert np.array_equal(take_picture(one), alone)
    one.close()
    assert np.array_equal(take_picture(one), alone)


def pictured(variant="MT50", task="reach-v3", **options):
    made = suite(
        f"metaworld/{variant}", cameras=["corner2-close", "topview"], **options
    )
    env = made.make_env(task)
    return env, env.reset(options={"variation": 1})[0]


def test_observations_hold_what_each_camera_sees_and_what_the_robot_knows_of_itself(
    seen,
):
    env, observation = pictured(size=96)
    assert env.observation_space.contains(observation)
    assert np.array_equal(observation["proprioception"], observation["state"][:4])
    for name in ("corner2-close", "topview"):
        alone = take_picture(seen("reach-v3", name=name))
        assert np.array_equal(observation[f"image.{name}"], alone)
    env.close()


def test_the_cameras_of_all_envs_of_a_task_share_one_screen():
    from robomtl.envs.mujoco_camera import _SCREENS

    before = len(_SCREENS)
    envs = [pictured(size=40)[0] for _ in range(2)]
    assert len(_SCREENS) == before + 1
    for env in envs:
        env.close()
    assert len(_SCREENS) == before


def test_where_goals_are_hidden_pictures_hide_them_from_experts_too():
    shown, observed = pictured("ML1/reach-v3", goals="observable")
    (hidden, unseen), name = pictured("ML1/reach-v3"), "image.topview"
    made = suite("metaworld/ML1/reach-v3", cameras="topview")
    expert = made.expert_suite.make_env("reach-v3")
    recorded, _ = expert.reset(options={"variation": 1})
    assert (observed[name] != unseen[name]).any()
    assert np.array_equal(recorded[name], unseen[name])
    assert recorded["state"][36:].any()
    for env in (shown, hidden, expert):
        env.close()


def test_videos_of_meta_world_play_upright_in_real_time(tmp_path):
    av = pytest.importorskip("av", reason="needs the extra video")
    config = EvaluationConfig(tasks=["drawer-open-v3"], episodes=1)
    alone = Compute(workers=1)
    evaluate(WobblingAgent(), MT50, out=tmp_path, config=config, compute=alone)
    films = film(
        WobblingAgent(),
        MT50,
        tmp_path,
        trials=1,
        camera=Camera(width=96, height=96),
        compute=alone,
    )
    (one,) = films
    assert one.fault is None
    with av.open(io.BytesIO(one.path.read_bytes())) as container:
        rate = float(container.streams.video[0].average_rate)
        shown = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    # Every third of 100 steps, the start and the end, at 80 steps a second.
    assert len(shown) == 35
    assert rate == pytest.approx(80 / 3, rel=1e-3)
    env = with_camera(MT50, Camera(width=96, height=96)).make_env("drawer-open-v3")
    env.reset(options={"variation": one.record.variation})
    first = take_picture(env).astype(int)
    env.close()
    assert first.mean() > 50
    assert np.abs(shown[0] - first).mean() < 6
    assert np.abs(shown[0][::-1, ::-1] - first).mean() > 20


def test_a_policy_of_pictures_goes_from_a_collection_to_an_evaluation(
    tmp_path, monkeypatch
):
    pytest.importorskip("av", reason="needs the extra video")
    options = {"cameras": ["gripperPOV"], "size": 16}
    seen = suite("metaworld/MT50", **options)
    one = CollectionConfig(tasks=["drawer-close-v3"], episodes=1)
    here = Compute(executor=Here())
    data = collect(seen, tmp_path / "seen", config=one, compute=here)
    mt50 = suite("metaworld/MT50")
    collect(mt50, tmp_path / "states", config=one, compute=here)
    added = add_cameras(
        tmp_path / "states", tmp_path / "added", options=options, compute=here
    )
    assert added.fingerprint == data.fingerprint
    config = TrainConfig(steps=1, batch_size=4, precision="float32", device="cpu")
    train(data, out=tmp_path / "run", policy_config={"chunk": 4}, config=config)
    agent = PolicyAgent(tmp_path / "run")
    short = suite("metaworld/MT50", horizon=9, **options)
    (record,) = evaluate(
        agent,
        short,
        out=tmp_path / "out",
        config=EvaluationConfig(tasks=["drawer-close-v3"], episodes=1),
        compute=here,
    ).records
    assert (record.length, record.error) == (9, None)
    looks = []
    own = MetaWorldEnv.pictures
    monkeypatch.setattr(
        MetaWorldEnv, "pictures", lambda env: looks.append(env) or own(env)
    )
    chunk = planned(short, Conditions(tasks=("drawer-close-v3",), episodes=1)).chunks[0]
    PlayChunk(agent, short, "horizon")(chunk)
    assert len(looks) == 3  # Before the actions 1, 5 and 9.
