"""A training run: one policy from the demonstrations of many tasks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from robomtl import checkpoint
from robomtl.actor_settings import ActorSettings
from robomtl.arguments import checked
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, Mixture
from robomtl.demonstrations.mixture import Data, described
from robomtl.durable import write_json, writing_into
from robomtl.errors import InputError
from robomtl.lock import locked
from robomtl.machine import Machine, warn_if_slow
from robomtl.paths import located
from robomtl.policy import POLICIES
from robomtl.pretrained_encoder import load_weights, weights_identity
from robomtl.progress import remark
from robomtl.request import check_there, claim, plain
from robomtl.terminal import say
from robomtl.threads import Threads
from robomtl.training.acting import save_policy
from robomtl.training.config import TrainConfig
from robomtl.training.image_augmentation import check_images
from robomtl.training.kept_settings import check_resumed, resolved_config
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
from robomtl.training.position_head import (
    CloningWithPositions,
    attach,
    check_positions,
)
from robomtl.training.start import (
    Model,
    Resolved,
    Start,
    identity,
    loaded,
    resolved,
    take_weights,
    takes_normaliser,
    usual_history,
)
from robomtl.training.trainable import check_balance, check_trainable
from robomtl.versions import versions

_POLICY = "policy.json"


@checked
def train(
    demonstrations: Demonstrations | Mixture,
    *,
    out: Path | str,
    policy: str | None = None,
    policy_config: Mapping[str, Any] | None = None,
    conditioning: Sequence[Kind] | None = None,
    objective: str | None = None,
    objective_config: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
    start: Start | TrainedPolicy | Path | str | None = None,
) -> TrainedPolicy:
    """Trains a policy and leaves it in a run directory.

    From scratch, the policy is ``film``, conditioned on language and trained by
    ``cloning`` unless other values are given; with a start, these values are its own.

    A run that was killed goes on from its last checkpoint, one stopped by Ctrl-C from
    its last step; both end with the same weights, bit for bit on the CPU. One that is
    finished is only read.

    Args:
        demonstrations: What to learn from, one data set or several, without the episodes
            that are marked as failed unless they were read with ``failed="clone"``.
        out: Run directory; made if missing.
        policy: Registered name of the architecture.
        policy_config: Fields of its config that differ from the start's or the defaults.
        conditioning: What the policy is conditioned on.
        objective: Registered name of what is minimised: ``cloning``, or one with which a
            method of adaptation is trained, such as ``maml``.
        objective_config: Settings of the objective that differ likewise.
        config: Settings of the run.
        start: A trained policy or its run directory, from which training continues; a
            ``Start`` names parts of it. None trains from scratch.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If the names or settings are wrong, the start does not fit, or the
            run directory holds another run.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    folder, config = located(out), config or TrainConfig()
    begun = loaded(start)
    model = resolved(
        Model(
            policy=policy,
            policy_config=policy_config or {},
            conditioning=conditioning,
            objective=objective,
            objective_config=objective_config or {},
        ),
        begun,
    )
    check_trainable(model.policy)
    history = config.history or usual_history(model.policy, begun)
    config = resolved_config(replace(config, history=history), folder, folder / REQUEST)
    notes, demonstrations = demonstrations.notes, demonstrations.succeeded()
    for note in notes:
        say(note, stderr=True)
    minimised = checkpoint.configure_objective(model.objective, model.objective_config)
    card = _card(demonstrations, model, minimised, config)
    POLICIES.get(model.policy).check(card.spec)
    checkpoint.count_parameters(card)  # Refuses what is too large to be trained.
    loss = str(card.config.get("loss", ""))
    check_balance(demonstrations, config, loss=loss, objective=model.objective)
    check_images(config.image_augmentation, card.spec, model.objective)
    if config.auxiliary.positions:
        check_positions(
            demonstrations, images=bool(card.spec.images), objective=model.objective
        )
    if doubt := goal_warning(demonstrations, card.conditioning):
        say(doubt, stderr=True)
    return _train(
        _Plan(
            demonstrations=demonstrations,
            card=card,
            objective=minimised,
            config=config,
            start=begun,
            folder=folder,
        )
    )


