"""Open-loop replay of a stored demonstration."""

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
    """Settings of the ``replay`` policy, which has none."""


class Replay(RememberingPolicy):
    """Replays, open loop, the demonstration with the initial state nearest to the trial's.

    After the end of the demonstration, its last action is repeated.
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
        """Stores first states and all actions; see ``RememberingPolicy``."""
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
        """Next action of the demonstration, as a chunk of one; see ``Policy``.

        The memory has the index of the demonstration and the next step; each (batch,).
        """
        if memory is None:
            memory = self._chosen(observation["state"])
        index, step = memory.tensors["demonstration"], memory.tensors["step"]
        actions = self.remembered["action"]  # (demonstration, time, action)
        now = actions[index, step.clamp(max=actions.shape[1] - 1)]
        chunk = rearrange(now, "batch action -> batch 1 action")
        return chunk, Memory({"demonstration": index, "step": step + 1})

    def _chosen(self, state: Tensor) -> Memory:
        """Initial memory: the demonstration with the nearest standardised first state."""
        starts = self.normaliser(self.remembered["start"])
        index = torch.cdist(self.normaliser(state), starts).argmin(-1)
        return Memory({"demonstration": index, "step": torch.zeros_like(index)})
