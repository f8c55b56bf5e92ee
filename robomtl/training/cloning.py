"""Behaviour cloning: one policy from the demonstrations of many tasks."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from robomtl import checkpoint
from robomtl.agent import PolicyAgent, goal_of
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Conditioning, Kind, Wordings
from robomtl.demonstrations import Demonstrations
from robomtl.durable import write_json
from robomtl.evaluation import Results, evaluate
from robomtl.interrupt import deferred_interrupt
from robomtl.lock import locked
from robomtl.policy import Batch, Loss, Policy, Spec
from robomtl.progress import progress
from robomtl.registry import suite
from robomtl.request import claim, plain
from robomtl.task import find_task
from robomtl.training.config import TrainConfig
from robomtl.training.learner import Learner, NotFiniteError, learning_rate
from robomtl.training.log import Log
from robomtl.training.samples import Frames, Sampler, every_frame, frames, mixed
from robomtl.versions import versions

_STATE = "training.safetensors"

_Instructions = list[tuple[str, ...]]  # Wordings of each task.


@dataclass(frozen=True, kw_only=True)
class _Material:
    """What batches are made of."""

    training: Frames
    validation: Frames
    wordings: Wordings
    sampler: Sampler
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

    A run that was killed goes on from its last checkpoint, one stopped by Ctrl-C from
    its last step; both end with the same weights, bit for bit on the CPU. One that is
    finished is only read.

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
    instructions = _instructions(demonstrations)
    claim(folder / "run.json", _request(demonstrations, card, instructions, config))
    if (folder / "policy.json").exists():
        return checkpoint.load(folder)
    write_json(folder / "versions.json", versions())
    with locked(folder), _torch(config):
        torch.manual_seed(config.seed)
        learner = Learner(checkpoint.build(card).to(config.device), config)
        chunk = learner.policy.chunk
        material = _material(demonstrations, card, instructions, config, chunk)
        learner.policy.normaliser.fit(material.training.state)
        if (folder / _STATE).exists():
            learner.restore(folder / _STATE)
        _learn(learner, material, config, folder)
        _finish(learner, card, folder)
    return checkpoint.load(folder)


@contextmanager
def _torch(config: TrainConfig) -> Iterator[None]:
    """Torch as the run wants it; the caller's threads and draws are left as they were."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(config.threads)
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before)


def _learn(
    learner: Learner, material: _Material, config: TrainConfig, folder: Path
) -> None:
    """Batch, step, log, evaluate, save, until the last step."""
    tasks = material.card.conditioning.tasks
    sampler = material.sampler
    with (
        deferred_interrupt() as pressed,
        closing(Log(folder / "tensorboard", tasks, step=learner.step)) as log,
        progress("Training", config.steps, done=learner.step) as advance,
    ):
        while learner.step < config.steps:
            rate = learning_rate(learner.step, config)
            batch = sampler.batch(learner.step, config.batch)
            _seed(learner.device, mixed(config.seed, learner.step))
            loss, norm = _update(learner, batch, tasks)
            step = learner.step
            if step % config.log_every == 0:
                log.train(step, batch, loss, gradient_norm=norm, learning_rate=rate)
            if step % config.log_every == 0 or step == config.steps:
                units = (step - 1) % config.log_every + 1
                advance(units, note=f"loss {loss.per_sample.mean():.4f}")
            if step % config.validate_every == 0:
                policy = _averaged(learner, material.card).to(config.device)
                log.validate(step, policy, _validation(material, policy.chunk))
            if config.evaluate_every and step % config.evaluate_every == 0:
                so_far = folder / "so-far" / f"{step:08d}"
                log.evaluate(step, _evaluate(learner, material.card, so_far, config))
            if pressed.is_set() or step % config.save_every == 0:
                learner.save(folder / _STATE)
            if pressed.is_set():
                raise KeyboardInterrupt


