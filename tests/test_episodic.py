"""Batches of few-shot problems: support and query from different episodes of a task."""

import pytest
import torch

import robomtl
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.training.episodic import EpisodicSampler, context_of
from robomtl.training.objective import Material
from robomtl.training.recorded import frames

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    suite = robomtl.suite("points/ML4")
    return collect(
        suite,
        tmp_path_factory.mktemp("points") / "data",
        config=CollectionConfig(episodes=6),
    )


@pytest.fixture
def material(demonstrations):
    conditioning = Conditioning(kinds=("language",), tasks=demonstrations.tasks)
    words = [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    return Material(
        frames=frames(demonstrations, range(len(demonstrations)), torch.device("cpu")),
        wordings=InstructionEmbeddings(conditioning, words, InstructionAugmentation()),
        conditioning=conditioning,
        chunk=1,
    )


def sampler(material, **changes):
    return EpisodicSampler(
        material, **{"tasks": 3, "shots": 4, "steps": 7, "seed": 0, **changes}
    )


def episode_of(material, states):
    """The episode each state is from; states of points differ in every frame."""
    known = material.frames.state
    there = material.frames.episodes
    rows = [int((known == state).all(1).nonzero()[0]) for state in states]
    return torch.searchsorted(there.start, torch.tensor(rows), right=True) - 1


def test_spans_are_the_episodes(material, demonstrations):
    there = material.frames.episodes
    assert there.length.tolist() == demonstrations.episodes.length.tolist()
    assert there.group.tolist() == demonstrations.episodes.task.tolist()


def test_query_and_support_are_of_one_task_and_of_different_episodes(material):
    for step in range(5):
        drawn = sampler(material).batch(step, 30)
        for rows in torch.arange(30).split(10):
            task = drawn.query.task[rows]
            assert (task == task[0]).all()
            assert (drawn.support.task[rows] == task[0]).all()
            support = episode_of(material, drawn.support.observation["state"][rows])
            query = episode_of(material, drawn.query.observation["state"][rows])
            assert not set(support.tolist()) & set(query.tolist())


def test_support_frames_are_of_the_demonstrations_in_the_context(material):
    drawn = sampler(material).batch(3, 30)
    for task in range(3):
        shots = drawn.context.state[task][drawn.context.mask[task] == 1]
        shown = set(episode_of(material, shots[:, 0]).tolist())
        rows = slice(10 * task, 10 * task + 10)
        used = episode_of(material, drawn.support.observation["state"][rows])
        assert set(used.tolist()) <= shown


def test_tasks_of_a_batch_differ_and_shots_vary(material):
    batches = [sampler(material).batch(step, 30) for step in range(20)]
    assert all(len(set(batch.query.task.tolist())) == 3 for batch in batches)
    shots = {int(k) for batch in batches for k in batch.context.mask.sum(1)}
    assert shots == {1, 2, 3, 4}


def test_a_batch_depends_on_its_step_alone(material):
    one, other = sampler(material), sampler(material)
    one.batch(1, 30)
    again = other.batch(2, 30).query
    assert one.batch(2, 30).query.action.equal(again.action)
    assert one.batch(2, 30).query.task_embedding.equal(again.task_embedding)
    assert not one.batch(3, 30).query.action.equal(one.batch(2, 30).query.action)


def test_context_goes_evenly_from_the_first_frame_to_the_last(material):
    there = material.frames.episodes
    context = context_of(
        material.frames, there, torch.tensor([[2]]), torch.ones(1, 1), steps=3
    )
    first, length = int(there.start[2]), int(there.length[2])
    rows = [first, first + round((length - 1) / 2), first + length - 1]
    assert context.state[0, 0].equal(material.frames.state[rows])
    assert context.action[0, 0].equal(material.frames.action[rows])
    assert context.progress[0, 0].tolist() == [0, 0.5, 1]


def test_tasks_with_one_demonstration_each_are_refused(demonstrations, material):
    alone = demonstrations.select(per_task=1)
    single = frames(alone, range(len(alone)), torch.device("cpu"))
    lonely = Material(
        frames=single,
        wordings=material.wordings,
        conditioning=material.conditioning,
        chunk=1,
    )
    with pytest.raises(ValueError, match="has two demonstrations, one for the support"):
        sampler(lonely)


def test_a_problem_may_be_a_part_of_its_episodes(material):
    drawing = sampler(material)
    drawing.sub_trajectories = 0.999
    there, sizes = material.frames.episodes, []
    for step in range(5):
        drawn = drawing.batch(step, 30)
        for task in range(3):
            rows = slice(10 * task, 10 * task + 10)
            shots = drawn.context.state[task][drawn.context.mask[task] == 1]
            ends = places_of(material, shots[:, [0, -1]].flatten(0, 1)).view(-1, 2)
            used = places_of(
                material,
                torch.cat(
                    [
                        it.observation["state"][rows]
                        for it in (drawn.support, drawn.query)
                    ]
                ),
            )
            step_size = 1 / (there.length.min() - 1)
            assert (ends.diff() > 0.25 - 2 * step_size).all()
            assert used.min() >= ends[:, 0].min() - 2 * step_size
            assert used.max() <= ends[:, 1].max() + 2 * step_size
            sizes.append(float(ends.diff().mean()))
    assert max(sizes) - min(sizes) > 0.3


def places_of(material, states):
    """Position of each state within its episode, from 0 to 1."""
    there, known = material.frames.episodes, material.frames.state
    rows = torch.stack([(known == state).all(1).nonzero()[0, 0] for state in states])
    episode = episode_of(material, states)
    return (rows - there.start[episode]) / (there.length[episode] - 1)
