"""``robomtl serve``: serves a policy over a websocket to robots and simulators."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.acting.agent import PolicyAgent
from robomtl.acting.policy_server import ServerConfig, serve_policy
from robomtl.cli.flags import own_first
from robomtl.terminal import say


@own_first
@dataclass(frozen=True, kw_only=True)
class Serve(ServerConfig):
    """Serves a policy to clients of openpi over a websocket. Needs robomtl[serve]."""

    run: tyro.conf.Positional[Path]
    """Run directory of the policy."""


def main(arguments: Sequence[str]) -> None:
    """Serves the policy until Ctrl-C."""
    flags = tyro.cli(Serve, args=arguments, prog="robomtl serve")
    agent = PolicyAgent(flags.run)
    kinds = " and ".join(agent.conditioning_kinds) or "nothing"

    def ready(address: str) -> None:
        say(f"{agent.name} ({agent.card.policy}, conditioned on {kinds}) answers at")
        say(f"  {address}   until Ctrl-C; {agent.card.spec.described}.")

    serve_policy(agent, flags, ready=ready)
