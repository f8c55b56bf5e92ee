"""Augmentation of demonstrations: moved parts, unchanged parts, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import Budget, adapt, draw_support
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import METHODS
from robomtl.checkpoint import Card
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.envs.metaworld_objects import quaternion
from robomtl.envs.metaworld_variations import drawn_vector
from robomtl.geometry import Body, Geometry
from robomtl.policy import Spec
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenter_for import augmenter_for
from robomtl.training.augmenting import Augmenter
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.objective import Material
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/ML4")
SMALL = {"width": 16, "blocks": 1}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(
        SUITE,
        tmp_path_factory.mktemp("points") / "data",
        config=CollectionConfig(episodes=6),
    )


def material_of(data, **augmentation):
    conditioning = Conditioning(kinds=("goal",), tasks=data.tasks, goal=(10, 12))
    words = [(data.instructions[task],) for task in data.tasks]
    return Material(
        frames=frames(data, range(len(data)), CPU),
        wordings=InstructionEmbeddings(conditioning, words, InstructionAugmentation()),
        conditioning=conditioning,
        chunk=2,
        augmenter=augmenter_for(Augmentation(**augmentation), data, CPU),
    )


def batch_of(data, step=0, size=64, **augmentation):
    it = material_of(data, **augmentation)
    sampler = Sampler(
        it.frames,
        it.wordings,
        it.conditioning,
        chunk=it.chunk,
        config=SamplerConfig(seed=0, temperature=1.0),
        augmenter=it.augmenter,
    )
    return sampler.batch(step, size)


def problems_of(data, step=0, size=30, **augmentation):
    it = material_of(data, **augmentation)
    return EpisodicSampler(it, tasks=3, shots=2, steps=5, seed=0).batch(step, size)


def test_translation_moves_everything_in_a_sample_alike_and_no_action(data):
    plain, moved = batch_of(data), batch_of(data, translation=0.1)
    shift = moved.observation["state"] - plain.observation["state"]
    by_thing = shift.view(len(shift), 6, 2)
    assert torch.allclose(by_thing, by_thing[:, :1].expand_as(by_thing), atol=1e-6)
    assert 0.09 < by_thing.abs().max() <= 0.1 + 1e-6
    assert len({round(float(x), 5) for x in by_thing[:, 0, 0]}) > 50
    assert moved.action.equal(plain.action)
    assert moved.task.equal(plain.task)


def test_the_goal_a_policy_is_told_moves_with_the_state(data):
    moved = batch_of(data, translation=0.1)
    assert moved.task_embedding.equal(moved.observation["state"][:, 10:12])


def test_a_fraction_of_samples_is_changed_and_the_rest_is_as_recorded(data):
    every = {"translation": 0.1, "rotation": 20.0, "mirror": 0.5, "masking": 0.5}
    plain = batch_of(data)
    some = batch_of(data, **every, approach=0.1, relabelling=0.5, fraction=0.25)
    apart = (some.observation["state"] - plain.observation["state"]).abs().amax(1)
    stays = apart < 1e-6
    assert 0.6 < stays.float().mean() < 0.9
    assert torch.allclose(some.action[stays], plain.action[stays], atol=1e-6)
    assert apart[~stays].min() > 1e-3


def test_a_problem_is_changed_or_stays_as_a_whole(data):
    plain = problems_of(data, size=60)
    some = problems_of(data, size=60, translation=0.1, approach=0.1, fraction=0.5)
    changed = []
    for part in ("support", "query"):
        before, after = (getattr(each, part).observation for each in (plain, some))
        apart = (after["state"] - before["state"]).view(3, -1).abs().amax(1)
        changed.append((apart > 1e-3).tolist())
    assert changed[0] == changed[1]
    assert 0 < sum(changed[0]) < 3


def test_a_problem_is_moved_as_a_whole(data):
    plain, moved = problems_of(data), problems_of(data, translation=0.1)
    shifts = moved.query.observation["state"] - plain.query.observation["state"]
    shifts = shifts.view(3, 10, 12)
    first = shifts[:, :1]
    assert torch.allclose(shifts, first.expand_as(shifts), atol=1e-6)
    support = moved.support.observation["state"] - plain.support.observation["state"]
    assert torch.allclose(support.view(3, 10, 12), shifts, atol=1e-6)
    context = moved.context.state - plain.context.state
    assert torch.allclose(context, first[:, None].expand_as(context), atol=1e-6)
    assert not torch.allclose(first[0], first[1], atol=1e-3)
    assert moved.context.action.equal(plain.context.action)


def test_a_batch_that_is_constructed_depends_on_its_step_alone(data):
    first, again = (batch_of(data, 3, translation=0.1) for _ in range(2))
    assert first.observation["state"].equal(again.observation["state"])


def test_without_construction_there_is_no_constructor(data):
    assert augmenter_for(Augmentation(), data, CPU) is None


def test_a_normaliser_is_fitted_on_what_training_sees(data):
    material = material_of(data, translation=0.5)
    there = material.frames.state
    wider = states_of(material).var(0) / there.var(0)
    expected = 1 + 0.5**2 / 3 / there.var(0)
    assert torch.allclose(wider, expected, rtol=0.2)
    assert states_of(replace(material, augmenter=None)).equal(there)


def test_mirroring_reflects_x_of_places_and_of_actions(data):
    plain, mirrored = batch_of(data), batch_of(data, mirror=1.0)
    reflection = torch.tensor([-1.0, 1.0])
    for kind in (lambda b: b.observation["state"], lambda b: b.action):
        assert kind(mirrored).equal(
            kind(plain) * reflection.repeat(kind(plain).shape[-1] // 2)
        )


def test_some_samples_are_mirrored_and_others_not(data):
    plain, mirrored = batch_of(data), batch_of(data, mirror=0.5)
    same = (plain.observation["state"] == mirrored.observation["state"]).all(1)
    assert 0.3 < same.float().mean() < 0.7
    assert ((plain.action == mirrored.action).all(2).all(1) == same).all()


def test_mirrored_actions_solve_the_mirrored_task(data):
    env = SUITE.make_env("push-ball")
    expert = SUITE.make_expert("push-ball")
    reflection = np.array([-1.0, 1.0], np.float32)
    observation, info = env.reset(options={"variation": 1_000_003})
    places = env._positions * reflection
    actions = []
    while not info["success"]:
        actions.append(expert(observation) * reflection)
        observation, _, _, _, info = env.step(actions[-1] * reflection)
    env.reset(options={"variation": 1_000_003})
    env._positions = places
    assert [env.step(action)[-1]["success"] for action in actions][-1]


def test_a_mirrored_quaternion_is_that_of_the_mirrored_rotation():
    generator = np.random.default_rng(0)
    matrices = Rotation.random(200, random_state=generator).as_matrix()
    reflection = np.diag([-1.0, 1.0, 1.0])
    quaternions, expected = (
        torch.tensor(
            np.array([quaternion(m.ravel()) for m in some]), dtype=torch.float32
        )
        for some in (matrices, reflection @ matrices @ reflection)
    )
    for order, places in (("xyzw", [0, 1, 2, 3]), ("wxyz", [3, 0, 1, 2])):
        thing = Body(positions=(4,), orientations=(0,), order=order)
        hand = Body(positions=(7,))
        geometry = Geometry(
            dimensions=3, hand=hand, objects=(thing,), goal=None, displacement=0
        )
        augmenter = Augmenter(
            Augmentation(mirror=1.0), [geometry], state=10, action=4, device=CPU
        )
        task = torch.zeros(200, dtype=torch.long)
        state = torch.cat([quaternions[:, places], torch.ones(200, 6)], 1)
        mirrored = augmenter.draw(task, torch.Generator()).state(state)
        agreement = (mirrored[:, :4] * expected[:, places]).sum(1)
        if order == "xyzw":
            assert torch.allclose(mirrored[:, :4], expected[:, places], atol=1e-5)
        assert torch.allclose(agreement.abs(), torch.ones(200), atol=1e-5)


def test_a_problem_is_mirrored_as_a_whole(data):
    plain, mirrored = problems_of(data), problems_of(data, mirror=0.5, step=2)
    plain = problems_of(data, step=2)
    reflection = torch.tensor([-1.0, 1.0]).repeat(6)
    seen = set()
    for task in range(3):
        rows = slice(10 * task, 10 * task + 10)
        is_mirrored = not plain.context.state[task].equal(mirrored.context.state[task])
        sign = reflection if is_mirrored else torch.ones(12)
        for part in ("support", "query"):
            before, after = getattr(plain, part), getattr(mirrored, part)
            state = before.observation["state"][rows] * sign
            assert after.observation["state"][rows].equal(state)
            assert after.action[rows].equal(before.action[rows] * sign[:2])
        action = plain.context.action[task] * sign[:2]
        assert mirrored.context.action[task].equal(action)
        seen.add(is_mirrored)
    assert seen == {True, False}


def turned(places, angle, centre):
    """Places, x and y each, turned one after the other about z."""
    rotation = Rotation.from_euler("z", angle).as_matrix()[:2, :2]
    apart = np.asarray(places).reshape(-1, 2) - centre
    return (apart @ rotation.T + centre).ravel()


def test_rotation_turns_places_around_the_hands_mean_and_displacements_alike(data):
    plain, moved = batch_of(data), batch_of(data, rotation=30.0)
    rows = np.repeat(data.episodes.task, data.episodes.length)
    angles = []
    for place in range(64):
        task = int(plain.task[place])
        centre = data.state[rows == task, :2].mean(0)
        before, after = (b.observation["state"][place] for b in (plain, moved))
        first, second = (b[:2].numpy() - centre for b in (before, after))
        cross = first[0] * second[1] - first[1] * second[0]
        angles.append(np.arctan2(cross, first @ second))
        expected = turned(before, angles[-1], centre)
        assert np.allclose(after, expected, atol=1e-5)
        action = turned(plain.action[place], angles[-1], 0.0).clip(-1, 1)
        assert np.allclose(moved.action[place].ravel(), action, atol=1e-5)
    assert 28 < np.degrees(np.abs(angles)).max() <= 30.01
    assert min(angles) < 0 < max(angles)


def test_what_is_not_turned_is_drawn_as_before(data):
    first = batch_of(data, translation=0.1, mirror=0.5)
    again = batch_of(data, translation=0.1, mirror=0.5, rotation=0.0)
    assert first.observation["state"].equal(again.observation["state"])


def test_turned_actions_solve_the_turned_task():
    env, expert = SUITE.make_env("push-ball"), SUITE.make_expert("push-ball")
    geometry = [SUITE.geometry("push-ball")]
    made = Augmenter(
        Augmentation(rotation=25.0), geometry, state=12, action=2, device=CPU
    )
    task = torch.zeros(1, dtype=torch.long)
    change = made.draw(task, torch.Generator().manual_seed(1))
    observation, info = env.reset(options={"variation": 1_000_003})
    start, actions = torch.from_numpy(observation["state"])[None], []
    while not info["success"]:  # Slower, that no turned action is clipped.
        actions.append(expert(observation) * np.float32(0.7))
        observation, _, _, _, info = env.step(actions[-1])
    env.reset(options={"variation": 1_000_003})
    env._positions = change.state(start)[0].double().numpy().reshape(-1, 2)
    again = change.action(torch.tensor(np.array(actions))[None])[0].numpy()
    assert np.abs(again - actions).max() > 0.05
    assert any(env.step(action)[-1]["success"] for action in again)


def test_what_is_turned_keeps_its_height_and_its_own_orientation():
    thing = Body(positions=(4,), orientations=(0,), order="xyzw")
    geometry = Geometry(
        dimensions=3,
        hand=Body(positions=(7,)),
        objects=(thing,),
        goal=None,
        displacement=0,
    )
    made = Augmenter(
        Augmentation(rotation=120.0), [geometry], state=10, action=4, device=CPU
    )
    change = made.draw(torch.zeros(20, dtype=torch.long), torch.Generator())
    state, action = torch.randn(20, 10), 0.5 * torch.rand(20, 1, 4)
    moved, acted = change.state(state), change.action(action)
    stays = [0, 1, 2, 3, 6, 9]
    assert moved[:, stays].equal(state[:, stays])
    assert not torch.isclose(moved[:, [4, 5]], state[:, [4, 5]]).all(1).any()
    assert acted[..., 2:].equal(action[..., 2:])
    for before, after in ((state[:, 4:6], moved[:, 4:6]), (action, acted)):
        sizes = [part[..., :2].norm(dim=-1) for part in (before, after)]
        assert torch.allclose(*sizes, atol=1e-6)


def test_a_problem_is_turned_as_a_whole(data):
    plain, moved = problems_of(data), problems_of(data, rotation=90.0)
    for task in range(3):
        rows = slice(10 * task, 10 * task + 10)
        pairs = [
            (p.observation["state"][rows], m.observation["state"][rows])
            for p, m in ((plain.support, moved.support), (plain.query, moved.query))
        ]
        pairs.append((plain.context.state[task], moved.context.state[task]))
        before, after = (
            torch.cat([part.reshape(-1, 12) for part in side]).double()
            for side in zip(*pairs, strict=True)
        )
        one = torch.ones(len(before), 1).double()
        linear = torch.linalg.lstsq(torch.cat([before[:, :2], one], 1), after[:, :2])
        assert (linear.residuals < 1e-6).all()
        square = linear.solution[:2]
        assert torch.allclose(square @ square.T, torch.eye(2).double(), atol=1e-4)


def test_a_hidden_object_is_zeros_and_nothing_else_changes(data):
    plain, masked = batch_of(data), batch_of(data, masking=0.5, translation=0.0)
    before = plain.observation["state"].view(-1, 6, 2)
    after = masked.observation["state"].view(-1, 6, 2)
    hidden = (after == 0).all(2)
    assert not hidden[:, [0, 5]].any()
    assert 0.4 < hidden[:, 1:5].float().mean() < 0.6
    assert torch.where(hidden[..., None], 0.0, before).equal(after)
    assert masked.action.equal(plain.action)


def test_a_hidden_object_stays_hidden_when_all_else_moves(data):
    masked = batch_of(data, masking=1.0, translation=0.1, mirror=0.5)
    assert not masked.observation["state"].view(-1, 6, 2)[:, 1:5].any()


def test_the_context_shows_what_is_hidden_elsewhere(data):
    plain, masked = problems_of(data), problems_of(data, masking=1.0)
    assert masked.context.state.equal(plain.context.state)
    for part in (masked.support, masked.query):
        assert not part.observation["state"][:, 2:10].any()


def actions_of(drawn, task):
    """All actions of a problem: of the context, the support and the queries."""
    rows = slice(10 * task, 10 * task + 10)
    parts = (drawn.context.action[task], drawn.support.action[rows])
    return torch.cat([it.flatten(0, -2) for it in (*parts, drawn.query.action[rows])])


@pytest.mark.parametrize("space", ["permuted", "turned", "scaled"])
def test_each_problem_has_an_action_space_of_its_own(data, space):
    maps = []
    for step in range(10):
        plain = problems_of(data, step)
        own = problems_of(data, step, action_space=space)
        assert own.query.observation["state"].equal(plain.query.observation["state"])
        for task in range(3):
            before, after = (actions_of(it, task) for it in (plain, own))
            inside = before.norm(dim=-1) < (0.5 if space == "scaled" else 1)
            found = torch.linalg.lstsq(before[inside], after[inside]).solution
            if torch.linalg.svdvals(before[inside])[-1] < 0.3:
                continue
            size = found.det().abs().sqrt()
            assert (0.5 <= size <= 2) if space == "scaled" else (size - 1).abs() < 1e-3
            assert torch.allclose(found @ found.T, size**2 * torch.eye(2), atol=1e-3)
            assert torch.allclose((before @ found).clamp(-1, 1), after, atol=1e-3)
            maps.append(tuple(found.abs().round(decimals=2).flatten().tolist()))
    assert len(maps) > 20
    assert (set(maps) == {(0, 1, 1, 0), (1, 0, 0, 1)}) == (space == "permuted")
    assert len(set(maps)) == 2 or space != "permuted"


def test_an_action_space_leaves_the_gripper_and_turns_about_z():
    suite = robomtl.suite("metaworld/MT10")
    geometry = [suite.geometry("push-v3")]
    for space in ("turned", "permuted", "scaled"):
        made = Augmenter(
            Augmentation(action_space=space), geometry, state=39, action=4, device=CPU
        )
        change = made.draw(torch.zeros(500, dtype=torch.long), torch.Generator())
        action = torch.full((500, 1, 4), 0.5)
        changed = change.action(action)
        assert (changed[..., 3] == 0.5).all()
        assert (changed[..., 2] == 0.5).all() == (space == "turned")
        kinds = {tuple(row) for row in change.turn.flatten(1).tolist()}
        assert (len(kinds) == 48) == (space == "permuted")


def test_single_frames_have_no_action_space_of_their_own(data):
    with pytest.raises(ValueError, match="action_space='turned' gives each problem"):
        batch_of(data, action_space="turned")


def test_a_new_goal_is_what_the_point_achieves_later_in_its_episode(data):
    plain, new = batch_of(data, size=256), batch_of(data, size=256, relabelling=1.0)
    known = material_of(data).frames
    flag = new.task == data.tasks.index("reach-flag")
    before, after = plain.observation["state"], new.observation["state"]
    assert before[~flag].equal(after[~flag])
    assert before[flag, :10].equal(after[flag, :10])
    assert new.task_embedding.equal(after[:, 10:12])
    ahead = set()
    for state in after[flag]:
        row = int((known.state[:, :10] == state[:10]).all(1).nonzero()[0])
        left = int(known.steps_left[row])
        future = known.state[row + 1 : row + left, :2] if left > 1 else state[None, :2]
        steps = (future == state[10:]).all(1).nonzero()
        assert len(steps)
        ahead.add((left, int(steps[0])))
    assert len(ahead) > 30


def test_part_of_the_goals_stay(data):
    plain, new = batch_of(data, size=256), batch_of(data, size=256, relabelling=0.5)
    flag = new.task == data.tasks.index("reach-flag")
    same = (plain.observation["state"] == new.observation["state"]).all(1)[flag]
    assert 0.3 < same.float().mean() < 0.7


def test_relabelling_without_a_place_to_come_to_is_refused(data):
    reds = data.select(tasks=["reach-red"])
    with pytest.raises(ValueError, match="has none among reach-red; leave it at 0"):
        augmenter_for(Augmentation(relabelling=0.5), reds, CPU)


def test_relabelling_hidden_goals_is_refused(data):
    options = {"goals": "hidden"}
    hidden = replace_contents(
        data.select(tasks=["reach-red"]),
        suite="metaworld/ML10",
        suite_options=options,
        tasks=("reach-v3",),
    )
    with pytest.raises(ValueError, match="metaworld/ML10 hides them here"):
        augmenter_for(Augmentation(relabelling=0.5), hidden, CPU)


@pytest.mark.parametrize("goals", ["observable", "hidden"])
def test_meta_world_moves_all_that_is_in_the_state_and_nothing_else(goals):
    suite = robomtl.suite("metaworld/ML10", goals=goals)
    for task in (*suite.train_tasks, *suite.held_out_tasks):
        geometry = suite.geometry(task.name)
        moved = sorted(at for body in geometry.bodies for at in body.positions)
        goal = [36] if goals == "observable" else []
        assert moved == [0, 4, 18, 22, *goal]


def test_meta_worlds_second_objects_have_a_place_where_they_are_there():
    suite = robomtl.suite("metaworld/MT50")
    two = [t.name for t in suite.train_tasks if len(suite.geometry(t.name).objects) > 1]
    assert two == ["hammer-v3", "stick-push-v3", "stick-pull-v3"]
    assert suite.geometry("hammer-v3").objects[1].positions == (11, 29)


def test_training_and_adapting_take_construction(data, tmp_path):
    config = robomtl.TrainConfig(
        steps=3, batch_size=16, threads=1, augmentation=Augmentation(translation=0.1)
    )
    robomtl.train(data, out=tmp_path / "run", policy_config=SMALL, config=config)
    support = draw_support(data, "reach-red", shots=1, draw=0)
    for method in ("finetune", "scratch"):
        plain, moved = (
            adapt(
                tmp_path / "run",
                support,
                method=configure(method, {"augmentation": Augmentation(**fields)}),
                budget=Budget(steps=2, batch_size=8),
            )
            for fields in ({}, {"translation": 0.1})
        )
        assert plain.fingerprint != moved.fingerprint


def test_co_training_constructs_samples_of_the_prior_too(data):
    support = draw_support(data, "reach-red", shots=1, draw=0)
    support = replace(support, prior=data.select(tasks=["reach-blue"]))
    spec = Spec(state=12, action=2, embedding=0)
    conditioning = Conditioning(kinds=(), tasks=data.tasks)
    fields = {"suite": "", "suite_options": {}, "step": 0}
    card = Card(policy="mlp", config={}, spec=spec, conditioning=conditioning, **fields)
    trained = checkpoint.packed(checkpoint.build(card), card)
    plain, moved = (
        METHODS.get("finetune")(
            cotraining=0.5, augmentation=Augmentation(translation=translation)
        )
        .draws(trained, support, torch.Generator().manual_seed(0))
        .batch(0, 16)
        .observation["state"]
        for translation in (0.0, 0.1)
    )
    assert (plain != moved).any(1).all()


def test_demonstrations_of_no_suite_are_refused(data):
    nameless = replace_contents(data, suite=None)
    with pytest.raises(ValueError, match="these demonstrations name no suite"):
        augmenter_for(Augmentation(translation=0.1), nameless, CPU)


def states_of(material):
    (block,) = material.observations(0)
    return block["state"]


def replace_contents(data, **changes):
    contents = data._contents
    return type(data).of(type(contents)(**{**vars(contents), **changes}))


def test_a_suite_without_geometry_is_refused(data, monkeypatch):
    monkeypatch.delattr(type(SUITE), "geometry")
    with pytest.raises(
        ValueError, match=r"points/ML4 lacks the method geometry\(task\)"
    ):
        augmenter_for(Augmentation(translation=0.1), data, CPU)


@pytest.mark.parametrize("translation", [-0.1, np.inf, np.nan])
def test_a_translation_out_of_range_is_refused(translation):
    with pytest.raises(
        ValueError, match=f"translation is {translation}; give 0 or more"
    ):
        Augmentation(translation=translation)


@pytest.mark.parametrize("rotation", [-1.0, 181.0, np.nan])
def test_a_rotation_out_of_range_is_refused(rotation):
    with pytest.raises(ValueError, match=f"rotation is {rotation}; give 0 to 180"):
        Augmentation(rotation=rotation)


@pytest.mark.parametrize("name", ["mirror", "masking", "relabelling", "fraction"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_probability_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}; give 0 to 1"):
        Augmentation(**{name: value})


def test_an_unknown_action_space_is_refused():
    with pytest.raises(ValueError, match="action_space 'rotated'.*turned|turned"):
        Augmentation(action_space="rotated")


def test_what_meta_worlds_numbers_are_is_as_the_state_is_laid_out():
    suite = robomtl.suite("metaworld/MT50")
    for task in suite.train_tasks:
        geometry = suite.geometry(task.name)
        for at, thing in zip((4, 11), geometry.objects, strict=False):
            assert thing.positions == (at, at + 18)
            assert thing.orientations in ((), (at + 3, at + 21))
    reach, push = suite.geometry("reach-v3"), suite.geometry("push-v3")
    assert reach.achieved == reach.hand
    assert push.achieved == push.objects[0]
    assert suite.geometry("door-open-v3").achieved is None


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach-v3", "push-v3", "drawer-open-v3"])
def test_meta_worlds_experts_act_alike_wherever_everything_is_moved(task):
    suite = robomtl.suite("metaworld/MT50")
    expert, geometry = suite.make_expert(task), [suite.geometry(task)]
    made = Augmenter(
        Augmentation(translation=0.1), geometry, state=39, action=4, device=CPU
    )
    change = made.draw(torch.zeros(40, dtype=torch.long), torch.Generator())
    env = suite.make_env(task)
    observation, _ = env.reset(options={"variation": 1_000_000})
    states, actions = [], []
    for _ in range(40):
        states.append(observation["state"])
        actions.append(expert(observation))
        observation, *_ = env.step(actions[-1])
    env.close()
    moved = change.state(torch.tensor(np.array(states))).numpy()
    again = [expert({"state": state}) for state in moved]
    assert np.abs(moved - states).max() > 0.09
    assert np.allclose(again, actions, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["reach-v3", "push-v3", "button-press-topdown-v3"])
def test_mirrored_actions_solve_meta_worlds_mirrored_starts(task):
    suite = robomtl.suite("metaworld/MT50")
    expert, env = suite.make_expert(task), suite.make_env(task)
    made = Augmenter(
        Augmentation(mirror=1.0),
        [suite.geometry(task)],
        state=39,
        action=4,
        device=CPU,
    )
    change = made.draw(torch.zeros(1, dtype=torch.long), torch.Generator())
    observation, info = env.reset(options={"variation": 1_000_007})
    start, actions = torch.from_numpy(observation["state"])[None], []
    while not info["success"]:
        actions.append(expert(observation))
        observation, *_, info = env.step(actions[-1])
    vector = drawn_vector(task, 1_000_007)
    there = env.simulator.begin(vector * np.resize([-1.0, 1.0, 1.0], len(vector)))
    # The hand starts 4 mm beside the plane.
    assert np.abs(there - change.state(start)[0].numpy()).max() < 0.01
    mirrored = change.action(torch.tensor(np.array(actions))[None])[0].numpy()
    successes = [env.simulator.step(action)[2] for action in mirrored]
    env.close()
    assert any(successes)
