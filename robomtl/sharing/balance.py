"""Whether arms can balance their tasks as they are set, before any is learned."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from robomtl import checkpoint
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.sharing.arms import Arm
from robomtl.sharing.planning import Asked
from robomtl.training.trainable import check_balance


def check_balanced(
    arms: Mapping[str, Arm],
    demonstrations: Demonstrations,
    tasks: Sequence[str],
    asked: Asked,
) -> None:
    """Makes sure that the tasks of arms can be balanced, at every number of them.

    Args:
        arms: By label.
        demonstrations: What is learned from.
        tasks: Names of the tasks.
        asked: Numbers of demonstrations, and samples of each task in a step.

    Raises:
        InputError: If an arm cannot; see ``check_balance``.
    """
    fewest = demonstrations.select(tasks, min(asked.demonstrations))
    for label, arm in arms.items():
        if arm.learned == "together":
            config = checkpoint.configure(arm.policy, arm.policy_config)
            training = replace(arm.training, batch_size=asked.samples * len(tasks))
            try:
                check_balance(
                    fewest,
                    training,
                    loss=str(getattr(config, "loss", "")),
                    objective="cloning",
                )
            except InputError as error:
                raise InputError(f"The arm {label}: {error}") from error
