"""Behaviour cloning: one policy from the demonstrations of many tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from robomtl import checkpoint
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Conditioning, Kind, Wordings
from robomtl.demonstrations import Demonstrations
from robomtl.policy import Batch, Loss, Policy, Spec
from robomtl.progress import progress
from robomtl.registry import POLICIES, suite
from robomtl.request import claim, plain
from robomtl.task import Suite, find_task
from robomtl.training.config import TrainConfig
from robomtl.training.during import evaluate_during
from robomtl.training.learner import Learner, learning_rate
from robomtl.training.samples import Frames, Sampler, every_frame, frames

_STATE = "training.safetensors"


@dataclass(frozen=True, kw_only=True)
class _Material:
    """What batches are made of."""

    training: Frames
    validation: Frames
    wordings: Wordings
    card: Card


def train(
    demonstrations: Demonstrations,
    *,
    out: Path | str,
    policy: str = "film",
    policy_config: Mapping[str, Any] | None = None,
    conditioning: Sequence[Kind] = ("language",),
    config: TrainConfig | None = None,
) -> TrainedPolicy:
    """Trains a policy and leaves it in a run directory.

    A run that was killed goes on from its last checkpoint and ends with the same
    weights, bit for bit on the CPU; one that is finished is only read.

    Args:
        demonstrations: What to clone.
        out: Run directory; made if missing.
        policy: Registered name of the architecture.
        policy_config: Fields of its config that differ from the defaults.
        conditioning: How the policy is told its task.
        config: Settings of the run.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If the names or settings are wrong, or the run directory holds
            another run.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    config = config or TrainConfig()
    card = _card(demonstrations, policy, policy_config or {}, conditioning, config)
    folder = Path(out)
    claim(folder / "run.json", _request(demonstrations, card, config))
    if (folder / "policy.json").exists():
        return checkpoint.load(folder)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    learner = Learner(checkpoint.build(card).to(config.device), config)
    material = _material(demonstrations, card, config)
    learner.policy.normaliser.fit(material.training.state)
    if (folder / _STATE).exists():
        learner.restore(folder / _STATE)
    with SummaryWriter(folder / "tensorboard", purge_step=learner.step) as writer:
        _learn(learner, material, config, folder, writer)
    _finish(learner, card, folder)
    return checkpoint.load(folder)


def _learn(
    learner: Learner,
    material: _Material,
    config: TrainConfig,
    folder: Path,
    writer: SummaryWriter,
) -> None:
    """Batch, step, log, evaluate, save, until the last step."""
    conditioning = material.card.conditioning
    sampler = Sampler(
        material.training,
        material.wordings,
        conditioning,
        chunk=learner.policy.config.chunk,
        temperature=config.temperature,
        seed=config.seed,
    )
    with progress("Training", config.steps, done=learner.step) as advance:
        while learner.step < config.steps:
            batch = sampler.batch(learner.step, config.batch)
            loss, norm = _update(learner, batch, conditioning.tasks)
            done = learner.step
            if done % config.log_every == 0:
                _log(writer, done, loss, norm, batch, conditioning.tasks, config)
                advance(config.log_every, note=f"loss {loss.per_sample.mean():.4f}")
            if done % config.validate_every == 0:
                _validate(writer, learner, material)
            if config.evaluate_every and done % config.evaluate_every == 0:
                so_far = folder / "so-far" / f"{done:08d}"
                _finish(learner, material.card, so_far)
                evaluate_during(so_far, _suite(material.card), config, done, writer)
            if done % config.save_every == 0 and done < config.steps:
                learner.save(folder / _STATE)


def _update(
    learner: Learner, batch: Batch, tasks: Sequence[str]
) -> tuple[Loss, Tensor]:
    try:
        return learner.update(batch)
    except FloatingPointError as error:
        finite = torch.isfinite(learner.policy.loss(batch).per_sample)
        culprits = sorted({tasks[i] for i in batch.task[~finite].tolist()})
        raise FloatingPointError(
            f"{error} Step {learner.step}, task {', '.join(culprits) or 'all'}; a lower "
            f"learning_rate or float32 precision may help."
        ) from error


def _log(
    writer: SummaryWriter,
    step: int,
    loss: Loss,
    norm: Tensor,
    batch: Batch,
    tasks: Sequence[str],
    config: TrainConfig,
) -> None:
    writer.add_scalar("train/loss", loss.per_sample.mean(), step)
    writer.add_scalar("train/gradient_norm", norm, step)
    writer.add_scalar("train/learning_rate", learning_rate(step - 1, config), step)
    for name, value in loss.metrics.items():
        writer.add_scalar(f"train/{name}", value, step)
    for task, mean in _by_task(loss.per_sample.detach(), batch.task, tasks).items():
        writer.add_scalar(f"train_task/{task}", mean, step)


