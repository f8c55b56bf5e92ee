import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

from robomtl.camera import Camera, take_picture, with_camera
from robomtl.checking.checking import check_suite as check
from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import SIDE, THINGS, PointsEnv
from robomtl.envs.points_picture import COLOURS
from robomtl.gymnasium_factory import from_gymnasium

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite()


class Shows(gymnasium.Env):
    """Shows whatever it is given."""

    render_mode = "rgb_array"

    def __init__(self, shown=None):
        self.shown = shown
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {"success": False}

    def render(self):
        return self.shown


class Undrawn(Shows):
    def render(self):
        raise DependencyNotInstalled("pygame is not installed")


class Dice(Shows):
    """Throws dice when looked at."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        self.place = observation
        return observation, info

    def step(self, action):
        _, *rest = super().step(action)
        return np.copy(self.place), *rest

    def render(self):
        self.place = -self.place
        return np.zeros((16, 16, 3), np.uint8)


def suite_of(make):
    return from_gymnasium("toys", {"toy": make}, {"toy": ["play"]}, horizon=5)


def a_picture():
    return Shows(np.full((16, 24, 3), 7, np.uint8))


def places(observation):
    return dict(zip(THINGS, observation["state"].reshape(-1, 2), strict=True))


@pytest.fixture
def env():
    return with_camera(POINTS, Camera(width=200, height=100)).make_env("reach-red")


def test_pictures_of_points_show_each_thing_where_it_is(env):
    observation, _ = env.reset(options={"variation": 3})
    picture = take_picture(env)
    assert picture.shape == (100, 200, 3)
    for thing, (x, y) in places(observation).items():
        row, column = round((1.07 - y) / 2.14 * 99), round((1.07 + x) / 2.14 * 199)
        assert tuple(picture[row, column]) == COLOURS[thing]


def test_the_suite_decides_on_what_is_not_given():
    env = with_camera(POINTS, Camera()).make_env("reach-red")
    env.reset(options={"variation": 3})
    assert take_picture(env).shape == (SIDE, SIDE, 3)


def test_a_camera_is_no_option_of_a_suite():
    seen = with_camera(POINTS, Camera())
    assert seen.options == POINTS.options


def test_pictures_before_the_first_reset_are_refused(env):
    with pytest.raises(gymnasium.error.ResetNeeded, match="no episode was started"):
        take_picture(env)


def test_an_env_without_a_camera_shows_nothing():
    env = POINTS.make_env("reach-red")
    env.reset(options={"variation": 3})
    with pytest.raises(ValueError, match="its render_mode is None; expected 'rgb_arr"):
        take_picture(env)
    with pytest.raises(ValueError, match="reach-red has no camera"):
        env.render()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"profile": "fats"}, "Unknown profile 'fats'. Did you mean 'fast'"),
        ({"width": 15}, "The width of pictures is 15; give 16 to 4096"),
        ({"height": 5000}, "The height of pictures is 5000; give 16 to 4096"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Camera(**given)


def test_what_a_suite_cannot_show_is_refused():
    message = "points/MT4 does not support name and profile for its pictures"
    with pytest.raises(ValueError, match=f"{message}; supported: width and height"):
        with_camera(POINTS, Camera(name="corner2", profile="fast"))
    with pytest.raises(ValueError, match="toys .* support width .*supported: none"):
        with_camera(suite_of(a_picture), Camera(width=84))


def test_gymnasium_envs_show_themselves():
    env = with_camera(suite_of(a_picture), Camera()).make_env("toy")
    assert (take_picture(env) == 7).all()


def test_gymnasium_envs_named_by_an_id_are_made_to_be_seen():
    made = suite_of("MountainCarContinuous-v0")
    assert made.make_env("toy").render_mode is None
    env = with_camera(made, Camera()).make_env("toy")
    assert env.render_mode == "rgb_array"
    assert env.metadata["render_fps"] == 30


def test_what_an_env_needs_to_be_drawn_is_told():
    env = with_camera(suite_of(Undrawn), Camera()).make_env("toy")
    with pytest.raises(
        ImportError, match="cannot be rendered: pygame is not installed"
    ):
        take_picture(env)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (None, "returned NoneType; expected uint8 of"),
        (np.zeros((4, 4, 3)), "returned float64 of shape .4, 4, 3.; expected uint8 of"),
        (
            np.zeros((4, 4), np.uint8),
            "returned uint8 of shape .4, 4.; expected uint8 of",
        ),
    ],
)
def test_what_is_no_picture_is_refused(shown, message):
    with pytest.raises(ValueError, match=message):
        take_picture(Shows(shown))


def test_a_suite_without_cameras_is_seen_as_it_is():
    class Bare:
        name = "bare"

    bare = Bare()
    assert with_camera(bare, Camera()) is bare
    with pytest.raises(
        ValueError, match="bare does not support profile for its pictures"
    ):
        with_camera(bare, Camera(profile="fast"))


def test_a_suite_whose_pictures_change_episodes_is_found():
    (problem,) = check(suite_of(Dice))
    assert "while pictures are taken; render() must not change it." in str(problem)


def test_a_suite_that_shows_no_pictures_where_it_says_so_is_found():
    (problem,) = check(suite_of(Shows))
    assert "No picture could be taken: The env's render() returned NoneType" in str(
        problem
    )


def test_a_machine_that_cannot_draw_is_no_fault_of_a_suite():
    assert check(suite_of(Undrawn)) == []


def test_seen_or_not_the_same_actions_lead_through_the_same_episode(env):
    unseen = PointsEnv("reach-red", 50)
    for each in (env, unseen):
        each.reset(options={"variation": 3})
    for _ in range(10):
        take_picture(env)
        shown, other = (each.step(np.ones(2, np.float32)) for each in (env, unseen))
        assert np.array_equal(shown[0]["state"], other[0]["state"])
        assert shown[1:] == other[1:]
