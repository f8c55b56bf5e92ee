"""Augmentation of the approach to an object: end points, actions and unchanged parts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import robomtl
from robomtl.adaptation.meta import gradient
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.demonstrations.layout import ACTION, STATE
from robomtl.envs.points_env import ROW
from robomtl.envs.points_tasks import AIMS
from robomtl.execution.compute import Compute
from robomtl.geometry import Body, Geometry
from robomtl.policy import POLICIES, Spec
from robomtl.training.approach import approaches, from_elsewhere
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenter_for import augmenter_for
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.frames import SAME, Frames, Resident, Spans
from robomtl.training.recorded import frames

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/MT4")
CPU = torch.device("cpu")
GAIN = 6.0  # [1/m] Proportional gain of the expert.


def answer(task, state):
    """Action of an expert that moves the point to a target; (2,)."""
    row = 2 * ROW[AIMS[task].goal]
    wanted = GAIN * (state[..., row : row + 2] - state[..., :2])
    return np.clip(wanted, -1, 1).astype(np.float32)


def played(env, task, variation):
    """States and actions of an episode of that demonstrator."""
    observation, info = env.reset(options={"variation": variation})
    states, actions = [], []
    while not info["success"]:
        states.append(observation["state"])
        actions.append(answer(task, states[-1]))
        observation, *_, info = env.step(actions[-1])
    return np.array(states, np.float32), np.array(actions, np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Demonstrations of two targets, by demonstrators that answer in proportion."""
    path = tmp_path_factory.mktemp("points") / "data"
    there = collect(
        SUITE,
        path,
        config=CollectionConfig(episodes=6, tasks=["reach-red", "reach-blue"]),
        compute=Compute(workers=1),
    )
    episodes, parts = there.episodes, []
    for task, variation in zip(episodes.task, episodes.variation, strict=True):
        env = SUITE.make_env(there.tasks[task])
        parts.append(played(env, there.tasks[task], int(variation)))
    state, action = (np.concatenate(part) for part in zip(*parts, strict=True))
    length = np.array([len(part[0]) for part in parts])
    start = np.cumsum(length) - length
    shown = replace(
        there._contents,
        columns={STATE: state, ACTION: action},
        first=start,
        episodes=episodes._replace(start=start, length=length),
    )
    return type(there).of(shown)


def states_of(material):
    (block,) = material.observations(0)
    return block["state"]


def material_of(data, *, chunk=1, **augmentation):
    conditioning = Conditioning(kinds=("goal",), tasks=data.tasks, goal=(10, 12))
    mlp = POLICIES.get("mlp")
    spec = Spec(state=data.state.shape[1], action=data.action.shape[1], embedding=2)
    return gradient.material_of(
        mlp(mlp.Config(chunk=chunk, width=8), spec),
        data,
        conditioning,
        augmentation=Augmentation(**augmentation),
    )


def batch_of(data, *, chunk=1, size=256, **augmentation):
    material = material_of(data, chunk=chunk, **augmentation)
    sampler = gradient.sampler_of(material, torch.Generator().manual_seed(0))
    return sampler.batch(0, size)


def starts_of(source):
    """The first frame of each episode."""
    return torch.cat(
        [torch.tensor([0]), (source.steps_left == 1).nonzero()[:-1, 0] + 1]
    )


def test_a_way_begins_where_its_start_is_moved_to_and_ends_alike(data):
    source = material_of(data, approach=0.1).frames
    path, moved = source.approach, torch.tensor([0.03, -0.05])
    frame = torch.arange(len(source))
    state = path.state(source.state, frame, moved.expand(len(frame), 2))
    shift = state - source.state
    first = starts_of(source)
    far = path.length[first] > 2 * SAME
    assert far.sum() > 8
    assert torch.allclose(shift[first, :2][far], moved.expand(int(far.sum()), 2))
    touched = ~path.before
    assert not shift[touched].any()
    assert not shift[:, 2:].any()
    near = (source.state[:, :2] - path.end).norm(dim=1) < SAME
    assert not shift[near].any()


