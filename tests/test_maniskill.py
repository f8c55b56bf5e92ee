import numpy as np
import pytest

import robomtl
from robomtl.checking.checking import check_suite
from robomtl.envs.maniskill import ENVIRONMENT, PANDA, maniskill
from robomtl.envs.maniskill_tasks import NAMES, TASKS
from robomtl.envs.robosuite_scene import NAMES as OTHERS
from robomtl.envs.robosuite_scene import OBJECT_TO_TARGET

SUITE = maniskill()


@pytest.fixture(scope="module")
def installed():
    if ENVIRONMENT.record is None:
        pytest.skip("robomtl simulators install maniskill")


@pytest.mark.parametrize("variant", maniskill.variants)
def test_every_variant_is_found_by_name_and_built_again_from_its_options(variant):
    suite = robomtl.suite(f"maniskill/{variant}", horizon=20)
    assert suite.name == f"maniskill/{variant}"
    assert robomtl.suite(suite.name, **suite.options) == suite


def test_tasks_share_no_wording_and_have_enough():
    wordings = []
    for task in TASKS.values():
        assert len(task.instructions) >= 6
        assert len(task.held_out_instructions) >= 2
        wordings += [*task.instructions, *task.held_out_instructions]
    assert len(set(wordings)) == len(wordings)


def test_states_are_laid_out_as_those_that_the_experts_read():
    assert PANDA.observation["state"].names == NAMES
    assert NAMES[:11] == OTHERS[:11]
    assert NAMES[OBJECT_TO_TARGET] == OTHERS[OBJECT_TO_TARGET]


def test_unknown_variant_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"maniskill 'PickCube'\. Did you mean 'PickCu"
    ):
        maniskill("PickCube")


def test_horizon_below_one_is_refused():
    with pytest.raises(ValueError, match="horizon is 0; give at least 1"):
        maniskill(horizon=0)


def test_an_environment_that_is_missing_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBOMTL_SIMULATORS", str(tmp_path))
    with pytest.raises(ImportError, match="robomtl simulators install maniskill"):
        SUITE.make_env("PickCube-v1")


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds(task):
    env, expert = SUITE.make_env(task), SUITE.make_expert(task)
    solved = []
    for variation in SUITE.variations(task, "fresh")[:2]:
        observation, info = env.reset(options={"variation": variation})
        truncated = False
        while not (info["success"] or truncated):
            observation, _, _, truncated, info = env.step(expert(observation))
        solved.append(info["success"])
    assert np.mean(solved) > 0.4
    env.close()


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_a_task_passes_the_check():
    assert check_suite(maniskill("StackCube-v1", horizon=40)) == []
