"""Suites in which agents named by flags act.

Separate from ``robomtl.cli.flags``, so that verbs without a policy do not import torch.
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
from robomtl.suites import option_kinds, unshifted
from robomtl.task import Suite


def suite_for(
    agent: Agent, name: str | None, flags: TaskFlags, **defaults: Any
) -> Suite:
    """The suite in which an agent acts, with the options of the flags.

    Args:
        agent: Agent that acts.
        name: Full name of the suite; None for the suite that the agent was trained on.
        flags: Options of the suite.
        defaults: Options that override those of the agent's training suite, and are
            overridden by the flags; left out where the suite does not have them.

    Raises:
        InputError: If no suite is known, the suite is unknown, or it does not have an
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
    """The suite in which the policy of a card acts; see ``suite_for``.

    Args:
        card: Card of the policy; None for an agent without one.
        trained_as: Name of the agent, for messages.
        name: Full name of the suite; None for the card's suite.
        flags: See ``suite_for``.
        defaults: See ``suite_for``.

    Raises:
        InputError: See ``suite_for``.
    """
    trained = card.suite if card else ""
    chosen = name or trained
    if not chosen:
        raise InputError(
            f"The suite that '{trained_as}' was trained on is not known; give --suite NAME."
        )
    options = card.suite_options if card else {}
    same = unshifted(chosen) == unshifted(trained)
    known = options if same else pictures_of(trained, chosen, options)
    known = options_in(trained, options).get(chosen, known)
    if defaults:
        own = option_kinds(chosen)
        known = {**known, **{k: it for k, it in defaults.items() if k in own}}
    return flags.make(chosen, known)
