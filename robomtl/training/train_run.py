"""A training run: one policy from the demonstrations of many tasks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.checkpoint import TrainedPolicy, packed
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, Mixture
from robomtl.errors import InputError
from robomtl.evaluation.formatting import counted
from robomtl.execution.locks import GENERATOR, training_alone
from robomtl.execution.machine import Machine, warn_if_slow
from robomtl.execution.threads import Threads
from robomtl.files.durable import write_json, writing_into
from robomtl.files.folder_kinds import POLICY, check_no_data
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import check_not_removed, claim
from robomtl.progress import remark
from robomtl.training.acting import averaged, save_policy
from robomtl.training.config import TrainConfig
from robomtl.training.held_out import held_out_note
from robomtl.training.kept_settings import check_resumed
from robomtl.training.learned_mixture import with_learned_mixture
from robomtl.training.monitoring import REQUEST, STATE, Run, train_run
from robomtl.training.objective import trains_actions
from robomtl.training.plan import Plan, follow, prepared
from robomtl.training.processes import (
    ALONE,
    Processes,
    follows,
    joined,
    launched,
)
from robomtl.training.profiles import check_profiles
from robomtl.training.resolving import card_of, settled
from robomtl.training.start import (
    Model,
    Start,
    loaded,
    resolved,
)
from robomtl.training.trainable import check_training
from robomtl.training.worker_processes import followed
from robomtl.versions import versions
from robomtl.warned import warned_once


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
    """Trains a policy and saves it in a run directory.

    From scratch, the policy is ``film``, conditioned on language and trained by ``cloning``
    unless other values are given; with a start, the start's values are the defaults.

    A killed run resumes from its last checkpoint, and one stopped by Ctrl-C from its last
    step; both end with the weights of an uninterrupted run, bit for bit on the CPU. A
    finished run is loaded.

    Args:
        demonstrations: One data set or a mixture of several, without the episodes that are
            marked as failed unless they were read with ``failed="clone"``.
        out: Run directory; created if missing.
        policy: Registered name of the architecture.
        policy_config: Fields of its config that differ from the start's or the defaults.
        conditioning: Kinds of the policy's conditioning.
        objective: Registered name of the objective: ``cloning``, or the objective of a
            method of adaptation, such as ``maml``.
        objective_config: Settings of the objective that differ from the start's or the
            defaults.
        config: Settings of the run.
        start: A trained policy or its run directory, from which training continues; a
            ``Start`` names parts of it. None trains from scratch.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If a name or setting is wrong, the start does not fit, or the run
            directory contains another run.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    folder, begun = located(out), loaded(start)
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
    config = settled(config or TrainConfig(), model, begun, folder)
    notes, demonstrations = demonstrations.notes, demonstrations.succeeded()
    for note in notes:
        remark(note)
    minimised = checkpoint.configure_objective(model.objective, model.objective_config)
    card = card_of(demonstrations, model, minimised, config)
    check_training(demonstrations, card, minimised, config)
    if card.spec.images and not config.other_pictures:
        check_profiles(demonstrations, begun)
    plan = Plan(
        demonstrations=demonstrations,
        card=card,
        objective=minimised,
        config=config,
        start=begun,
        folder=folder,
    )
    if config.mixture == "learned":
        check_resumed(folder / REQUEST, plan.request, finished=_made(folder))
        plan = with_learned_mixture(plan, _train)
    return _train(plan)


def _train(plan: Plan) -> TrainedPolicy:
    """Trains by a plan, with other processes if requested, or loads a finished run."""
    card, config, folder = plan.card, plan.config, plan.folder
    if config.evaluate_every and not card.suite:
        raise InputError(
            f"{plan.demonstrations.path} names no suite to evaluate on during training; "
            f"leave evaluate_every at 0."
        )
    if config.evaluate_every and not trains_actions(card.objective):
        raise InputError(
            f"evaluate_every is {config.evaluate_every}, and {card.objective} trains no"
            " action head, so that the policy cannot act yet; leave evaluate_every at 0;"
            " validate_every measures the loss of held-out episodes."
        )
    made = _made(folder)
    check_no_data(folder)
    check_resumed(folder / REQUEST, plan.request, finished=made)
    if (folder / POLICY).exists():
        saved = checkpoint.load(folder)
        if saved.card.step >= config.steps:
            return saved
    if follows():
        with joined(config.device) as processes:
            follow(plan, processes)
        return checkpoint.load(folder)
    with locked(folder), writing_into(folder), _torch(plan) as threads:
        # Another process may have written to the folder before the lock was taken.
        check_resumed(folder / REQUEST, plan.request, finished=made)
        with _processes(plan) as processes:
            _lead(plan, threads, processes)
    return checkpoint.load(folder)


def _made(folder: Path) -> tuple[Path, ...]:
    """Files of a run that depend on its request."""
    return folder / POLICY, folder / STATE


def _processes(plan: Plan) -> AbstractContextManager[Processes]:
    """The processes of a training whose main process is this one."""
    number, device = plan.config.processes, plan.config.device
    if launched():
        return joined(device)
    if number == 1:
        return nullcontext(ALONE)
    return followed(number, device, partial(follow, plan))


def _lead(plan: Plan, threads: Threads, processes: Processes) -> None:
    """Trains as the main process, and saves the policy."""
    card, config, folder = plan.card, plan.config, plan.folder
    with GENERATOR:
        run = prepared(plan, threads, processes)
    # The folder is claimed last, once everything that may be refused is checked.
    claim(folder / REQUEST, plan.request)
    write_json(folder / "versions.json", versions())
    if note := held_out_note(plan.demonstrations, config):
        remark(note)
    machine = Machine(device=config.device, precision=config.precision)
    warn_if_slow(machine)
    threads.record(machine)
    packed(
        averaged(run.learner, card), card
    )  # Fails now rather than after the last step.
    _begin(run)
    with warned_once():
        train_run(run)
    check_not_removed(folder / REQUEST)
    save_policy(run.learner, card, folder)
    processes.wait()  # The other processes load the policy.


@contextmanager
def _torch(plan: Plan) -> Iterator[Threads]:
    """Sets torch's threads for a block; restores them and the random state afterwards."""
    device, folder = plan.config.device, plan.folder
    with (
        training_alone(),
        Threads(plan.threads, device=device, folder=folder) as threads,
        torch.random.fork_rng(),
    ):
        yield threads


def _begin(run: Run) -> None:
    """Chooses the number of threads by a few trial steps, and prints the choice."""
    batch = run.batches.batch(run.learner.step, run.config.batch_size)
    run.threads.take(run.learner.step, lambda: run.learner.rehearse(batch))
    threads = counted(torch.get_num_threads(), "thread")
    number = run.processes.number
    remark(
        f"Training on {run.config.device} in {run.config.precision} with"
        f" {f'{number} processes of {threads}' if number > 1 else threads}."
    )
