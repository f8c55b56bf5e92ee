"""Demonstrations of reaching goals that are hidden from the state, for few-shot methods."""

import torch
from einops import rearrange, repeat

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.policy import Spec
from robomtl.training import TrainConfig
from robomtl.training.frames import Frames, Resident, Spans
from robomtl.training.learner import learner_for
from robomtl.training.objective import Material

_GOALS, _EPISODES, _STEPS, _SPEED = 200, 4, 8, 0.2


def goals(conditioning, seed):
    """Episodes of a point that moves straight to its goal, grouped by goal."""
    generator = torch.Generator().manual_seed(seed)

    def places(*shape):
        return 2 * torch.rand(*shape, 2, generator=generator) - 1

    goal, place = places(_GOALS, 1), places(_GOALS, _EPISODES)
    states, actions = [], []
    for _ in range(_STEPS):
        states.append(place)
        actions.append(((goal - place) / _SPEED).clamp(-1, 1))
        place = place + _SPEED * actions[-1]
    state, action = (
        rearrange(torch.stack(part), "time goal episode x -> (goal episode time) x")
        for part in (states, actions)
    )
    group = repeat(torch.arange(_GOALS), "goal -> (goal n)", n=_EPISODES)
    length = torch.full_like(group, _STEPS)
    spans = Spans(
        start=length, length=length, task=0 * group, source=0 * group, group=group
    )
    return Material(
        frames=Frames(
            table=Resident(observation={"state": state}, action=action),
            episodes=spans.together(),
            device=state.device,
        ),
        wordings=InstructionEmbeddings(
            conditioning, [("reach",)], InstructionAugmentation()
        ),
        conditioning=conditioning,
        chunk=1,
    )


def errors(objective, *, name, policy, policy_config, steps):
    """Action errors at new goals, with supports of the right goal, a wrong one, and none."""
    size = objective.demonstration
    conditioning = Conditioning(
        kinds=("demonstration",) if size else (), tasks=("reach",), demonstration=size
    )
    settings = {field: getattr(objective, field) for field in vars(objective)}
    card = Card(
        policy=policy,
        config=policy_config,
        spec=Spec(state=2, action=2, embedding=conditioning.size),
        conditioning=conditioning,
        suite="",
        suite_options={},
        step=steps,
        objective=name,
        objective_config=settings,
    )
    config = TrainConfig(
        steps=steps, learning_rate=3e-3, ema_decay=0.98, precision="float32"
    )
    torch.manual_seed(0)
    learner = learner_for(checkpoint.build(card), config, objective)
    draws = objective.draws(goals(conditioning, seed=0), config)
    for step in range(steps):
        learner.update(draws.batch(step, 128))
    learner.policy.load_state_dict(learner.averaged())
    batch = objective.draws(goals(conditioning, seed=1), config).batch(0, 1600)
    shown = batch.context
    wrong = type(shown)(*(part.roll(1, 0) for part in shown))
    nothing = shown._replace(mask=torch.zeros_like(shown.mask))
    learner.policy.eval()
    with torch.no_grad():
        return [
            objective.loss(learner.policy, batch._replace(context=context))
            .metrics["action_error"]
            .item()
            for context in (shown, wrong, nothing)
        ]
