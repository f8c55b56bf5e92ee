import dataclasses
import random

import numpy as np
import pytest
from wobbling import BROKEN, BrokenEnv

from robomtl.envs.points import PointsSuite
from robomtl.envs.points_env import PointsEnv
from robomtl.errors import SimulationError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.planning import planned
from robomtl.evaluation.rollout import Outcome, roll
from robomtl.evaluation.trials import CHUNK
from robomtl.evaluation.work import PlayChunk
from robomtl.warned import gathered

HORIZON = 30
POINTS = PointsSuite(horizon=HORIZON)
PLACE = BROKEN - 1_000_000  # Index in the split of the faulty variation.


def chunk(episodes=CHUNK, task="reach-red"):
    return planned(POINTS, Conditions(tasks=(task,), episodes=episodes)).chunks[0]


def play(*, env=PointsEnv, actor=None, episodes=CHUNK, until="horizon"):
    envs = [env("reach-red", HORIZON) for _ in range(episodes)]
    actor = actor or ExpertAgent().load(POINTS)
    return roll(envs, actor, chunk(episodes), until=until)


def untimed(outcomes):
    return [dataclasses.replace(outcome, seconds=0.0) for outcome in outcomes]


class Visitor:
    """Goes to the red target, and away again after some steps."""

    def __init__(self, *, leave=HORIZON):
        self.leave = leave
        self.shapes = set()

    def start(self, trials, task_infos):
        self.shapes.add((len(trials), len(task_infos)))
        self.step = 0
        self.expert = POINTS.make_expert("reach-red")

    def __call__(self, observations, running):
        self.shapes.add((len(observations), len(running)))
        self.step += 1
        if self.step > self.leave:
            return np.ones((len(observations), 2), np.float32)
        return np.stack([self.expert(observation) for observation in observations])


class UnstartedEnv(PointsEnv):
    def reset(self, *, seed=None, options=None):
        if options["variation"] == BROKEN:
            raise SimulationError(self.task, BROKEN, 0, "it never settled")
        return super().reset(seed=seed, options=options)


class BlindEnv(PointsEnv):
    def step(self, action):
        observation, *rest = super().step(action)
        if self._step == 4:
            observation["state"][0] = np.nan
        return observation, *rest


class Camera(PointsEnv):
    """Counts the pictures that it draws."""

    def __init__(self, task, horizon):
        super().__init__(task, horizon, images=16)
        self.drawn = 0

    def pictures(self):
        self.drawn += 1
        return super().pictures()


class Glancing(Visitor):
    """Reads the pictures at every third step."""

    step = 0

    @property
    def reads_images(self):
        return self.step % 3 == 0

    def __call__(self, observations, running):
        looked = self.reads_images
        for observation, runs in zip(observations, running, strict=False):
            assert ("top" in observation) == looked or not runs
        if looked:
            np.stack([observation["top"] for observation in observations])
        return super().__call__(observations, running)


