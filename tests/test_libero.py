import json
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import robomtl
from robomtl.camera import Camera
from robomtl.checking.checking import check_suite
from robomtl.envs import libero_tasks
from robomtl.envs.libero import SIMULATOR, SPLITS, LiberoSuite, libero
from robomtl.envs.libero_environment import ENVIRONMENT
from robomtl.envs.libero_state import layout
from robomtl.envs.libero_wordings import held_out_wordings, wordings
from robomtl.errors import InputError, MissingExtraError

MILK = "pick_up_the_milk_and_place_it_in_the_basket"
BUTTER = "pick_up_the_butter_and_place_it_in_the_basket"
PERTURBED = [name for name in libero_tasks.VARIANTS if "-" in name]

installed = pytest.mark.skipif(
    ENVIRONMENT.record is None,
    reason="needs the environment: robomtl simulators install libero",
)


@pytest.mark.parametrize("variant", libero_tasks.VARIANTS)
def test_every_suite_is_built_again_from_its_name_and_has_all_its_tasks(variant):
    suite = robomtl.suite(f"libero/{variant}")
    assert robomtl.suite(suite.name, **suite.options) == suite
    assert len({task.name for task in suite.train_tasks}) == (
        90 if variant == "90" else 10
    )
    for task in suite.train_tasks:
        assert [*suite.variations(task.name, "official")] == [
            *range(2_000_000, 2_000_050)
        ]
        placed = [
            name for name, _ in libero_tasks.simulated(variant, task.name) if name
        ]
        entry = libero_tasks.entries(variant)[task.name]
        assert len(placed) == len(entry.things)


def test_a_sentence_has_six_wordings_to_train_on_and_two_that_are_held_out():
    said = "open the top drawer of the cabinet and put the bowl in it"
    assert wordings(said) == (
        said,
        "pull open the top drawer of the cabinet and place the bowl in it",
        "open up the top drawer of the cabinet and set the bowl in it",
        f"please {said}",
        f"can you {said}?",
        f"the robot should {said}",
    )
    assert held_out_wordings(said) == (
        "fully open the top drawer of the cabinet and lay the bowl in it",
        f"your task is to {said}",
    )


@pytest.mark.parametrize("variant", PERTURBED)
def test_a_perturbed_suite_has_the_embodiment_of_the_suite_that_it_perturbs(variant):
    perturbed, base = libero(variant), libero(variant.partition("-")[0])
    tasks = [suite.train_tasks[0].name for suite in (perturbed, base)]
    assert perturbed.embodiment(tasks[0]) == base.embodiment(tasks[1])


def test_things_that_were_replaced_fill_the_slots_of_the_originals():
    filled = dict(
        zip(
            libero_tasks.slots("object-object"),
            libero_tasks.simulated("object-object", MILK),
            strict=True,
        )
    )
    assert filled["milk_1"] == ("yellow_milk_1", ())
    assert filled["basket_1"] == ("red_basket_1", ())
    assert filled["alphabet_soup_1"][0] in (
        "",
        "alphabet_soup_1",
        "bigger_alphabet_soup_1",
    )


def test_tasks_with_the_same_beginning_are_a_family():
    assert not libero("object").families
    assert len(libero("goal").families["scene-0"]) == 10
    assert len(libero("90").families) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "objects"}, "'objects'.*object"),
        ({"horizon": 0}, "horizon is 0; give at least 1"),
        ({"cameras": "agent"}, "'agent'.*agentview"),
        ({"size": 64}, "without a camera"),
    ],
)
def test_an_argument_that_is_not_allowed_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        libero(**arguments)


def test_a_suite_without_experts_says_which_have_some():
    suite = libero("goal")
    with pytest.raises(InputError, match="no scripted experts; only libero/object"):
        suite.make_expert(suite.train_tasks[0].name)


def test_an_unknown_camera_is_refused():
    with pytest.raises(InputError, match="libero camera 'agent'.*agentview"):
        libero().with_camera(Camera(name="agent"))


