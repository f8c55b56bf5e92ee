"""A training run: one policy from the demonstrations of many tasks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations
from robomtl.durable import write_json, writing_into
from robomtl.errors import InputError
from robomtl.lock import locked
from robomtl.machine import Machine, warn_if_slow
from robomtl.paths import located
from robomtl.progress import remark
from robomtl.registry import POLICIES
from robomtl.request import check_there, claim, plain
from robomtl.terminal import say
from robomtl.threads import Threads
from robomtl.training.acting import save_policy
from robomtl.training.config import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.material import (
    conditioning_for,
    goal_warning,
    held_out_note,
    instructions,
    materials,
    spec_for,
)
from robomtl.training.measuring import forget_measurements
from robomtl.training.monitoring import (
    REQUEST,
    STATE,
    Run,
    emphasise,
    train_run,
)
from robomtl.training.objective import Objective
from robomtl.training.resuming import check_resumed, resolved_config
from robomtl.training.trainable import check_balance, check_trainable
from robomtl.versions import versions

_POLICY = "policy.json"


@checked
def train(
    demonstrations: Demonstrations,
    *,
    out: Path | str,
    policy: str = "film",
    policy_config: Mapping[str, Any] | None = None,
    conditioning: Sequence[Kind] = ("language",),
    objective: str = "cloning",
    objective_config: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
) -> TrainedPolicy:
    """Trains a policy and leaves it in a run directory.

    A run that was killed goes on from its last checkpoint, one stopped by Ctrl-C from
    its last step; both end with the same weights, bit for bit on the CPU. One that is
    finished is only read.

    Args:
        demonstrations: What to learn from, without the episodes that are marked as
            failed unless they were read with ``failed="clone"``.
        out: Run directory; made if missing.
        policy: Registered name of the architecture.
        policy_config: Fields of its config that differ from the defaults.
        conditioning: How the policy is told its task.
        objective: Registered name of what is minimised: ``cloning``, or one with which a
            method of adaptation is trained, such as ``maml``.
        objective_config: Settings of the objective that differ from the defaults.
        config: Settings of the run.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If the names or settings are wrong, or the run directory holds
            another run.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    folder, config = located(out), config or TrainConfig()
    check_trainable(policy)
    config = resolved_config(config, folder, folder / REQUEST)
    notes, demonstrations = demonstrations.notes, demonstrations.succeeded()
    for note in notes:
        say(note, stderr=True)
    minimised = checkpoint.configure_objective(objective, objective_config or {})
    told = conditioning_for(demonstrations, conditioning, minimised)
    card = Card(
        policy=policy,
        config=plain(checkpoint.configure(policy, policy_config or {})),
        spec=spec_for(demonstrations, told),
        conditioning=told,
        suite=demonstrations.suite or "",
        suite_options=dict(demonstrations.suite_options),
        step=config.steps,
        objective=objective,
        objective_config=plain(minimised),
    )
    POLICIES.get(policy).check(card.spec)
    loss = str(card.config.get("loss", ""))
    check_balance(demonstrations, config, loss=loss, objective=objective)
    if doubt := goal_warning(demonstrations, told):
        say(doubt, stderr=True)
    return _train(demonstrations, card, minimised, config, folder)


def _train(
    demonstrations: Demonstrations,
    card: Card,
    objective: Objective,
    config: TrainConfig,
    folder: Path,
) -> TrainedPolicy:
    if config.evaluate_every and not card.suite:
        raise InputError(
            f"{demonstrations.path} names no suite to evaluate on during training; "
            f"leave evaluate_every at 0."
        )
    request = _request(demonstrations, card, instructions(demonstrations), config)
    made = folder / _POLICY, folder / STATE
    check_resumed(folder / REQUEST, request, finished=made)
    if (folder / _POLICY).exists():
        there = checkpoint.load(folder)
        if there.card.step >= config.steps:
            return there
    with locked(folder), writing_into(folder), _torch(config, folder) as threads:
        # Another process may have written there before the lock was taken.
        check_resumed(folder / REQUEST, request, finished=made)
        run = _prepared(demonstrations, card, objective, config, folder, threads)
        # The folder is claimed last, once everything that may be refused is checked.
        claim(folder / REQUEST, request)
        write_json(folder / "versions.json", versions())
        if note := held_out_note(demonstrations, config):
            remark(note)
        machine = Machine(device=config.device, precision=config.precision)
        warn_if_slow(machine)
        threads.record(machine)
        _begin(run)
        train_run(run)
        check_there(folder / REQUEST)
        save_policy(run.learner, card, folder)
    return checkpoint.load(folder)


def _prepared(
    demonstrations: Demonstrations,
    card: Card,
    objective: Objective,
    config: TrainConfig,
    folder: Path,
    threads: Threads,
) -> Run:
    """The run at its first step, or at the step of its last checkpoint."""
    torch.manual_seed(config.seed)
    built = checkpoint.build(card).to(config.device)
    learner = learner_for(built, config, objective, card.conditioning.tasks)
    training, validation = materials(
        demonstrations, card.conditioning, config, chunk=built.chunk
    )
    built.fit({"state": training.states(config.seed)})
    if (folder / STATE).exists():
        learner.restore(folder / STATE)
    else:
        forget_measurements(folder)
        threads.forget()
    draws = objective.draws(training, config)
    if config.sampling == "validation_loss":
        emphasise(learner, draws)
    return Run(
        learner=learner,
        card=card,
        objective=objective,
        draws=draws,
        validation=validation,
        config=config,
        folder=folder,
        threads=threads,
    )


@contextmanager
def _torch(config: TrainConfig, folder: Path) -> Iterator[Threads]:
    """Sets torch's threads for the block; restores them and the random state after it."""
    with (
        Threads(config.threads, device=config.device, folder=folder) as threads,
        torch.random.fork_rng(),
    ):
        yield threads


def _begin(run: Run) -> None:
    """Chooses the number of threads by a few trial steps, and prints the choice."""
    batch = run.draws.batch(run.learner.step, run.config.batch_size)
    run.threads.take(run.learner.step, lambda: run.learner.rehearse(batch))
    count = torch.get_num_threads()
    remark(
        f"Training on {run.config.device} in {run.config.precision} with {count}"
        f" thread{'s' if count > 1 else ''}."
    )


def _request(
    demonstrations: Demonstrations,
    card: Card,
    wordings: Sequence[Sequence[str]],
    config: TrainConfig,
) -> dict[str, Any]:
    told = json.dumps(wordings).encode()
    return {
        "policy": card.policy,
        "policy_config": card.config,
        "conditioning": card.conditioning.kinds,
        "objective": card.objective,
        "objective_config": card.objective_config,
        "data": {"episodes": len(demonstrations), "sha256": demonstrations.fingerprint},
        "suite": card.suite,
        "suite_options": card.suite_options,
        "wordings": {"sha256": hashlib.sha256(told).hexdigest()},
        "training": config,
    }
