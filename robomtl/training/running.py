"""A training run: one policy from the demonstrations of many tasks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
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
from robomtl.interrupt import deferred_interrupt
from robomtl.lock import locked
from robomtl.machine import Machine, warn_if_slow
from robomtl.paths import located
from robomtl.policy import Loss
from robomtl.progress import progress, remark
from robomtl.registry import POLICIES
from robomtl.request import check_there, claim, plain
from robomtl.terminal import say
from robomtl.threads import Threads
from robomtl.training.acting import Evaluations, averaged, save_policy
from robomtl.training.config import TrainConfig
from robomtl.training.learner import Learner, NotFiniteError, learning_rate
from robomtl.training.log import Log
from robomtl.training.material import (
    conditioning_for,
    goal_warning,
    held_out_note,
    instructions,
    materials,
    spec_for,
)
from robomtl.training.measuring import Measurements, forget_measurements
from robomtl.training.objective import Drawn, Draws, Material, Objective
from robomtl.training.resuming import check_resumed, resolved_config
from robomtl.training.samples import Sampler, mixed
from robomtl.training.trainable import check_balance, check_trainable
from robomtl.training.weighting import check_positive_losses
from robomtl.versions import versions

_REQUEST, _STATE, _POLICY = "run.json", "training.safetensors", "policy.json"


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
    config = resolved_config(config, folder, folder / _REQUEST)
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
    made = folder / _POLICY, folder / _STATE
    check_resumed(folder / _REQUEST, request, finished=made)
    if (folder / _POLICY).exists():
        there = checkpoint.load(folder)
        if there.card.step >= config.steps:
            return there
    with locked(folder), writing_into(folder), _torch(config, folder) as threads:
        # Another process may have written there before the lock was taken.
        check_resumed(folder / _REQUEST, request, finished=made)
        run = _prepared(demonstrations, card, objective, config, folder, threads)
        # The folder is claimed last, once everything that may be refused is checked.
        claim(folder / _REQUEST, request)
        write_json(folder / "versions.json", versions())
        if note := held_out_note(demonstrations, config):
            remark(note)
        machine = Machine(device=config.device, precision=config.precision)
        warn_if_slow(machine)
        threads.record(machine)
        _learn(run)
        check_there(folder / _REQUEST)
        save_policy(run.learner, card, folder)
    return checkpoint.load(folder)


def _prepared(
    demonstrations: Demonstrations,
    card: Card,
    objective: Objective,
    config: TrainConfig,
    folder: Path,
    threads: Threads,
) -> "_Run":
    """The run at its first step, or at the step of its last checkpoint."""
    torch.manual_seed(config.seed)
    built = checkpoint.build(card).to(config.device)
    learner = Learner(built, config, objective, card.conditioning.tasks)
    training, validation = materials(
        demonstrations, card.conditioning, config, chunk=built.chunk
    )
    built.fit({"state": training.states(config.seed)})
    if (folder / _STATE).exists():
        learner.restore(folder / _STATE)
    else:
        forget_measurements(folder)
        threads.forget()
    draws = objective.draws(training, config)
    if config.sampling == "validation_loss":
        _emphasise(learner, draws)
    return _Run(
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


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The parts of a training run."""

    learner: Learner
    card: Card
    objective: Objective
    draws: Draws
    validation: Material
    config: TrainConfig
    folder: Path
    threads: Threads

    def begin(self) -> None:
        """Chooses the number of threads by a few trial steps, and prints the choice."""
        batch = self.draws.batch(self.learner.step, self.config.batch_size)
        self.threads.take(self.learner.step, lambda: self.learner.rehearse(batch))
        count = torch.get_num_threads()
        remark(
            f"Training on {self.config.device} in {self.config.precision} with {count}"
            f" thread{'s' if count > 1 else ''}."
        )


def _learn(run: _Run) -> None:
    """Batch, step, log, evaluate, save, until the last step."""
    learner, card, config, folder = run.learner, run.card, run.config, run.folder
    draws, tasks = run.draws, run.card.conditioning.tasks
    evaluations = Evaluations(learner=learner, card=card, config=config, run=folder)
    measurements = Measurements(learner, draws, run.objective, config, folder)
    run.begin()
    with (
        deferred_interrupt() as deferral,
        closing(Log(folder / "tensorboard", tasks, step=learner.step + 1)) as log,
        progress("Training", config.steps, done=learner.step) as advance,
    ):
        if evaluations.stopped:
            with deferral.lifted():
                log.evaluate(learner.step, evaluations.go_on())
        shown = learner.step
        while learner.step < config.steps:
            rate = learning_rate(learner.step, config)
            batch = draws.batch(learner.step, config.batch_size)
            run.threads.take(learner.step, partial(learner.rehearse, batch))
            _seed(learner.device, mixed(config.seed, learner.step))
            loss, norm = _update(learner, batch, tasks)
            step = learner.step
            if step % config.log_every == 0:
                log.train(step, batch, loss, gradient_norm=norm, learning_rate=rate)
                log.weights(step, learner.weights())
            if step % config.log_every == 0 or step == config.steps:
                advance(step - shown, note=f"loss {loss.per_sample.mean():.4f}")
                shown = step
            if step % config.validate_every == 0:
                _validate(run, log)
            measurements.take(log)
            stopping = deferral.pressed.is_set()
            if stopping or evaluations.due or step % config.save_every == 0:
                check_there(folder / _REQUEST)
                learner.save(folder / _STATE)
                measurements.write()
            if stopping:
                measurements.finish()
                raise KeyboardInterrupt
            if evaluations.due:
                with deferral.lifted():
                    log.evaluate(step, evaluations.begin())
    measurements.finish()


def _validate(run: _Run, log: Log) -> None:
    """Logs the validation losses, and draws by them if the sampling does."""
    learner = run.learner
    policy = averaged(learner, run.card).to(run.config.device)
    batches = run.objective.validation(run.validation)
    means = log.validate(learner.step, policy, run.objective, batches)
    if run.config.sampling == "validation_loss":
        learner.validation = torch.tensor([means[task] for task in learner.tasks])
        _emphasise(learner, run.draws)


def _emphasise(learner: Learner, draws: Draws) -> None:
    """Draws by the validation losses measured last, if any were."""
    if learner.validation is not None and isinstance(draws, Sampler):
        check_positive_losses("validation_loss", learner.validation, learner.tasks)
        draws.emphasise(learner.validation)


def _seed(device: torch.device, seed: int) -> None:
    """Seeds what policies draw; ``torch.manual_seed`` takes 1 % of a step."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _update(learner: Learner, batch: Drawn, tasks: Sequence[str]) -> tuple[Loss, float]:
    try:
        return learner.update(batch)
    except NotFiniteError as error:
        finite = torch.isfinite(error.per_sample)
        culprits = sorted({tasks[int(i)] for i in batch.task[~finite]})
        raise FloatingPointError(
            f"{error} Step {learner.step}, task {', '.join(culprits) or 'all'}; a lower "
            f"learning_rate or float32 precision may help."
        ) from error


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