def _card(
    demonstrations: Data, model: Resolved, objective: Objective, config: TrainConfig
) -> Card:
    """The card that the trained policy will have."""
    conditioning = conditioning_for(demonstrations, model.conditioning, objective)
    return Card(
        policy=model.policy,
        config=plain(checkpoint.configure(model.policy, model.policy_config)),
        spec=spec_for(demonstrations, conditioning, config),
        conditioning=conditioning,
        suite=demonstrations.suite or "",
        suite_options=dict(demonstrations.suite_options),
        step=config.steps,
        objective=model.objective,
        objective_config=plain(objective),
        acting=ActorSettings(execute=config.execute, ensemble=config.ensemble),
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is to be trained, with nothing left open."""

    demonstrations: Data
    card: Card
    objective: Objective
    config: TrainConfig
    start: Start | None
    folder: Path

    @property
    def request(self) -> dict[str, Any]:
        """What decides the outcome, as JSON holds it."""
        card, data = self.card, self.demonstrations
        wordings = json.dumps(instructions(data)).encode()
        return {
            "policy": card.policy,
            "policy_config": card.config,
            "conditioning": card.conditioning.kinds,
            "objective": card.objective,
            "objective_config": card.objective_config,
            "data": described(data),
            "suite": card.suite,
            "suite_options": card.suite_options,
            "wordings": {"sha256": hashlib.sha256(wordings).hexdigest()},
            "start": identity(self.start),
            "vision_weights": weights_identity(self.config.vision),
            "training": self.config,
        }


def _train(plan: _Plan) -> TrainedPolicy:
    card, config, folder = plan.card, plan.config, plan.folder
    if config.evaluate_every and not card.suite:
        raise InputError(
            f"{plan.demonstrations.path} names no suite to evaluate on during training; "
            f"leave evaluate_every at 0."
        )
    made = folder / _POLICY, folder / STATE
    check_resumed(folder / REQUEST, plan.request, finished=made)
    if (folder / _POLICY).exists():
        there = checkpoint.load(folder)
        if there.card.step >= config.steps:
            return there
    with locked(folder), writing_into(folder), _torch(config, folder) as threads:
        # Another process may have written there before the lock was taken.
        check_resumed(folder / REQUEST, plan.request, finished=made)
        run = _prepared(plan, threads)
        # The folder is claimed last, once everything that may be refused is checked.
        claim(folder / REQUEST, plan.request)
        write_json(folder / "versions.json", versions())
        if note := held_out_note(plan.demonstrations, config):
            remark(note)
        machine = Machine(device=config.device, precision=config.precision)
        warn_if_slow(machine)
        threads.record(machine)
        _begin(run)
        train_run(run)
        check_there(folder / REQUEST)
        save_policy(run.learner, card, folder)
    return checkpoint.load(folder)


def _prepared(plan: _Plan, threads: Threads) -> Run:
    """The run at its first step, or at the step of its last checkpoint."""
    card, config, folder = plan.card, plan.config, plan.folder
    torch.manual_seed(config.seed)
    policy = checkpoint.build(card)
    card.acting.check(policy.chunk)
    if card.spec.vision.weights:
        load_weights(policy.observer.images, card.spec.vision)
    if plan.start is not None:
        take_weights(policy, plan.start)
    policy = policy.to(config.device)
    training, validation = materials(
        plan.demonstrations,
        card.conditioning,
        config,
        chunk=policy.chunk,
        history=card.spec.history,
    )
    objective, weight = plan.objective, config.auxiliary.positions
    if weight:
        attach(policy, plan.demonstrations, training, config.seed)
        objective = CloningWithPositions(weight=weight)
    learner = learner_for(policy, config, objective, card.conditioning.tasks)
    if not takes_normaliser(plan.start):
        policy.fit_blocks(training.observations(config.seed))
    if (folder / STATE).exists():
        learner.restore(folder / STATE)
    else:
        forget_measurements(folder)
        threads.forget()
    draws = plan.objective.draws(training, config)
    if config.sampling == "validation_loss":
        emphasise(learner, draws)
    return Run(
        learner=learner,
        card=card,
        objective=plan.objective,
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
