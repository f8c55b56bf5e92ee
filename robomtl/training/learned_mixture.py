"""Weights of tasks and data sets that are learned by distributionally robust optimisation.

Source: Re-Mix (Hejna et al. 2024, arXiv:2408.14037), after DoReMi (Xie et al. 2023,
arXiv:2305.10429, algorithm 1). A reference policy is trained first. A second policy is then
trained on batches with equally many samples of each group, a task in a data set, whose mean
losses are weighted; a weight grows with the excess of the second policy's loss over the
reference's, w <- w exp(rate · excess). The mean of the weights over that training is the
mixture on which a third policy, the requested one, is trained. Departures:

1. Re-Mix bins actions for the first two policies; here all three minimise the policy's loss.
2. Re-Mix chooses the step of the reference by its validation loss; here both trainings have
   ``Remix.steps``, few enough that a handful of demonstrations is not yet memorised.
3. Weights begin at the sampling fractions of the settings, by default equal for all tasks,
   and are smoothed towards them; those of Re-Mix begin at the sizes of the data sets.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.files.durable import write_json
from robomtl.files.request import plain
from robomtl.files.untrusted import read_json
from robomtl.files.weights import read_tensors
from robomtl.progress import remark
from robomtl.training.monitoring import STATE
from robomtl.training.plan import Plan

MIXTURE = "mixture.json"
"""File of a run directory with the learned mixture."""
_FOLDER = "mixture"
_SHOWN = 5  # Number of the highest and of the lowest rates that are reported.


@dataclass(frozen=True, kw_only=True)
class Group:
    """A task in a data set, and the fraction of the samples that are drawn from it."""

    task: str
    """Name of the task."""
    data: int
    """Index of the data set."""
    first: float
    """Fraction without a learned mixture, used to train the reference."""
    learned: float
    """Learned fraction."""

    def __post_init__(self) -> None:
        """Checks the fractions.

        Raises:
            InputError: If the learned one is negative, or the first is not positive.
        """
        if self.first <= 0 or self.learned < 0:
            raise InputError(
                f"'{self.task}' has the fractions {self.first} and {self.learned}; give"
                " one above 0 and one of at least 0."
            )


@dataclass(frozen=True, kw_only=True)
class LearnedMixture:
    """The content of ``mixture.json``."""

    groups: tuple[Group, ...]
    """Groups in the order in which frames are sorted."""

    @property
    def factors(self) -> dict[str, float]:
        """Sampling rate of each task relative to that without the mixture, by name."""
        names = dict.fromkeys(group.task for group in self.groups)
        sums = {
            name: [
                sum(getattr(each, kind) for each in self.groups if each.task == name)
                for kind in ("learned", "first")
            ]
            for name in names
        }
        return {name: learned / first for name, (learned, first) in sums.items()}

    @property
    def sentence(self) -> str:
        """Sentence with the groups' sampling rates relative to those without the mixture."""
        several = len({group.data for group in self.groups}) > 1
        factors = {
            group.task + f" of data set {group.data + 1}" * several: group.learned
            / group.first
            for group in self.groups
        }
        ranked = sorted(factors, key=lambda name: -factors[name])
        named = [f"{name} {factors[name]:.2f}" for name in ranked]
        if len(named) > 2 * _SHOWN:
            named = [*named[:_SHOWN], "…", *named[-_SHOWN:]]
        return (
            "The mixture was learned; sampling rates relative to those without it:"
            f" {', '.join(named)}."
        )


def read_mixture(run: Path) -> LearnedMixture | None:
    """The mixture that a run directory records; None if it learned none.

    Raises:
        InputError: If the file is damaged.
    """
    path = run / MIXTURE
    return read_json(path, LearnedMixture) if path.exists() else None


def with_learned_mixture(plan: Plan, train: Callable[[Plan], TrainedPolicy]) -> Plan:
    """The plan of the final training, after the two trainings that learn its mixture.

    The two are kept in ``mixture/`` of the run directory, and resumed there.

    Args:
        plan: Plan of the requested policy.
        train: Trains by a plan, or reads the policy if it was trained before.
    """
    config, steps = plan.config, plan.config.remix.steps
    whole = steps % config.save_every == 0  # The last step must be saved.
    own = replace(
        config,
        steps=steps,
        save_every=config.save_every if whole else steps,
        evaluate_every=0,
        conflicts_every=0,
        affinity_every=0,
    )
    folder = plan.folder / _FOLDER
    first = replace(
        plan,
        card=replace(plan.card, step=steps),
        config=replace(own, mixture="given"),
        folder=folder / "reference",
        title="Training the reference",
    )
    reference = train(first)
    second = replace(
        first,
        config=own,
        folder=folder / "excess",
        reference=reference,
        title="Learning the mixture",
    )
    train(second)
    mixture = _learned_in(second)
    write_json(plan.folder / MIXTURE, plain(mixture))
    remark(mixture.sentence)
    return replace(plan, fractions=tuple(each.learned for each in mixture.groups))


def _learned_in(plan: Plan) -> LearnedMixture:
    """The mixture that a finished training learned."""
    stored, tasks = read_tensors(plan.folder / STATE), plan.card.conditioning.tasks
    learned = stored["combiner.sum"] / stored["combiner.sum"].sum()
    columns = (
        stored[f"combiner.{name}"].tolist() for name in ("task", "data", "first")
    )
    groups = (
        Group(task=tasks[task], data=data, first=first, learned=it)
        for task, data, first, it in zip(*columns, learned.tolist(), strict=True)
    )
    return LearnedMixture(groups=tuple(groups))
