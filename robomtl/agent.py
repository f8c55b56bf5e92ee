"""A trained policy as an agent: the run directory evaluated in worker processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl import checkpoint
from robomtl.actor import Told
from robomtl.checkpoint import TrainedPolicy
from robomtl.evaluation.trials import CHUNK
from robomtl.policy import Memory
from robomtl.task import Observation, Suite, Trial

# Every forward pass has this many rows, whatever runs beside a trial: matrix products
# of another shape may round differently, and a result must not depend on company.
_ROWS = CHUNK


class PolicyActor:
    """Lets a trained policy act in a batch of trials.

    Args:
        trained: The policy and how it is told its task.
        execute: How many actions of a predicted chunk are taken before the next
            prediction; None takes all.

    Raises:
        ValueError: If more actions are to be taken than the policy predicts.
    """

    def __init__(self, trained: TrainedPolicy, *, execute: int | None = None) -> None:
        self._policy = trained.policy
        self._conditioning = trained.card.conditioning
        self._execute = execute
        self._fixed = torch.zeros(0, 0)
        self._memory: Memory | None = None
        self._chunk = torch.zeros(0, 0, 0)
        self._taken = 0

    def start(self, trials: Sequence[Trial], told: Sequence[Told]) -> None:
        """Forgets earlier trials and embeds what these are told."""
        fixed = self._conditioning.fixed(told)
        rows = -len(trials) % _ROWS
        self._fixed = torch.cat([fixed, fixed.new_zeros(rows, fixed.shape[1])])
        self._memory = None
        self._chunk = torch.zeros(len(trials), 0, 0)
        self._taken = 0

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions for every trial; (trial, action)."""
        if self._taken >= self._chunk.shape[1]:
            self._chunk, self._taken = self._predict(observations), 0
        self._taken += 1
        return self._chunk[: len(observations), self._taken - 1].numpy()

    @torch.inference_mode()
    def _predict(self, observations: Sequence[Observation]) -> Tensor:
        state = torch.zeros(len(self._fixed), len(observations[0]["state"]))
        state[: len(observations)] = torch.from_numpy(
            np.stack([observation["state"] for observation in observations])
        )
        embedding = self._conditioning.embedding(self._fixed, state)
        blocks = [
            self._policy.act({"state": rows}, told, self._memory)
            for rows, told in zip(
                torch.split(state, _ROWS), torch.split(embedding, _ROWS), strict=True
            )
        ]
        chunk = torch.cat([actions for actions, _ in blocks])
        self._memory = blocks[0][1]
        return chunk[:, : self._execute]


@dataclass(frozen=True)
class PolicyAgent:
    """A run directory as an agent; workers read the policy from it."""

    run: Path
    """Run directory in which training has finished."""
    fingerprint: str = field(init=False)
    """sha256 of weights and card."""

    def __post_init__(self) -> None:
        """Reads the policy once.

        Raises:
            ValueError: If the folder holds no policy, or a broken one.
        """
        object.__setattr__(self, "fingerprint", checkpoint.load(self.run).fingerprint)

    @property
    def name(self) -> str:
        """The run directory's name."""
        return self.run.resolve().name

    @property
    def card(self) -> checkpoint.Card:
        """What the policy is and was trained for."""
        return checkpoint.load(self.run).card

    @property
    def settings(self) -> dict[str, Any]:
        """How it was trained, for reports; empty where the folder does not say."""
        path = self.run / "run.json"
        settings: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return settings

    def check(self, suite: Suite) -> None:
        """Refuses a suite whose observation, action or tasks do not fit the policy.

        Raises:
            ValueError: Saying which feature does not fit.
        """
        card = self.card
        task = (*suite.train_tasks, *suite.held_out_tasks)[0].name
        env = suite.make_env(task)
        sizes = {
            "state": env.observation_space["state"].shape[0],  # type: ignore[index]
            "action": (env.action_space.shape or (0,))[0],
        }
        env.close()
        for feature, size in sizes.items():
            if size != getattr(card.spec, feature):
                raise ValueError(
                    f"{self.name} takes {feature} of length "
                    f"{getattr(card.spec, feature)}; {suite.name} has {size}."
                )
        if "goal" in card.conditioning.kinds and suite.goal is None:
            raise ValueError(
                f"{self.name} is conditioned on the goal; {suite.name} hides it."
            )

    def load(self, suite: Suite) -> PolicyActor:
        """The policy, ready to start trials."""
        trained = checkpoint.load(self.run)
        if trained.fingerprint != self.fingerprint:
            raise ValueError(f"{self.run} changed while it was evaluated.")
        return PolicyActor(trained)
