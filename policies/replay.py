"""Takes the actions of a remembered demonstration, whatever happens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from robomtl.layers.remembered import Remembered, RememberingPolicy
from robomtl.policy import Batch, Memory, Spec
from robomtl.spec import check_single


@dataclass(frozen=True)
class ReplayConfig:
    """There is nothing to choose."""


class Replay(RememberingPolicy):
    """Replays the demonstration that began most like the trial, open loop.

    After its end it goes on with its last action.
    """

    Config = ReplayConfig

    def __init__(self, config: ReplayConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        check_single(spec, "replay", ["finetune", "nearest_neighbour"])
        self.remembered = Remembered(
            {
                "start": torch.zeros(1, spec.state),
                "action": torch.zeros(1, 1, spec.action),
            },
            axes={"start": "episode _", "action": "episode time _"},
        )

    def remember(self, episodes: Sequence[Batch]) -> None:
        """Remembers first states and all actions; see ``RememberingPolicy``."""
        starts = [episode.observation["state"][0] for episode in episodes]
        actions = [episode.action[:, 0] for episode in episodes]
        longest = max(map(len, actions))
        held = [
            torch.cat([each, each[-1:].expand(longest - len(each), -1)])
            for each in actions
        ]
        self.remembered.fill(
            {"start": torch.stack(starts), "action": torch.stack(held)}
        )

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The next action of the demonstration; see ``Policy``.

        The memory holds which one that is, and the step; each (batch,).
        """
        if memory is None:
            memory = self._chosen(observation["state"])
        which, step = memory.tensors["demonstration"], memory.tensors["step"]
        actions = self.remembered["action"]  # (demonstration, time, action)
        now = actions[which, step.clamp(max=actions.shape[1] - 1)]
        chunk = rearrange(now, "batch action -> batch 1 action")
        return chunk, Memory({"demonstration": which, "step": step + 1})

    def _chosen(self, state: Tensor) -> Memory:
        """The demonstration whose first state is nearest, standardised."""
        starts = self.normaliser(self.remembered["start"])
        which = torch.cdist(self.normaliser(state), starts).argmin(-1)
        return Memory({"demonstration": which, "step": torch.zeros_like(which)})