def test_pictures_are_drawn_only_when_the_actor_reads_them():
    envs = [Camera("reach-red", HORIZON) for _ in range(CHUNK - 1)]
    outcomes = roll(envs, Glancing(), chunk(CHUNK - 1), until="success")
    steps = [outcome.length for outcome in outcomes]
    assert [env.drawn for env in envs] == [-(-length // 3) for length in steps]
    assert len({*steps}) > 1
    roll(envs, ExpertAgent().load(POINTS), chunk(CHUNK - 1))
    assert [env.drawn for env in envs] == [-(-length // 3) for length in steps]
    before = sum(env.drawn for env in envs)
    roll(envs[:1], Visitor(), chunk(1))
    assert sum(env.drawn for env in envs) == before + HORIZON + 1


def test_success_is_counted_at_any_step_and_apart_from_the_last():
    outcomes = play(actor=Visitor(leave=25))

    assert all(outcome.success for outcome in outcomes)
    assert not any(outcome.success_at_end for outcome in outcomes)
    assert all(outcome.length == HORIZON for outcome in outcomes)


def test_the_first_success_step_is_the_number_of_actions_it_took():
    outcome, *_ = play()

    env = PointsEnv("reach-red", HORIZON)
    observation, _ = env.reset(options={"variation": 1_000_000})
    expert = POINTS.make_expert("reach-red")
    taken, solved = 0, False
    while not solved:
        observation, _, _, _, info = env.step(expert(observation))
        taken, solved = taken + 1, info["success"]
    assert outcome.first_success_step == taken


def test_a_trial_that_never_succeeds_has_no_first_success_step():
    outcomes = play(actor=Visitor(leave=0))
    lost = [outcome for outcome in outcomes if not outcome.success]

    assert lost
    assert all(outcome.first_success_step is None for outcome in lost)
    assert all(outcome.success is False for outcome in lost)


def test_stopping_at_success_changes_only_length_and_what_is_known_of_the_end():
    whole = play()
    stopped = play(until="success")

    assert [o.first_success_step for o in whole] == [o.length for o in stopped]
    assert all(outcome.success_at_end is None for outcome in stopped)


def test_the_batch_has_the_same_rows_at_every_step_of_every_chunk():
    actor = Visitor()
    play(actor=actor, episodes=3, until="success")
    assert actor.shapes == {(CHUNK, CHUNK)}


def test_a_trial_goes_alike_alone_and_in_company():
    assert untimed(play(episodes=1)) == untimed(play())[:1]


def test_seconds_are_shared_out_among_the_trials():
    outcomes = play()
    assert all(0 < outcome.seconds < 1 for outcome in outcomes)


@pytest.mark.parametrize(
    ("env", "reason"),
    [(BrokenEnv, "step 3: it blew up"), (UnstartedEnv, "step 0: it never settled")],
)
def test_an_unstable_simulator_costs_its_own_trial_only(env, reason):
    outcomes = untimed(play(env=env))
    expected = untimed(play())

    assert outcomes[PLACE].error == reason
    assert dataclasses.replace(outcomes[PLACE], error=None) == Outcome()
    assert (
        outcomes[:PLACE] + outcomes[PLACE + 1 :]
        == expected[:PLACE] + expected[PLACE + 1 :]
    )


def test_a_chunk_whose_every_simulator_is_unstable_ends():
    class Never(PointsEnv):
        def reset(self, *, seed=None, options=None):
            raise SimulationError(self.task, 0, 0, "no")

    assert {outcome.error for outcome in play(env=Never)} == {"step 0: no"}


def test_a_simulator_that_recovers_is_given_a_second_chance():
    class OnceBroken(PointsSuite):
        made = 0

        def make_env(self, task):
            OnceBroken.made += 1
            kind = BrokenEnv if OnceBroken.made <= CHUNK else PointsEnv
            return kind(task, HORIZON)

    once_broken = PlayChunk(ExpertAgent(), OnceBroken(horizon=HORIZON), "horizon")

    assert untimed(once_broken(chunk()).outcomes) == untimed(play())


def test_a_simulator_that_fails_again_is_an_error_and_the_next_chunk_goes_on():
    class AlwaysBroken(PointsSuite):
        def make_env(self, task):
            return BrokenEnv(task, HORIZON)

    work = PlayChunk(ExpertAgent(), AlwaysBroken(horizon=HORIZON), "horizon")

    sound = [o.error is None for o in work(chunk(PLACE + 2)).outcomes]
    assert sound == [True] * PLACE + [False, True]
    assert all(o.error is None for o in work(chunk(1)).outcomes)


def test_envs_are_kept_between_chunks_of_a_task_and_closed_after_the_last():
    log = []

    class Logged(PointsEnv):
        def close(self):
            log.append(f"close {self.task}")

    class LoggedSuite(PointsSuite):
        def make_env(self, task):
            log.append(f"make {task}")
            return Logged(task, HORIZON)

    work = PlayChunk(ExpertAgent(), LoggedSuite(horizon=HORIZON), "horizon")
    for one in (chunk(2), chunk(2), chunk(1, "reach-blue")):
        work(one)

    red, blue = "reach-red", "reach-blue"
    assert log == [f"make {red}"] * 2 + [f"close {red}"] * 2 + [f"make {blue}"]


@pytest.mark.parametrize(
    ("draw", "shared"),
    [
        (random.random, True),
        (np.random.normal, True),
        (np.random.default_rng(0).normal, False),
    ],
)
def test_draws_that_trials_side_by_side_share_are_noticed(draw, shared):
    class Draws(PointsEnv):
        def reset(self, *, seed=None, options=None):
            np.random.seed(seed)
            return super().reset(seed=seed, options=options)

        def step(self, action):
            draw()
            return super().step(action)

    class Drawing(PointsSuite):
        def make_env(self, task):
            return Draws(task, HORIZON)

    work = PlayChunk(ExpertAgent(), Drawing(horizon=HORIZON), "horizon")
    with gathered() as warnings:
        work(chunk(1))
        assert not warnings
        work(chunk(2))
    assert bool(warnings) == shared


def test_an_observation_that_is_not_finite_stops_with_task_and_step():
    message = "reach-red, variation 1000000, step 4: observation 'state' is not finite"
    with pytest.raises(ValueError, match=message):
        play(env=BlindEnv)


def test_an_action_that_is_not_finite_stops_with_task_and_step():
    class Lost(Visitor):
        def __call__(self, observations, running):
            actions = super().__call__(observations, running)
            actions[1] = np.nan if self.step == 5 else 0
            return actions

    message = r"reach-red, variation 1000001, step 5: action \[nan nan\] is not finite"
    with pytest.raises(ValueError, match=message):
        play(actor=Lost())


def test_what_an_actor_does_in_rows_that_do_not_run_is_ignored():
    class Sloppy(Visitor):
        def __call__(self, observations, running):
            actions = super().__call__(observations, running)
            actions[~running] = np.nan
            return actions

    sloppy = play(actor=Sloppy(), episodes=4, until="success")
    assert untimed(sloppy) == untimed(play(episodes=4, until="success"))


def test_huge_finite_numbers_are_no_error():
    class Huge(PointsEnv):
        def step(self, action):
            observation, *rest = super().step(action)
            observation["state"][:] = 3e38
            return observation, *rest

    assert all(o.error is None for o in play(env=Huge, actor=Visitor(leave=0)))
