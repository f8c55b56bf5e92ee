"""Agents that flags name, and the suites in which they are to act.

Apart from ``robomtl.cli.flags``, so that verbs without a policy do not import torch.
"""

from typing import Any

from robomtl.acting.actor import Agent
from robomtl.acting.agent import PolicyAgent
from robomtl.acting.agent import named_agent as named_agent
from robomtl.checkpoint import Card
from robomtl.cli.flags import TaskFlags
from robomtl.errors import InputError
from robomtl.joint import options_in
from robomtl.pictures import pictures_of
from robomtl.suites import unshifted
from robomtl.task import Suite


def suite_for(
    agent: Agent, name: str | None, flags: TaskFlags, **defaults: Any
) -> Suite:
    """The suite an agent is to act in, with the given options.

    Args:
        agent: Who acts.
        name: Full name of the suite; the one the agent was trained on if None.
        flags: The given options.
        defaults: Options to use where no flag was given, before those of the suite the
            agent was trained on.

    Raises:
        InputError: If there is no name, the suite is unknown, or it does not take an
            option.
    """
    card = agent.card if isinstance(agent, PolicyAgent) else None
    return suite_of(card, agent.name, name, flags, **defaults)


def suite_of(
    card: Card | None,
    trained_as: str,
    name: str | None,
    flags: TaskFlags,
    **defaults: Any,
) -> Suite:
    """The suite that a policy was trained on, or another; see ``suite_for``.

    Args:
        card: What the policy was trained for; None if that is not known.
        trained_as: What a message calls the policy.
        name: Full name of the suite; the one of the card if None.
        flags: As in ``suite_for``.
        defaults: As in ``suite_for``.

    Raises:
        InputError: As in ``suite_for``.
    """
    trained = card.suite if card else ""
    chosen = name or trained
    if not chosen:
        raise InputError(
            f"It is not known what '{trained_as}' was trained on; give --suite NAME."
        )
    options = card.suite_options if card else {}
    same = unshifted(chosen) == unshifted(trained)
    known = options if same else pictures_of(trained, chosen, options)
    known = options_in(trained, options).get(chosen, known)
    return flags.make(chosen, {**known, **defaults})
