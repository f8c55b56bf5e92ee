"""A pre-training run: the features of a policy, from episodes whose actions may not matter."""

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
    """Pre-trains the features of a policy and leaves it in a run directory.

    Its action head stays as initialised: the policy is what ``train`` starts from
    (``start``) and what methods of adaptation take, and not yet one that acts. A run that
    was stopped resumes, as that of ``train`` does.

    Args:
        demonstrations: Episodes to learn from. Only ``masked_trajectory`` reads their
            actions, and only ``language_alignment`` their instructions.
        objective: Registered name of what is minimised, such as ``time_contrastive``.
        out: Run directory; made if missing.
        policy: Registered name of the architecture; ``film``, or that of the start.
        policy_config: Fields of its config that differ from the start or the defaults.
        conditioning: What the policy will be conditioned on; language by default.
        objective_config: Settings of the objective that differ from the defaults.
        config: Settings of the run.
        start: A trained policy or its run directory, whose weights are taken.

    Returns:
        The policy with averaged weights, on the CPU.

    Raises:
        ValueError: If the objective does not pre-train, or fits neither the policy nor the
            data; see also ``train``.
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
    """Makes sure that an objective pre-trains.

    Raises:
        InputError: If it is unknown, or trains a policy to act; names those that pre-train.
    """
    if objective not in OBJECTIVES.names():
        raise InputError(
            unknown("objective of pre-training", objective, pretrainings())
        )
    if not issubclass(OBJECTIVES.get(objective), Pretraining):
        raise InputError(
            f"The objective {objective} trains a policy to act, as robomtl train does;"
            f" pre-train by one of {', '.join(pretrainings())}."
        )
