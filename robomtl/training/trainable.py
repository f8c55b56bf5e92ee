"""Checks that a policy can be trained on some data, before a run begins."""

import os
from shutil import which

from robomtl.checkpoint import Card
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.policy import POLICIES
from robomtl.progress import remark
from robomtl.training.balancing import check_tasks, method_of
from robomtl.training.config import TrainConfig
from robomtl.training.data_conditioning import goal_warning
from robomtl.training.held_out import check_held_out
from robomtl.training.image_augmentation import check_images
from robomtl.training.needed_memory import check_batch, count_parameters
from robomtl.training.objective import OBJECTIVES, Objective
from robomtl.training.position_head import check_positions
from robomtl.training.remix import check_groups
from robomtl.training.weighting import Fixed
from robomtl.warned import warn


def check_trainable(policy: str) -> None:
    """Checks that an architecture can be trained.

    Raises:
        InputError: If it is unknown, or is made only by methods of adaptation.
    """
    if not POLICIES.get(policy).trainable:
        trainable = [
            name for name in POLICIES.built_in() if POLICIES.get(name).trainable
        ]
        raise InputError(
            f"Policy '{policy}' is not trained but made by methods of adaptation; train"
            f" one of {', '.join(trainable)}."
        )


def check_actions(data: Data, minimised: Objective, *, objective: str) -> None:
    """Checks that actions were recorded if the objective learns from them.

    Args:
        data: Data to train on.
        minimised: The objective.
        objective: Registered name of the objective.

    Raises:
        InputError: If a data set lacks them.
    """
    if getattr(minimised, "reads_actions", True):
        for each in data.sets:
            each.check_actions(f"objective '{objective}'")


def check_lengths(data: Data, *, chunk: int, history: int) -> None:
    """Checks that some episode is as long as the policy's chunks and histories.

    Args:
        data: Data to train on.
        chunk: Number of actions that the policy predicts at once.
        history: Number of observations that the policy reads.

    Raises:
        InputError: If a chunk or a history is longer than every episode.
    """
    lengths = [int(each.episodes.length.max()) for each in data.sets if len(each)]
    if not lengths:
        return  # Another check refuses data without episodes.
    longest = max(lengths)
    if chunk > longest:
        raise InputError(
            f"chunk is {chunk}, but the longest demonstration has {longest} steps, so that"
            f" later actions would never be trained; give {longest} or less"
            " (--architecture.chunk)."
        )
    if history > longest:
        raise InputError(
            f"history is {history}, but the longest demonstration has {longest} steps, so"
            " that earlier observations would always be copies of the first; give"
            f" {longest} or less (--history)."
        )


def rate_note(data: Data, *, chunk: int, history: int) -> str:
    """A note if chunks or histories differ in duration between data sets; else empty.

    Args:
        data: Data to train on.
        chunk: Number of actions that the policy predicts at once.
        history: Number of observations that the policy reads.
    """
    rates = {f"{each.fps:g}" for each in data.sets}
    if len(rates) == 1 or chunk == history == 1:
        return ""
    return (
        f"The data sets have {' and '.join(sorted(rates, key=float))} steps per second:"
        f" chunks of {chunk} actions and histories of {history} observations differ in"
        " duration."
    )


def check_balance(
    data: Data, config: TrainConfig, *, loss: str, objective: str
) -> None:
    """Checks that tasks can be balanced as requested.

    Args:
        data: Data to train on.
        config: Settings of the run.
        loss: Name of the policy's loss; empty if it has no choice of losses.
        objective: Registered name of the objective.

    Raises:
        InputError: If a method does not fit the tasks, the batch, the loss or the
            objective, or a weight is of an unknown task.
    """
    tasks = data.tasks
    by_loss = config.sampling == "validation_loss"
    methods = [
        method_of(config.weighting, config.aggregation),
        config.sampling if by_loss else "",
        "conflicts_every" if config.conflicts_every else "",
        "affinity_every" if config.affinity_every else "",
    ]
    check_tasks(methods, tasks, batch_size=config.batch_size, loss=loss)
    Fixed(config.balancing.weights, tasks)
    usual, names = TrainConfig(), ("sampling", "temperature")
    given = [each for each in names if getattr(config, each) != getattr(usual, each)]
    if given and objective != "cloning":
        raise InputError(
            f"{given[0]} {getattr(config, given[0])!r} says how frames are drawn, and"
            f" objective '{objective}' draws problems of its own; leave {given[0]} out, or"
            " train with 'cloning'."
        )
    if data.weights is not None and objective != "cloning":
        raise InputError(
            f"Weights of data sets say how frames are drawn, and objective '{objective}'"
            " draws problems of its own; leave the weights out, or train with 'cloning'."
        )
    if config.mixture == "learned":
        groups = sum(len(each.tasks) for each in data.sets)
        check_groups(groups, config.batch_size, objective)
    if by_loss:
        check_held_out(data, config.validation)