@torch.no_grad()
def _validate(writer: SummaryWriter, learner: Learner, material: _Material) -> None:
    """Logs the loss of the averaged weights on held-out episodes, task by task."""
    if not len(material.validation):
        return
    policy = checkpoint.build(material.card).to(material.validation.state.device)
    policy.load_state_dict(learner.averaged())
    batches = every_frame(
        material.validation,
        material.wordings,
        material.card.conditioning,
        chunk=policy.config.chunk,
        size=1024,
    )
    losses = torch.cat([policy.loss(batch).per_sample for batch in batches])
    tasks = material.card.conditioning.tasks
    means = _by_task(losses, material.validation.task, tasks)
    for task, mean in means.items():
        writer.add_scalar(f"validation_task/{task}", mean, learner.step)
    mean_of_tasks = sum(means.values()) / len(means)
    writer.add_scalar("validation/loss", mean_of_tasks, learner.step)


def _by_task(losses: Tensor, task: Tensor, tasks: Sequence[str]) -> dict[str, float]:
    sums = torch.zeros(len(tasks), device=losses.device).index_add(0, task, losses)
    counts = task.bincount(minlength=len(tasks))
    return {
        name: total / count
        for name, total, count in zip(
            tasks, sums.tolist(), counts.tolist(), strict=True
        )
        if count
    }


def _finish(learner: Learner, card: Card, folder: Path) -> None:
    averaged: Policy = checkpoint.build(card)
    averaged.load_state_dict(learner.averaged())
    finished = Card(**{**vars(card), "step": learner.step})
    checkpoint.save(folder, averaged, finished)


def _card(
    demonstrations: Demonstrations,
    policy: str,
    policy_config: Mapping[str, Any],
    conditioning: Sequence[Kind],
    config: TrainConfig,
) -> Card:
    goal = None
    if demonstrations.suite is not None:
        shown = suite(demonstrations.suite, **demonstrations.suite_options).goal
        goal = None if shown is None else (shown.start, shown.stop)
    elif config.evaluate_every:
        raise ValueError(
            f"{demonstrations.path} names no suite to evaluate on during training; "
            f"leave evaluate_every at 0."
        )
    told = Conditioning(
        kinds=tuple(conditioning), tasks=demonstrations.tasks, goal=goal
    )
    spec = Spec(
        state=demonstrations.state.shape[1],
        action=demonstrations.action.shape[1],
        embedding=told.size,
    )
    architecture = POLICIES.get(policy)
    return Card(
        policy=policy,
        config=plain(architecture.Config(**policy_config)),
        spec=spec,
        conditioning=told,
        suite=demonstrations.suite or "",
        suite_options=dict(demonstrations.suite_options),
        step=config.steps,
    )


def _material(
    demonstrations: Demonstrations, card: Card, config: TrainConfig
) -> _Material:
    device = torch.device(config.device)
    training, validation = _split(demonstrations, config.validation)
    wordings = Wordings(
        card.conditioning, _instructions(demonstrations), config.augmentation
    )
    return _Material(
        training=frames(demonstrations, training, device),
        validation=frames(demonstrations, validation, device),
        wordings=wordings.to(device),
        card=card,
    )


def _split(demonstrations: Demonstrations, part: float) -> tuple[list[int], list[int]]:
    """Episodes to train on and, the last ones of each task, to validate on."""
    training, validation = [], []
    for index in range(len(demonstrations.tasks)):
        episodes = (demonstrations.episodes.task == index).nonzero()[0].tolist()
        kept = len(episodes) - int(part * len(episodes))
        training += episodes[:kept]
        validation += episodes[kept:]
    return training, validation


def _instructions(demonstrations: Demonstrations) -> list[tuple[str, ...]]:
    """Training wordings of each task; the data set's own where no suite is named."""
    if demonstrations.suite is None:
        return [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    return [find_task(made, task).instructions for task in demonstrations.tasks]


def _suite(card: Card) -> Suite:
    return suite(card.suite, **card.suite_options)


def _request(
    demonstrations: Demonstrations, card: Card, config: TrainConfig
) -> dict[str, Any]:
    return {
        "policy": card.policy,
        "policy_config": card.config,
        "conditioning": card.conditioning.kinds,
        "data": {"episodes": len(demonstrations), "sha256": demonstrations.fingerprint},
        "suite": card.suite,
        "suite_options": card.suite_options,
        "training": config,
    }