def test_actions_are_what_the_demonstrator_does_elsewhere(data):
    source = material_of(data, approach=0.1).frames
    assert torch.allclose(source.approach.gain, torch.tensor(GAIN), rtol=1e-3)
    rows = source.approach.before.nonzero()
    start = 0.4 * torch.rand(len(rows), 2, generator=torch.Generator()) - 0.2
    state, action = from_elsewhere(source, rows, start)
    tasks = [data.tasks[index] for index in source.task[rows[:, 0]]]
    expected = np.stack(
        [answer(task, each) for task, each in zip(tasks, state.numpy(), strict=True)]
    )
    assert np.abs(expected - source.action[rows[:, 0]].numpy()).mean() > 0.05
    free = source.action[rows[:, 0]].abs().numpy() < 0.99
    action = action[:, 0].clamp(-1, 1).numpy()
    assert np.allclose(action[free], expected[free], atol=1e-4)
    # One who was clipped is taken to want to come to the end, which is near the target.
    assert np.abs(action - expected).max() < GAIN * 0.1


@pytest.mark.parametrize("approach", [0.0, 0.1])
def test_what_is_turned_is_the_action_before_it_was_clipped(data, approach):
    batch = batch_of(data, rotation=60.0, approach=approach)
    state, action = batch.observation["state"].numpy(), batch.action[:, 0].numpy()
    tasks = [data.tasks[index] for index in batch.task]
    does = np.stack(
        [answer(task, each) for task, each in zip(tasks, state, strict=True)]
    )
    assert (np.abs(does) == 1).any(1).mean() > 0.2
    assert np.abs(action - does).max() < GAIN * 0.1 * 2**0.5


def test_the_unclipped_action_is_the_recorded_one_where_nothing_is_changed(data):
    plain, turned = material_of(data), material_of(data, rotation=1.0).frames
    assert turned.approach.unclipped.clamp(-1, 1).equal(plain.frames.action)
    assert turned.approach.unclipped.abs().max() > 1.5


def test_a_demonstrator_that_goes_at_one_pace_shows_no_gain_and_no_other_way(tmp_path):
    shown = collect(
        SUITE,
        tmp_path / "data",
        config=CollectionConfig(episodes=3, tasks=["reach-red"]),
        compute=Compute(workers=1),
    )
    made = augmenter_for(Augmentation(approach=0.1), shown, CPU)
    path = made.prepared(frames(shown, range(3), CPU)).approach
    assert not path.gain.any()
    assert not path.before.any()


def test_every_action_of_a_chunk_is_that_of_the_way_from_elsewhere(data):
    ones = batch_of(data, approach=0.1)
    chunks = batch_of(data, chunk=3, approach=0.1)
    assert chunks.observation["state"].equal(ones.observation["state"])
    assert chunks.action[:, :1].equal(ones.action)
    plain = batch_of(data, chunk=3)
    there = plain.mask[:, 1] > 0
    assert (plain.action != chunks.action)[there, 1].any(-1).float().mean() > 0.2


def test_starts_differ_from_sample_to_sample_by_up_to_the_requested_distance(data):
    plain, moved = batch_of(data), batch_of(data, approach=0.1)
    shift = moved.observation["state"] - plain.observation["state"]
    assert 0.08 < shift[:, :2].abs().max() <= 0.1 + 1e-6
    assert not shift[:, 2:].any()
    assert (moved.action.abs() <= 1).all()
    assert (moved.action != plain.action).any()


def test_what_else_is_drawn_stays_as_it_was(data):
    fields = {"translation": 0.1, "masking": 0.3}
    plain, moved = batch_of(data, **fields), batch_of(data, **fields, approach=0.1)
    rest = slice(2, None)
    assert plain.observation["state"][:, rest].equal(
        moved.observation["state"][:, rest]
    )


