"""Complete settings of a training run, and the construction of the run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from robomtl import checkpoint
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.demonstrations.mixture import Data, described
from robomtl.execution.machine import precision_on
from robomtl.execution.threads import ThreadCount, Threads
from robomtl.files.request import plain
from robomtl.files.run_record import RunRecord
from robomtl.layers.pretrained_encoder import load_weights, weights_identity
from robomtl.policy import Policy
from robomtl.progress import remark
from robomtl.training.combining import Combiner
from robomtl.training.config import TrainConfig
from robomtl.training.domains import TargetDomain, target_in
from robomtl.training.encoded_frames import encoded_once
from robomtl.training.excess import ExcessWeighing
from robomtl.training.learner import learner_for
from robomtl.training.material import instructions, materials
from robomtl.training.measuring import forget_measurements
from robomtl.training.monitoring import STATE, Run, emphasise, follow_run
from robomtl.training.objective import Draws, Material, Objective
from robomtl.training.position_head import CloningWithPositions, attach
from robomtl.training.processes import Processes
from robomtl.training.samples import Sampler
from robomtl.training.scored import Scored
from robomtl.training.start import Start, identity
from robomtl.training.transferred_weights import (
    check_trained,
    frozen_sentence,
    transfer_weights,
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All inputs and settings of a training run."""

    demonstrations: Data
    """Data to train on."""
    card: Card
    """Card of the policy."""
    objective: Objective
    """Training objective."""
    config: TrainConfig
    """Settings of the run, with ``auto`` resolved except for threads and prefetching."""
    start: Start | None
    """Policy that training starts from, in memory; None for training from scratch."""
    folder: Path
    """Run directory."""
    fractions: tuple[float, ...] | None = None
    """Learned fraction of the samples of each task in each data set; None if none were
    learned."""
    reference: TrainedPolicy | None = None
    """Reference policy of a training that learns a mixture; None in other trainings."""
    title: str = "Training"
    """Title of the progress bar."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The settings that determine the trained policy, as ``run.json`` records them."""
        card, data = self.card, self.demonstrations
        wordings = json.dumps(instructions(data)).encode()
        record = RunRecord(
            policy=card.policy,
            policy_config=card.config,
            conditioning=card.conditioning.kinds,
            objective=card.objective,
            objective_config=card.objective_config,
            data=described(data) | self._target,
            suite=card.suite,
            suite_options=card.suite_options,
            wordings={"sha256": hashlib.sha256(wordings).hexdigest()},
            start=identity(self.start),
            vision_weights=weights_identity(self.config.vision),
            training=plain(self.config),
        )
        return vars(record)

    @cached_property
    def _target(self) -> dict[str, Any]:
        """The entry of ``run.json`` on a target domain; empty if there is none."""
        if not isinstance(self.objective, TargetDomain):
            return {}
        return {"target": described(target_in(self.objective.target))}

    @property
    def threads(self) -> ThreadCount:
        """Threads of torch; ``auto`` to measure which number is fastest.

        ``auto`` becomes 1 with several processes, and with compilation, which would be
        repeated for every number of threads.
        """
        config = self.config
        one = config.processes > 1 or config.compile
        return 1 if one and config.threads == "auto" else config.threads


def prepared(plan: Plan, threads: Threads, processes: Processes) -> Run:
    """The run at its first step, or at the step of its last checkpoint.

    Args:
        plan: Settings of the run.
        threads: Threads of this process.
        processes: Processes that share the batches.

    Raises:
        InputError: If the start or the last checkpoint does not fit.
    """
    card, config, folder = plan.card, plan.config, plan.folder
    torch.manual_seed(config.seed)
    policy, kept = _built(plan)
    training, validation = _materials(plan, policy)
    objective, weight = plan.objective, config.auxiliary.positions
    if weight:
        attach(policy, plan.demonstrations, training, config.seed)
        objective = CloningWithPositions(weight=weight)
    tasks = card.conditioning.tasks
    draws, combiner = _draws(plan, training)
    learner = learner_for(
        policy, config, objective, tasks, processes=processes, combiner=combiner
    )
    if not kept:
        policy.fit_blocks(training.observations(config.seed))
    processes.copy_main(policy.buffers())  # Sums may round differently on a device.
    if (folder / STATE).exists():
        learner.restore(folder / STATE)
    else:
        if not processes.rank:
            forget_measurements(folder)
        threads.forget()
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
        processes=processes,
        title=plan.title,
    )


def _draws(plan: Plan, training: Material) -> tuple[Draws, Combiner | None]:
    """The batches of a run, and the combiner that learns a mixture, if one is learned."""
    config = plan.config
    material = replace(training, fractions=plan.fractions)
    draws: Draws = plan.objective.draws(material, config)
    if plan.reference is None or not isinstance(draws, Sampler):
        return draws, None
    device = torch.device(config.device)
    reference = Scored(
        plan.reference.policy.to(device).requires_grad_(False),
        plan.objective,
        getattr(torch, precision_on(device, config.precision)),
    )
    draws, tasks = draws.by_group(), len(plan.card.conditioning.tasks)
    return draws, ExcessWeighing(draws, reference, config.remix, tasks=tasks)


def _built(plan: Plan) -> tuple[Policy, bool]:
    """The policy with the weights of its start, and whether it has its normaliser."""
    card, config = plan.card, plan.config
    policy = checkpoint.build(card)
    card.acting.check(policy.chunk)
    if card.spec.vision.weights:
        load_weights(policy.observer.images, card.spec.vision)
    kept = False
    if plan.start is not None:
        taken = transfer_weights(policy, plan.start)
        check_trained(policy, taken, config.train)
        kept = taken.normaliser
        remark(f"{taken.sentence} {frozen_sentence(policy, config.train)}".rstrip())
    return policy.to(config.device), kept


def _materials(plan: Plan, policy: Policy) -> tuple[Material, Material]:
    """Materials of training and of validation, on the training device."""
    training, validation = materials(
        plan.demonstrations,
        plan.card.conditioning,
        plan.config,
        chunk=policy.chunk,
        history=plan.card.spec.history,
        alignment=plan.card.spec.alignment,
    )
    training = encoded_once(training, policy, plan.config)
    return training, encoded_once(validation, policy, plan.config)


def follow(plan: Plan, processes: Processes) -> None:
    """Trains as a process other than the main one, which logs, saves and evaluates."""
    config, folder = plan.config, plan.folder
    with Threads(plan.threads, device=config.device, folder=folder) as threads:
        follow_run(prepared(plan, threads, processes))
