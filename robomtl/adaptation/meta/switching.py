"""Combine the original policy and an adapted one, so that the training tasks are kept.

The instruction selects the policy that acts: the adapted one if the instruction is nearer
to those of the new task than to those of all other tasks, by the cosine of their
embeddings. Most unlisted wordings therefore select the right policy, and a trial without
an instruction gets the original one. A policy that is not conditioned on language cannot
distinguish tasks; then the adapted one always acts.

All wordings of the suite are listed, including held-out ones. The policies are not trained
on held-out wordings, but the selection under them is known rather than inferred: consider
this when comparing results under held-out wordings with those of a single network.
"""

from dataclasses import replace

import torch
from torch import Tensor

from robomtl.acting.actor import TaskInfo
from robomtl.adaptation.support import Support
from robomtl.checkpoint import Card, TrainedPolicy, build
from robomtl.conditioning import Conditioning
from robomtl.policy import Policy
from robomtl.suites import suite
from robomtl.task import Task, find_task

_SAME = 1e-4  # Distance of embeddings up to which two wordings count as equal.


def switched(
    trained: TrainedPolicy, changed: Policy, support: Support
) -> tuple[Policy, Card]:
    """A ``switched`` policy of the original and the adapted one, and its card.

    The modules of the objective (``meta``) are dropped: the policy only acts.

    Args:
        trained: Original policy.
        changed: Adapted policy of the same architecture.
        support: Demonstrations of the new task, which name its wordings.
    """
    card = replace(
        trained.card,
        policy="switched",
        config={"base": trained.card.policy, "base_config": trained.card.config},
        objective="cloning",
        objective_config={},
    )
    policy = build(card)
    new_words, others = wordings(trained.card, support.task)
    old, new = _acting(trained.policy), _acting(changed)
    policy.load_state_dict(
        {name: old[name] for name in old if name.startswith("normaliser.")}
        | {f"base.{name}": value for name, value in old.items()}
        | {f"changed.{name}": value for name, value in new.items()}
        | {"wordings.new": new_words, "wordings.others": others}
    )
    return policy, card


def wordings(card: Card, task: Task) -> tuple[Tensor, Tensor]:
    """Embedded wordings of a new task and of the training tasks, each (wording, language).

    A wording that both have is listed for the new task only. Both tensors are empty if
    the policy is not conditioned on language.
    """
    conditioning = card.conditioning
    new = _embedded(conditioning, [task])
    names = [name for name in conditioning.tasks if name != task.name]
    old = _embedded(conditioning, [_task(card, name) for name in names])
    if not len(new) or not len(old):
        return new, old
    # Computed by matrix products, small distances would be inaccurate.
    exact = "donot_use_mm_for_euclid_dist"
    return new, old[torch.cdist(old, new, compute_mode=exact).amin(1) > _SAME]


def _task(card: Card, name: str) -> Task:
    """A training task; if the card names no suite, its name is its only wording."""
    if not card.suite:
        return Task(name=name, instructions=(name,))
    return find_task(suite(card.suite, **card.suite_options), name)


def _embedded(conditioning: Conditioning, tasks: list[Task]) -> Tensor:
    """Language embeddings of the instructions of these tasks; (wording, language)."""
    if "language" not in conditioning.kinds:
        return torch.zeros(0, 0)
    task_infos = [
        TaskInfo(task.name, wording)
        for task in tasks
        for wording in (*task.instructions, *task.held_out_instructions)
    ]
    return conditioning.fixed(task_infos)[:, conditioning.slice_of("language")]


def _acting(policy: Policy) -> dict[str, Tensor]:
    """The state dict of a policy without ``meta``."""
    state = policy.state_dict()
    return {
        name: tensor for name, tensor in state.items() if not name.startswith("meta.")
    }
