"""What is refused before a run begins: architectures and balances that do not fit."""

from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.policy import POLICIES
from robomtl.training.balancing import check_tasks, method_of
from robomtl.training.config import TrainConfig
from robomtl.training.material import check_held_out
from robomtl.training.weighting import Fixed


def check_trainable(policy: str) -> None:
    """Makes sure that training can start from an architecture.

    Raises:
        InputError: If it is unknown, or only methods of adaptation make it.
    """
    if not POLICIES.get(policy).trainable:
        known = [name for name in POLICIES.own() if POLICIES.get(name).trainable]
        raise InputError(
            f"Policy '{policy}' is not trained but made by methods of adaptation; train"
            f" one of {', '.join(known)}."
        )


def check_balance(
    data: Data, config: TrainConfig, *, loss: str, objective: str
) -> None:
    """Makes sure that tasks can be balanced as asked, before anything is made.

    Args:
        data: What is learned from.
        config: Settings of the run.
        loss: Name of the policy's loss; empty if it has none to choose.
        objective: Registered name of what is minimised.

    Raises:
        InputError: If a method does not fit the tasks, the batch, the loss or the
            objective, or a weight names no task.
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
    usual = TrainConfig()
    drawn = ("sampling", "temperature")
    given = [each for each in drawn if getattr(config, each) != getattr(usual, each)]
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
    if by_loss:
        check_held_out(data, config.validation)
