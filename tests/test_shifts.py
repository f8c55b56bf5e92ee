"""Shifted suites: names, refusals, and the effects of each shift."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import robomtl
from robomtl.checking.checking import check_suite
from robomtl.errors import InputError
from robomtl.shifts.physics import movable
from robomtl.shifts.shift import SHIFTS, Effect, Scene
from robomtl.task import Env, Suite

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = "points/MT4"
TASK = "reach-red"


def episode(name: str, variation: int = 3, steps: int = 6) -> list[np.ndarray]:
    """Observed states of an episode of constant actions."""
    suite = robomtl.suite(name)
    env = suite.make_env(suite.train_tasks[0].name)
    observation, _ = env.reset(seed=0, options={"variation": variation})
    states = [observation["state"]]
    action = np.full(env.action_space.shape or (), 0.5, np.float32)
    for _ in range(steps):
        states.append(env.step(action)[0]["state"])
    env.close()
    return states


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ("frction=4", "Unknown shift 'frction'. Did you mean 'friction'"),
        ("friction", "shifts has 'friction'; give NAME=MAGNITUDE"),
        ("friction=1000", r"friction is 1000; give a number from 0.01 to 100 \[×\]"),
        ("action_delay=1.5", "action_delay is 1.5; give a whole number from 0 to 20"),
        ("action_gain=much", "action_gain is much; give a number"),
        ("friction=2:0.5", "greater magnitude first; give 0.5:2"),
        ("friction=2,friction=4", "The shift friction is named twice"),
        ("friction=4", "points/MT4 does not support the shift 'friction': its envs"),
        ("hand_start=5", "does not support the shift 'hand_start': its envs cannot"),
        ("action_gain=2/shifted/action_delay=1", "name all shifts at once"),
    ],
)
def test_an_unknown_or_unsupported_shift_is_refused(shifts: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        robomtl.suite(f"shifted/{shifts}/{POINTS}")


@pytest.mark.parametrize("name", ["shifted", "shifted/action_gain=2", "shifted/"])
def test_shifts_without_a_suite_are_refused(name: str) -> None:
    expected = f"{name.rstrip('/')} names no suite; give .*/metaworld/MT10"
    with pytest.raises(InputError, match=expected):
        robomtl.suite(name)


def test_a_suite_without_geometry_has_no_shifts_of_positions() -> None:
    with pytest.raises(
        InputError, match=r"does not define where .* action_delay, action_g"
    ):
        robomtl.suite(f"shifted/object_bias=2/pseudo/flipped/{POINTS}")


@pytest.mark.parametrize(
    "shifts", ["randomised", "action_delay=1", "object_bias=1,object_noise=2:5"]
)
def test_a_shifted_suite_keeps_the_contract(shifts: str) -> None:
    suite = robomtl.suite(f"shifted/{shifts}/{POINTS}", horizon=40)
    assert suite.name == f"shifted/{shifts}/{POINTS}"
    assert robomtl.suite(suite.name, **suite.options) == suite
    assert check_suite(suite, tasks=TASK) == []


@pytest.mark.parametrize("name", SHIFTS.built_in())
def test_a_magnitude_of_nothing_changes_nothing(name: str) -> None:
    shift = SHIFTS.get(name)
    assert shift.minimum <= shift.none <= shift.maximum
    assert all(shift.minimum <= m <= shift.maximum for m in shift.magnitudes)
    assert shift.randomised[0] <= shift.none <= shift.randomised[1]
    if shift.needs in ("actions", "positions"):
        there = episode(f"shifted/{name}={shift.none:g}/{POINTS}")
        assert np.array_equal(there, episode(POINTS))


@pytest.mark.parametrize(
    "name", ["action_delay=2", "action_gain=0.5", "object_noise=5"]
)
def test_what_a_shift_does_depends_on_the_variation_alone(name: str) -> None:
    shifted = f"shifted/{name}/{POINTS}"
    assert np.array_equal(episode(shifted), episode(shifted))
    assert not np.array_equal(episode(shifted), episode(POINTS))


def test_gain_and_delay_change_what_is_executed() -> None:
    point = slice(0, 2)
    plain = np.stack(episode(POINTS))[:, point]
    half = np.stack(episode(f"shifted/action_gain=0.5/{POINTS}"))[:, point]
    late = np.stack(episode(f"shifted/action_delay=2/{POINTS}"))[:, point]
    assert np.allclose(half - half[0], (plain - plain[0]) / 2, atol=1e-6)
    assert np.allclose(late[2:], plain[:-2]) and np.allclose(late[:2], plain[0])


def test_a_bias_is_one_of_an_episode_and_lasts() -> None:
    geometry = robomtl.suite(POINTS).geometry(TASK)  # type: ignore[attr-defined]
    starts = [body.positions[0] for body in geometry.objects]
    plain = np.stack(episode(POINTS))
    off = np.stack(episode(f"shifted/object_bias=3/{POINTS}")) - plain
    assert np.allclose(np.linalg.norm(off[:, starts[0] : starts[0] + 2], axis=1), 0.03)
    assert np.allclose(off, off[0], atol=1e-6)
    assert np.count_nonzero(off[0]) == 2 * len(starts)
    hand = np.stack(episode(f"shifted/gripper_offset=3/{POINTS}")) - plain
    assert np.flatnonzero(hand[0]).tolist() == [0, 1]


def test_experts_are_recorded_with_what_policies_observe(tmp_path: Path) -> None:
    suite = robomtl.suite(f"shifted/object_noise=50/{POINTS}", horizon=40)
    data = robomtl.collect(
        suite,
        tmp_path,
        config=robomtl.CollectionConfig(episodes=2, tasks=[TASK]),
        compute=robomtl.Compute(workers=1),
    )
    assert len(data) == 2  # An expert that bore the noise would hardly get there.
    assert np.abs(np.diff(data.state[:5, 2:4], axis=0)).max() > 0.01


@pytest.fixture(scope="module")
def sawyer() -> Iterator[tuple[Suite, Env]]:
    suite = robomtl.suite("metaworld/custom", train_tasks=["push-v3"])
    env = suite.make_env("push-v3")
    yield suite, env
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["friction=0.25", "object_mass=4", "hand_start=5"])
def test_a_shift_of_meta_world_ends_with_its_episode(
    sawyer: tuple[Suite, Env], name: str
) -> None:
    from robomtl.shifts.shifted_suite import ranges_from, shifted_env

    suite, env = sawyer
    expert = suite.make_expert("push-v3")

    def played(some: Env) -> np.ndarray:
        observation, _ = some.reset(options={"variation": 5})
        states = [observation["state"]]
        for _ in range(60):
            states.append(some.step(expert({"state": states[-1]}))[0]["state"])
        return np.stack(states)

    plain = played(env)
    under = shifted_env(suite, "push-v3", env, ranges_from(name))
    shifted = played(under)
    assert not np.array_equal(shifted, plain)
    assert np.array_equal(played(under), shifted)
    assert np.array_equal(played(env), plain)


@pytest.mark.slow
def test_envs_of_one_model_each_have_their_own_shift(
    sawyer: tuple[Suite, Env],
) -> None:
    from robomtl.shifts.shifted_suite import ranges_from, shifted_env

    suite, env = sawyer
    other = shifted_env(
        suite, "push-v3", suite.make_env("push-v3"), ranges_from("object_mass=4")
    )
    model = env.simulator.env.model  # type: ignore[attr-defined]
    mass = model.body_mass[model.body("obj").id]
    masses = []
    for each in (env, other):
        each.reset(options={"variation": 5})
    for each in (env, other, env):
        each.step(np.zeros(4, np.float32))
        masses.append(model.body_mass[model.body("obj").id] / mass)
    assert masses == [1, 4, 1]


@pytest.mark.slow
def test_the_unmodified_simulator_refuses_shifts_of_its_physics() -> None:
    with pytest.raises(InputError, match="does not support the shift 'friction'"):
        robomtl.suite("shifted/friction=2/metaworld/MT10", upstream=True)


@pytest.mark.parametrize(
    "name", [name for name in SHIFTS.built_in() if SHIFTS.get(name).needs == "pictures"]
)
def test_shifts_of_pictures_need_pictures(name: str) -> None:
    magnitude = SHIFTS.get(name).magnitudes[0]
    with pytest.raises(
        InputError, match="contain no pictures of MuJoCo; give --cameras"
    ):
        robomtl.suite(f"shifted/{name}={magnitude}/metaworld/MT10")


@pytest.fixture(scope="module")
def sighted() -> Iterator[tuple[Suite, Env]]:
    suite = robomtl.suite(
        "metaworld/custom", train_tasks=["push-v3"], cameras=["corner2", "gripperPOV"]
    )
    env = suite.make_env("push-v3")
    yield suite, env
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["camera_pose=10", "light=0.25", "colour=1", "texture=1", "distractors=10"]
)
def test_a_shift_of_pictures_changes_them_alone_and_ends_with_its_episode(
    sighted: tuple[Suite, Env], name: str
) -> None:
    from robomtl.shifts.shifted_suite import ranges_from, shifted_env

    suite, env = sighted

    def seen(some: Env) -> tuple[np.ndarray, np.ndarray]:
        observation, _ = some.reset(options={"variation": 5})
        later = some.step(np.ones(4, np.float32))[0]
        pictures = [each["image.corner2"] for each in (observation, later)]
        return np.stack(pictures).astype(float), later["state"]

    pictures, state = seen(env)
    shifted, same = seen(shifted_env(suite, "push-v3", env, ranges_from(name)))
    assert np.array_equal(state, same)
    assert (np.abs(shifted - pictures).mean(axis=(1, 2, 3)) > 0.3).all()
    assert np.array_equal(seen(env)[0], pictures)


def crowd(count: int) -> str:
    """A MuJoCo model of spheres and a site, seen by one camera."""
    spheres = "".join(f"<geom size='.01' pos='0 0 {-i}'/>" for i in range(count))
    seen = "<camera name='top' pos='0 0 1'/><site pos='0 0 0'/>"
    return f"<mujoco><worldbody>{spheres}{seen}</worldbody></mujoco>"


def distractors(count: int) -> Effect:
    scene = Scene(moved=3, size=4, geometry=None, table=((0, 0, 0), (1, 1, 0)))
    begin = SHIFTS.get("distractors").begin
    return begin(count, scene, np.random.default_rng(0))


def test_distractors_that_a_scene_has_no_room_for_are_refused() -> None:
    mujoco = pytest.importorskip("mujoco")
    scene = mujoco.MjvScene(mujoco.MjModel.from_xml_string(crowd(1)), 5)
    distractors(5).paint(scene)
    assert scene.ngeom == 5
    with pytest.raises(
        InputError, match="distractors=2 adds 2 objects to a scene with room for 0"
    ):
        distractors(2).paint(scene)


def test_a_scene_of_many_geoms_is_rendered_whole_and_has_room_for_distractors() -> None:
    mujoco = pytest.importorskip("mujoco")
    from robomtl.camera import Camera
    from robomtl.envs.mujoco_camera import MujocoCamera

    model = mujoco.MjModel.from_xml_string(crowd(1200))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = Camera(name="top", profile="fast", width=16, height=16)
    eye, counts = MujocoCamera(model, data, camera, at="top"), list[int]()

    def paint(scene: Any) -> None:
        counts.append(scene.ngeom)
        distractors(20).paint(scene)
        counts.append(scene.ngeom)

    eye.paint = paint
    eye.picture()
    eye.close()
    assert counts == [1201, 1221]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"),
    [("fetch/MT4", "gymnasium_robotics"), ("robosuite/MT4", "robosuite")],
)
def test_other_simulators_of_mujoco_have_shifts_of_physics_and_pictures(
    name: str, package: str
) -> None:
    from robomtl.shifts.shifted_suite import ranges_from, shifted_env

    pytest.importorskip(package)
    camera = "agentview" if name == "robosuite/MT4" else "front"
    suite = robomtl.suite(name, cameras=[camera])
    task = suite.train_tasks[-1].name
    env = suite.make_env(task)
    action = np.full(env.action_space.shape or (), 0.3, np.float32)

    def seen(some: Env) -> tuple[np.ndarray, np.ndarray]:
        picture = some.reset(options={"variation": 5})[0][f"image.{camera}"]
        states = [some.step(action)[0]["state"] for _ in range(3)]
        return picture, np.stack(states)

    plain = seen(env)
    ranges = ranges_from("object_mass=4,friction=0.25,light=0.25")
    picture, states = seen(shifted_env(suite, task, env, ranges))
    assert picture.mean() < plain[0].mean()
    assert not np.array_equal(states, plain[1])
    again = seen(env)
    assert all(map(np.array_equal, again, plain))
    with pytest.raises(InputError, match="does not support the shift 'hand_start'"):
        robomtl.suite(f"shifted/hand_start=5/{name}")


_TENDON_ROBOT = """
<mujoco>
  <worldbody>
    <body name="cube"><freejoint/><geom size="0.1"/></body>
    <body name="arm">
      <joint name="elbow"/><geom size="0.1"/>
      <body name="left"><joint name="left" type="slide"/><geom size="0.1"/></body>
      <body name="right"><joint name="right" type="slide"/><geom size="0.1"/></body>
    </body>
    <body name="lid"><joint name="hinge"/><geom size="0.1"/></body>
    <body name="hand"><freejoint/><geom size="0.1"/><site name="palm"/></body>
    <body name="target" mocap="true"><site name="aim"/></body>
  </worldbody>
  <tendon>
    <fixed name="grip"><joint joint="left" coef="1"/><joint joint="right" coef="1"/></fixed>
  </tendon>
  <actuator><general tendon="grip"/></actuator>
  <equality>
    <joint joint1="left" joint2="right"/>
    <joint joint1="hinge"/>
    <weld site1="palm" site2="aim"/>
  </equality>
</mujoco>
"""


def test_a_robot_driven_through_tendons_or_sites_is_no_movable_object():
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(_TENDON_ROBOT)
    objects = [model.body(index).name for index in movable(model)]
    assert objects == ["cube", "lid"]