def check_divisible(
    config: TrainConfig, minimised: Objective, *, objective: str
) -> None:
    """Checks that batches can be divided and compiled as requested.

    Args:
        config: Settings of the run, with the device resolved.
        minimised: The objective.
        objective: Registered name of the objective.

    Raises:
        InputError: If the gradient of a batch is not a sum over its samples, there are
            more parts than samples, or there is no compiler.
    """
    parts = config.processes * config.accumulate
    culprit = _indivisible(config, minimised, objective)
    several = [n for n in ("processes", "accumulate") if getattr(config, n) > 1]
    requested = [*several, *(["compile"] if config.compile else [])]
    if culprit and requested:
        fitting = [
            n
            for n in OBJECTIVES.built_in()
            if getattr(OBJECTIVES.get(n), "divisible", False)
        ]
        raise InputError(
            f"{culprit} differentiates or draws each batch as a whole, and cannot be"
            f" combined with {' and '.join(requested)}. These can: objective"
            f" {', '.join(fitting)} with aggregation mean; sampling by temperature;"
            " weighting fixed, and without accumulate also uncertainty, dwa and famo."
        )
    if config.batch_size < parts:
        raise InputError(
            f"A batch of {config.batch_size} has no sample for each of {parts} parts"
            f" (processes {config.processes}, accumulate {config.accumulate}); give"
            f" batch_size {parts} or more."
        )
    if config.compile and config.device.startswith("cpu") and not _compiler():
        raise InputError(
            "compile needs a C++ compiler, and there is neither g++ nor clang++ on the"
            " PATH, nor one in the variable CXX; install one (apt install g++), or leave"
            " --compile out."
        )


def _compiler() -> bool:
    return any(map(which, (os.environ.get("CXX", ""), "g++", "clang++")))


def _indivisible(config: TrainConfig, minimised: Objective, objective: str) -> str:
    """The setting that needs whole batches; empty if none does."""
    if not getattr(minimised, "divisible", False):
        return f"objective '{objective}'"
    if config.aggregation != "mean":
        return f"aggregation '{config.aggregation}'"
    learned = config.weighting != "fixed" and config.accumulate > 1
    if config.weighting == "gradnorm" or learned:
        return f"weighting '{config.weighting}'"
    if config.sampling == "validation_loss" and config.processes > 1:
        return "sampling 'validation_loss'"
    return ""


def check_training(
    demonstrations: Data, card: Card, objective: Objective, config: TrainConfig
) -> None:
    """Checks that a policy can be trained, and prints notes and warnings.

    Raises:
        InputError: If the card, the objective, the demonstrations and the settings do not
            fit each other, or the policy or a batch does not fit into memory.
    """
    name, chunk = card.objective, int(card.config.get("chunk", 1))
    check_actions(demonstrations, objective, objective=name)
    history = card.spec.history
    check_lengths(demonstrations, chunk=chunk, history=history)
    if note := rate_note(demonstrations, chunk=chunk, history=history):
        remark(note)
    loss = str(card.config.get("loss", ""))
    check_balance(demonstrations, config, loss=loss, objective=name)
    check_batch(card, config.batch_size)
    count_parameters(card)  # Refuses a policy that is too large.
    check_images(config.image_augmentation, card.spec, name)
    if config.auxiliary.positions:
        check_positions(demonstrations, images=bool(card.spec.images), objective=name)
    check_divisible(config, objective, objective=name)
    if warning := goal_warning(demonstrations, card.conditioning):
        warn(warning)
