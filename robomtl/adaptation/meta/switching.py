"""A changed policy beside the original one, which acts on the training tasks as before.

The instruction selects which of the two acts: the changed one where the instruction is
nearer to those of the new task than to those of all others, by the cosine of their
embeddings. So most wordings that nobody listed find their task too, and a trial that is
without an instruction gets the original policy. A policy that is not conditioned on language
cannot distinguish tasks: there the changed one always acts.

Listed are all wordings that a suite has, held-out ones too. Nothing is trained on these,
but who acts under them is thereby known, not inferred: keep that in mind where results
under held-out wordings are compared with those of one network for all tasks.
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

_SAME = 1e-4  # Distance up to which two wordings are one.


def switched(
    trained: TrainedPolicy, changed: Policy, support: Support
) -> tuple[Policy, Card]:
    """The old policy and a changed one in one, and the card of the two.

    What an objective learned beside the old policy is left out: the two only act.
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
    """Embedded wordings of a new task and of those trained on; (wording, language).

    A wording of both is the new task's. Both are empty without language.
    """
    conditioning = card.conditioning
    new = _embedded(conditioning, [task])
    names = [name for name in conditioning.tasks if name != task.name]
    old = _embedded(conditioning, [_task(card, name) for name in names])
    if not len(new) or not len(old):
        return new, old
    exact = "donot_use_mm_for_euclid_dist"  # Products lose small distances.
    return new, old[torch.cdist(old, new, compute_mode=exact).amin(1) > _SAME]


def _task(card: Card, name: str) -> Task:
    """A task trained on; where no suite is named, its name is its wording."""
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
    return conditioning.fixed(task_infos)[:, conditioning.place("language")]


def _acting(policy: Policy) -> dict[str, Tensor]:
    """The weights of all but what an objective learned beside the policy."""
    state = policy.state_dict()
    return {name: it for name, it in state.items() if not name.startswith("meta.")}
