"""A pre-training run: trains the features of a policy, mostly without actions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, Mixture
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.pretraining.objectives import Pretraining, pretrainings
from robomtl.training.config import TrainConfig
from robomtl.training.objective import OBJECTIVES
from robomtl.training.start import Start
from robomtl.training.train_run import train


@checked
def pretrain(
    demonstrations: Demonstrations | Mixture,
    *,
    objective: str,
    out: Path | str,
    policy: str | None = None,
    policy_config: Mapping[str, Any] | None = None,
    conditioning: Sequence[Kind] | None = None,
    objective_config: Mapping[str, Any] | None = None,
    config: TrainConfig | None = None,
    start: Start | TrainedPolicy | Path | str | None = None,
) -> TrainedPolicy:
    """Pre-trains the features of a policy and saves it in a run directory.

    The action head stays as initialised: the policy cannot act yet, but ``train`` can start
    from it (``start``), and methods of adaptation can adapt it. An interrupted run resumes
    as in ``train``.

    Args:
        demonstrations: Episodes to train on. Only ``masked_trajectory`` reads their
            actions, and only ``language_alignment`` their instructions.
        objective: Registered name of the objective, such as ``time_contrastive``.
        out: Run directory; created if missing.
        policy: Registered name of the architecture; by default the start's, or ``film``.
        policy_config: Fields of its config that differ from the start or the defaults.
        conditioning: Kinds of the policy's conditioning; by default the start's, or
            language.
        objective_config: Settings of the objective that differ from the defaults.
        config: Settings of the run.
        start: A trained policy or its run directory, from which training continues; a
            ``Start`` names parts of it. None trains from scratch.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If the objective is not one of pre-training, or does not fit the policy
            or the data; see also ``train``.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    check_pretraining(objective)
    return train(
        demonstrations,
        out=out,
        policy=policy,
        policy_config=policy_config,
        conditioning=conditioning,
        objective=objective,
        objective_config=objective_config,
        config=config,
        start=start,
    )


def check_pretraining(objective: str) -> None:
    """Checks that an objective is one of pre-training.

    Raises:
        InputError: If it is unknown, or trains a policy to act; the message names the
            objectives of pre-training.
    """
    if objective not in OBJECTIVES.names():
        raise InputError(
            unknown("objective of pre-training", objective, pretrainings())
        )
    if not issubclass(OBJECTIVES.get(objective), Pretraining):
        raise InputError(
            f"The objective {objective} trains a policy to act, which robomtl train does;"
            f" pre-train with one of {', '.join(pretrainings())}."
        )