def test_without_its_environment_one_sentence_says_how_to_install_it(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ROBOMTL_SIMULATORS", str(tmp_path))
    with pytest.raises(
        MissingExtraError, match="Install it with: robomtl simulators install libero"
    ):
        libero().make_env(MILK)


def test_the_check_says_once_for_all_tasks_what_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOMTL_SIMULATORS", str(tmp_path))
    (problem,) = check_suite(libero(), tasks=[MILK, BUTTER])
    assert str(problem).endswith("Install it with: robomtl simulators install libero")


def state(**places):
    """A state of the suite object in which the hand points down and is open."""
    found = np.zeros(len(layout("object").names), np.float32)
    found[[4, 7]] = 1, 0.04
    for name, place in {
        "milk_1": (0, 0, 0.07),
        "basket_1": (0, 0.26, 0),
        **places,
    }.items():
        at = layout("object").poses[name]
        found[at : at + 3] = place
    return found


@pytest.mark.parametrize(
    ("place", "aperture", "expected"),
    [
        ((-0.2, 0, 0.25), 0.08, (1, 0, 0, -1)),  # To above the thing, ...
        ((0, 0, 0.25), 0.08, (0, 0, -1, -1)),  # ... down to it, ...
        ((0, 0, 0.105), 0.08, (0, 0, 0, 1)),  # ... closing, ...
        ((0, 0, 0.105), 0.053, (0, 0, 1, 1)),  # ... and up with it.
    ],
)
def test_the_expert_takes_one_step_after_the_other(place, aperture, expected):
    seen = state(hand=place)
    seen[7:9] = aperture / 2, -aperture / 2
    action = libero().make_expert(MILK)({"state": seen})
    np.testing.assert_allclose(action, [*expected[:3], 0, 0, 0, expected[3]], atol=0.2)


BOWL = "pick_up_the_black_bowl_on_the_stove_and_place_it_on_the_plate"


@pytest.mark.slow
@installed
@pytest.mark.parametrize(("variant", "task"), [("object", MILK), ("spatial", BOWL)])
def test_official_episodes_begin_go_on_and_are_solved_as_in_libero(
    variant, task, tmp_path
):
    suite, variation = libero(variant), SPLITS["official"][3]
    actions, success, expert = [], False, suite.make_expert(task)
    with closing(suite.make_env(task)) as env:
        observation, _ = env.reset(options={"variation": variation})
        while not success:
            actions.append(expert(observation))
            observation, *_, info = env.step(actions[-1])
            success = info["success"]
    np.save(tmp_path / "actions.npy", np.array(actions, np.float64))
    words = [
        *(ENVIRONMENT.interpreter, Path(__file__).with_name("libero_parity.py")),
        *(SIMULATOR.file, f"{libero_tasks.folder(variant)}/{task}"),
        *(str(variation), tmp_path / "actions.npy"),
    ]
    found = json.loads(subprocess.check_output(words).splitlines()[-1])
    assert found["begun"] == found["fixtures"] == 0
    assert max(found["apart"][:30]) < 1e-6
    assert found["ours"] == found["theirs"]
    assert [*np.flatnonzero(found["theirs"])] == [len(found["theirs"]) - 1]


@pytest.mark.slow
@installed
def test_a_task_keeps_the_contract_and_its_expert_solves_it():
    assert not check_suite(libero("object"), tasks=[MILK])


@pytest.mark.slow
@installed
def test_pictures_are_upright_and_change_no_episode():
    suites = libero("object"), libero("object", cameras=["agentview", "wrist"], size=32)
    seen = []
    for suite in suites:
        with closing(suite.make_env(MILK)) as env:
            seen.append(env.reset(options={"variation": SPLITS["official"][0]})[0])
    blind, sighted = seen
    np.testing.assert_array_equal(blind["state"], sighted["state"])
    assert set(sighted) == set(suites[1].embodiment(MILK).observation)
    picture = sighted["image.agentview"]
    assert picture.std() > 10
    # The arm is mounted at the far side, which is up.
    assert isinstance(suites[1], LiberoSuite)
