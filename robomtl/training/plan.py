"""The complete settings of a training run, and the run that is built from them."""

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
from robomtl.training.transferred_weights import check_trained, transfer_weights


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training, ready to begin."""

    demonstrations: Data
    """What is learned from."""
    card: Card
    """Card of the policy."""
    objective: Objective
    """What is minimised."""
    config: TrainConfig
    """Settings of the run, without ``auto`` but for threads."""
    start: Start | None
    """What training continues from, with its policy in memory."""
    folder: Path
    """Run directory."""
    fractions: tuple[float, ...] | None = None
    """Fractions of the samples of each task in each data set, where they were learned."""
    reference: TrainedPolicy | None = None
    """Policy whose loss is to be exceeded, where weights are found so; None elsewhere."""
    title: str = "Training"
    """What the line of progress calls it."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The settings that decide the outcome."""
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
        """The entry of ``run.json`` on a target domain; empty where there is none."""
        if not isinstance(self.objective, TargetDomain):
            return {}
        return {"target": described(target_in(self.objective.target))}

    @property
    def threads(self) -> ThreadCount:
        """Threads of torch, which are measured where that is cheap and none are given.

        Several processes have one each, and another number would be compiled anew.
        """
        config = self.config
        one = config.processes > 1 or config.compile
        return 1 if one and config.threads == "auto" else config.threads


def prepared(plan: Plan, threads: Threads, processes: Processes) -> Run:
    """The run at its first step, or at the step of its last checkpoint.

    Args:
        plan: What is to be trained.
        threads: Threads of this process.
        processes: Share the batches.

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
    """The batches, and what weighs their groups where that is learned."""
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
    """The policy with the weights of its start, and whether it keeps the normaliser."""
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
        remark(taken.sentence)
    return policy.to(config.device), kept


def _materials(plan: Plan, policy: Policy) -> tuple[Material, Material]:
    """The material to train on and that to validate on, on the training device."""
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
    """Takes the steps of a training whose main process logs, saves and evaluates."""
    config, folder = plan.config, plan.folder
    with Threads(plan.threads, device=config.device, folder=folder) as threads:
        follow_run(prepared(plan, threads, processes))