def test_the_context_keeps_the_way_it_shows(data):
    def problems(**augmentation):
        it = material_of(data, **augmentation)
        return EpisodicSampler(it, tasks=2, shots=2, steps=5, seed=0).batch(0, 30)

    plain, moved = problems(), problems(approach=0.1)
    assert plain.context.state.equal(moved.context.state)
    assert plain.query.observation["state"].ne(moved.query.observation["state"]).any()


def test_a_normaliser_is_fitted_on_the_ways_that_training_sees(data):
    plain, moved = material_of(data), material_of(data, approach=0.5)
    wider = states_of(moved).var(0) / states_of(plain).var(0)
    assert (wider[:2] > 1.02).all()
    assert wider[2:].equal(torch.ones(10))


def test_a_thing_that_falls_before_the_hand_is_there_has_not_been_touched():
    geometry = Geometry(
        dimensions=3,
        hand=Body(positions=(0,)),
        objects=(Body(positions=(3,)),),
        goal=None,
        displacement=0,
    )
    hand = torch.zeros(12, 3)
    hand[:, 0] = torch.linspace(0.4, 0.0, 12).clamp(min=0.04)
    thing = torch.zeros(12, 3)
    thing[:4, 2] = torch.tensor([0.05, 0.03, 0.01, 0.005])
    thing[10:, 0] = -0.02
    zero, steps = torch.tensor([0]), torch.tensor([12])
    source = Frames(
        table=Resident(
            observation={"state": torch.cat([hand, thing], 1)},
            action=3 * (0.04 - hand[:, :1]).expand(12, 4).clamp(-1, 1) / 3,
        ),
        episodes=Spans(start=zero, length=steps, task=zero, source=zero, group=zero),
        device=CPU,
    )
    path = approaches(source, [geometry])
    assert path.before.tolist() == [True] * 10 + [False] * 2
    assert path.end[0].equal(hand[10, :2])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["hand-insert-v3", "window-close-v3", "box-close-v3"])
def test_meta_worlds_hands_are_beside_what_they_touch_first(task, tmp_path):
    suite = robomtl.suite("metaworld/MT50")
    shown = collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(episodes=3, tasks=[task]),
        compute=Compute(workers=1),
    )
    made = augmenter_for(Augmentation(approach=0.1), shown, CPU)
    source = made.prepared(frames(shown, range(3), CPU))
    for start in starts_of(source):
        episode = slice(start, start + int(source.steps_left[start]))
        apart = (source.state[episode, :3] - source.state[episode, 4:7]).norm(dim=1)
        touch = int(source.approach.before[episode].sum())
        assert apart[touch] < apart.min() + 0.07


@pytest.mark.slow
@pytest.mark.parametrize("task", ["coffee-pull-v3", "push-v3", "soccer-v3"])
def test_meta_worlds_experts_do_elsewhere_what_is_said_of_them(task, tmp_path):
    suite = robomtl.suite("metaworld/MT50")
    shown = collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(episodes=3, tasks=[task]),
        compute=Compute(workers=1),
    )
    made = augmenter_for(Augmentation(approach=0.1), shown, CPU)
    source = made.prepared(frames(shown, range(3), CPU))
    rows = source.approach.before.nonzero()
    start = 0.3 * torch.rand(len(rows), 2, generator=torch.Generator()) - 0.15
    state, action = from_elsewhere(source, rows, start)
    expert = suite.make_expert(task)
    does = np.stack([expert({"state": each}) for each in state.numpy()])
    agree = [
        (np.abs(said[:, :2] - does[:, :2]).max(1) < 0.3).mean()
        for said in (
            action[:, 0].clamp(-1, 1).numpy(),
            source.action[rows[:, 0]].numpy(),
        )
    ]
    assert agree[0] > 0.9
    assert agree[0] > agree[1] + 0.1


def test_without_it_nothing_is_looked_for(data):
    assert material_of(data, translation=0.1).frames.approach is None
    whole = replace(material_of(data), augmenter=None)
    assert whole.frames.approach is None
