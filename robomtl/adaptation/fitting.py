"""Checks that a policy fits a method and the demonstrations that it is adapted from."""

from collections.abc import Mapping
from typing import Any

from robomtl.adaptation.method import Method
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.suites import unshifted
from robomtl.training.objective import trains_actions


def check_training(method: Method, trained: TrainedPolicy) -> None:
    """Refuses a policy that was not trained as a method needs.

    Raises:
        InputError: If the policy was trained with another objective than the method
            needs; if it is itself the untrainable result of an adaptation; or if it was
            pre-trained without actions and the method does not train the action head.
    """
    if not trained.policy.trainable:
        raise InputError(
            f"The policy is '{trained.card.policy}', the result of adapting another"
            " policy; adapt that other one."
        )
    needed, objective = method.objective, trained.card.objective
    if not getattr(method, "trains_head", True) and not trains_actions(objective):
        raise InputError(
            f"{type(method).__name__} does not train the action head, and {objective}"
            " has trained the features only; choose a method that trains the head, such"
            " as finetune or lora, or train the policy first (robomtl train --start RUN)."
        )
    if needed is not None and needed != objective:
        raise InputError(
            f"{type(method).__name__} needs a policy trained with the objective"
            f" {needed}; this one was trained with {objective}. Train one by: robomtl"
            f" train --objective {needed}."
        )


def check_fit(card: Card, demonstrations: Demonstrations) -> None:
    """Refuses demonstrations that a policy cannot be adapted to.

    A policy of several robots may be adapted to any robot; see ``of_one_robot``.

    Raises:
        InputError: If suite, observation or action differ from those of training, goals
            are hidden in only one of the two, or the policy reads a one-hot task code.
    """
    if len(card.spec.embodiments) == 1:
        _check_robot(card, demonstrations)
    goals = [_goals(card.suite_options), _goals(demonstrations.suite_options)]
    if None not in goals and goals[0] != goals[1]:
        raise InputError(
            f"The policy was trained with goals {goals[0]}, the support was collected with"
            f" goals {goals[1]}; collect the support with goals={goals[0]!r}."
        )
    if "one_hot" in card.conditioning.kinds:
        raise InputError(
            "The policy is conditioned on a one-hot code of its training tasks, which has"
            " no entry for a new task; train it with conditioning on language or goal. To"
            " continue training on its own tasks, pass it to robomtl.train as start."
        )


def _check_robot(card: Card, demonstrations: Demonstrations) -> None:
    """Refuses demonstrations of another robot than the one of a single-robot policy."""
    suites = card.suite, demonstrations.suite or ""
    trained, recorded = (unshifted(name).partition("/")[0] for name in suites)
    if trained and recorded and trained != recorded:
        raise InputError(
            f"The policy was trained in {card.suite}, the support is of"
            f" {demonstrations.suite}; give demonstrations of {trained}."
        )
    for feature in ("state", "action"):
        size = getattr(demonstrations, feature).shape[1]
        expected = getattr(card.spec, feature)
        if expected and size != expected:  # A policy of images reads no state.
            raise InputError(
                f"The policy expects {feature} of length {expected}; the support has"
                f" {size}."
            )
    if not card.spec.single:
        card.spec.serving(demonstrations.embodiment)


def _goals(options: Mapping[str, Any]) -> Any:
    return options.get("goals")
