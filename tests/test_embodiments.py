"""Policies of several robots: separate projections, heads and statistics, one trunk."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature, vector_embodiment
from robomtl.files.request import plain
from robomtl.files.untrusted import converted
from robomtl.policy import POLICIES, Batch, Policy, Spec

LONG = vector_embodiment(state=5, action=3, name="long")
SHORT = vector_embodiment(state=2, action=1, name="short")
SEEING = Embodiment(
    name="seeing",
    observation={
        "state": Feature(kind="state", shape=(2,)),
        "front": Feature(kind="image", shape=(16, 24, 3), camera="front"),
    },
    action=ActionFeature(size=2),
)
SPEC = Spec(embodiments=(LONG, SHORT, SEEING), embedding=4, tasks=2)
TRAINED = [
    "film",
    "mlp",
    "multi_head",
    "mixture_of_experts",
    "octo",
    "rt1",
    "act",
    "diffusion",
    "flow",
    "transformer",
    "soft_modularization",
]
OWN = {"act", "diffusion", "flow"}
"""Policies without an action head that can be chosen."""
ROWS = 6


def build(name: str, spec: Spec = SPEC, **settings: Any) -> Policy:
    torch.manual_seed(0)
    headed = POLICIES.get(name).trainable and name not in OWN
    usual = {"loss": "l1"} if headed else {}
    policy = POLICIES.get(name)(POLICIES.get(name).Config(**usual | settings), spec)
    for parameter in policy.parameters():  # Layers that start at zero hide mistakes.
        torch.nn.init.normal_(parameter, std=0.1)
    return policy.eval()


def batch(chunk: int = 2, history: int = 1) -> Batch:
    time = (history,) if history > 1 else ()
    generator = torch.Generator().manual_seed(1)
    observation = {
        "state": torch.randn(ROWS, *time, 5, generator=generator),
        "front": torch.randint(
            0, 256, (ROWS, *time, 16, 24, 3), generator=generator, dtype=torch.uint8
        ),
        "embodiment": torch.arange(ROWS) % 3,
    }
    return Batch(
        observation=observation,
        action=torch.rand(ROWS, chunk, 3, generator=generator),
        mask=torch.ones(ROWS, chunk),
        task_embedding=torch.randn(ROWS, 4, generator=generator),
        task=torch.zeros(ROWS, dtype=torch.long),
    )


def acted(policy: Policy, given: Batch) -> Tensor:
    torch.manual_seed(0)  # Some draw.
    with torch.no_grad():
        return policy.act(given.observation, given.task_embedding, None)[0]


@pytest.mark.parametrize("name", TRAINED)
def test_a_policy_reads_of_a_sample_what_its_robot_has(name: str) -> None:
    policy, given = build(name, chunk=2), batch()
    before = acted(policy, given)
    assert before.shape == (ROWS, 2, 3)
    short = given.observation["embodiment"] == 1
    assert (before[short][..., 1:] == 0).all()
    state = given.observation["state"].clone()
    state[short, 2:] = 9.0
    front = given.observation["front"].clone()
    front[given.observation["embodiment"] != 2] = 0
    other = given.observation | {"state": state, "front": front}
    assert acted(policy, given._replace(observation=other)).equal(before)
    front[5] = 0
    after = acted(policy, given._replace(observation=other | {"front": front}))
    assert not after[5].equal(before[5])


@pytest.mark.parametrize("loss", ["l1", "gaussian"])
@pytest.mark.parametrize("name", TRAINED)
def test_components_that_a_robot_lacks_are_in_no_loss(name: str, loss: str) -> None:
    head = {} if name in OWN else {"loss": loss}
    policy, given = build(name, chunk=2, **head).train(), batch()
    action = given.action.clone()
    action[given.observation["embodiment"] == 1, :, 1:] = 7.0
    action[given.observation["embodiment"] == 2, :, 2:] = 7.0
    losses = []
    for each in (given, given._replace(action=action)):
        torch.manual_seed(0)
        losses.append(policy.loss(each).per_sample)
    assert losses[0].equal(losses[1])


def test_samples_of_one_robot_leave_the_outputs_of_others_alone() -> None:
    policy, given = build("film"), batch(chunk=1)
    policy.loss(given).per_sample[0].backward()  # Of the first robot.
    gradient = policy.get_parameter("head.linear.weight").grad
    assert gradient is not None
    assert (gradient.abs().sum(1) > 0).tolist() == [True] * 3 + [False] * 3


def test_each_robot_has_statistics_of_its_own() -> None:
    policy, given = build("mlp"), batch()
    policy.fit(given.observation)
    for robot, (columns, size) in enumerate(
        zip(SPEC.state_slices, (5, 2, 2), strict=True)
    ):
        rows = given.observation["state"][given.observation["embodiment"] == robot]
        assert policy.normaliser.mean[columns].allclose(rows[:, :size].mean(0))


@pytest.mark.parametrize("name", ["act", "film", "flow", "octo", "rt1", "transformer"])
def test_a_history_reaches_the_policy_whole(name: str) -> None:
    policy = build(name, replace(SPEC, history=3))
    given = batch(history=3)
    before = acted(policy, given)
    given.observation["state"][0, 0] += 1.0
    assert not acted(policy, given)[0].equal(before[0])


def test_a_policy_of_several_robots_is_saved_whole(tmp_path: Any) -> None:
    config = POLICIES.get("film").Config(width=32)
    card = Card(
        policy="film",
        config=plain(config),
        spec=replace(SPEC, embedding=0),
        conditioning=Conditioning(kinds=(), tasks=("a", "b")),
        suite="",
        suite_options={},
        step=0,
    )
    policy, given = checkpoint.build(card).eval(), batch()
    given = given._replace(task_embedding=torch.zeros(ROWS, 0))
    checkpoint.save(tmp_path, policy, card)
    loaded = checkpoint.load(tmp_path)
    assert loaded.card == card
    assert acted(loaded.policy, given).equal(acted(policy, given))


def test_a_card_of_one_vector_loads() -> None:
    old = {"state": 39, "action": 4, "embedding": 384, "tasks": 10}
    assert converted(old, Spec, where="here") == Spec(
        state=39, action=4, embedding=384, tasks=10
    )


def test_one_robot_acts_in_every_embodiment_that_has_its_features() -> None:
    assert Spec(state=2, action=2, embedding=0).serving(SEEING) == 0
    assert SPEC.serving(SEEING) == 2


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: Spec(embedding=0), "state is 0 and action 0"),
        (lambda: replace(SPEC, tasks=0), "tasks is 0"),
        (lambda: replace(SPEC, state=7), "state is 7, but the embodiments have 5"),
        (lambda: replace(SPEC, embodiments=(LONG, LONG)), "the name 'long'"),
        (
            lambda: replace(
                SPEC,
                embodiments=(SEEING, other("front", Feature(kind="state", shape=(1,)))),
            ),
            "features of one name must have one kind",
        ),
        (
            lambda: replace(SPEC, embodiments=(SEEING, other("front", SQUARE))),
            "images of one name must have one shape",
        ),
        (
            lambda: SPEC.serving(replace(LONG, name="lang")),
            "Unknown embodiment 'lang'.*'long'",
        ),
        (
            lambda: SPEC.serving(replace(SHORT, name="seeing")),
            "'seeing' has no feature 'front'.*the policy was built for 'long'",
        ),
        (
            lambda: build("in_context"),
            "in_context reads one observation, a vector named 'state'",
        ),
        (lambda: build("replay"), "Use finetune or nearest_neighbour"),
    ],
)
def test_what_a_policy_was_not_built_for_is_refused(refused: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        refused()


SQUARE = Feature(kind="image", shape=(16, 16, 3), camera="front")


def other(name: str, feature: Feature) -> Embodiment:
    return Embodiment(
        name="other", observation={name: feature}, action=ActionFeature(size=2)
    )


@pytest.mark.parametrize("history", [1, 2])
@pytest.mark.parametrize("name", TRAINED)
def test_robots_that_observe_alike_begin_with_equal_projections(
    name: str, history: int
) -> None:
    other = replace(SHORT, name="other", action=ActionFeature(size=2))
    spec = Spec(embodiments=(SHORT, LONG, other), embedding=4, tasks=2, history=history)
    policy = POLICIES.get(name)(POLICIES.get(name).Config(), spec)
    layers = [it.weight for it in policy.modules() if isinstance(it, torch.nn.Linear)]
    once = spec.state_slices[-1].stop
    steps = [it[:, :once] for it in layers if it.shape[1] >= once]
    assert any(step[:, :2].equal(step[:, 7:]) for step in steps)