def _seed(device: torch.device, seed: int) -> None:
    """Seeds what policies draw; ``torch.manual_seed`` takes 1 % of a step."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _update(learner: Learner, batch: Batch, tasks: Sequence[str]) -> tuple[Loss, float]:
    try:
        return learner.update(batch)
    except NotFiniteError as error:
        finite = torch.isfinite(error.per_sample)
        culprits = sorted({tasks[int(i)] for i in batch.task[~finite]})
        raise FloatingPointError(
            f"{error} Step {learner.step}, task {', '.join(culprits) or 'all'}; a lower "
            f"learning_rate or float32 precision may help."
        ) from error


def _validation(material: _Material, chunk: int) -> Iterator[Batch]:
    return every_frame(
        material.validation,
        material.wordings,
        material.card.conditioning,
        chunk=chunk,
        size=1024,
    )


def _evaluate(
    learner: Learner, card: Card, so_far: Path, config: TrainConfig
) -> Results:
    shutil.rmtree(so_far, ignore_errors=True)  # Of a run killed since its checkpoint.
    _finish(learner, card, so_far)
    return evaluate(
        PolicyAgent(so_far),
        suite(card.suite, **card.suite_options),
        out=so_far / "evaluation",
        episodes=config.evaluate_episodes,
        workers=config.threads,
        seed=config.seed,
    )


def _averaged(learner: Learner, card: Card) -> Policy:
    policy = checkpoint.build(card)
    policy.load_state_dict(learner.averaged())
    return policy.eval()


def _finish(learner: Learner, card: Card, folder: Path) -> None:
    finished = replace(card, step=learner.step)
    checkpoint.save(folder, _averaged(learner, card), finished)


def _card(
    demonstrations: Demonstrations,
    policy: str,
    policy_config: Mapping[str, Any],
    conditioning: Sequence[Kind],
    config: TrainConfig,
) -> Card:
    goal = None
    if demonstrations.suite is not None:
        made = suite(demonstrations.suite, **demonstrations.suite_options)
        goal = goal_of(made, demonstrations.state.shape[1])
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
    return Card(
        policy=policy,
        config=plain(checkpoint.configure(policy, policy_config)),
        spec=spec,
        conditioning=told,
        suite=demonstrations.suite or "",
        suite_options=dict(demonstrations.suite_options),
        step=config.steps,
    )


def _material(
    demonstrations: Demonstrations,
    card: Card,
    instructions: _Instructions,
    config: TrainConfig,
    chunk: int,
) -> _Material:
    device = torch.device(config.device)
    parts = _split(demonstrations, config.validation)
    training, validation = (frames(demonstrations, part, device) for part in parts)
    wordings = Wordings(card.conditioning, instructions, config.augmentation)
    sampler = Sampler(
        training,
        wordings.to(device),
        card.conditioning,
        chunk=chunk,
        temperature=config.temperature,
        seed=config.seed,
    )
    return _Material(
        training=training,
        validation=validation,
        wordings=wordings,
        sampler=sampler,
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


def _instructions(demonstrations: Demonstrations) -> _Instructions:
    """Training wordings of each task; the data set's own where no suite is named."""
    if demonstrations.suite is None:
        return [(demonstrations.instructions[task],) for task in demonstrations.tasks]
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    return [find_task(made, task).instructions for task in demonstrations.tasks]


def _request(
    demonstrations: Demonstrations,
    card: Card,
    instructions: _Instructions,
    config: TrainConfig,
) -> dict[str, Any]:
    wordings = json.dumps(instructions).encode()
    return {
        "policy": card.policy,
        "policy_config": card.config,
        "conditioning": card.conditioning.kinds,
        "data": {"episodes": len(demonstrations), "sha256": demonstrations.fingerprint},
        "suite": card.suite,
        "suite_options": card.suite_options,
        "wordings": {"sha256": hashlib.sha256(wordings).hexdigest()},
        "training": config,
    }
