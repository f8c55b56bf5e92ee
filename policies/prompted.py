"""Base class of policies with a prompt of demonstrations, saved with the weights."""

import torch

from robomtl.action_head import HeadPolicy
from robomtl.layers.remembered import Remembered
from robomtl.policy import Context, Spec


class PromptedPolicy(HeadPolicy):
    """A policy with a prompt of stored demonstrations, initially empty."""

    remembered: Remembered

    def remember(self, context: Context) -> None:
        """Replaces the prompt by the demonstrations of one task.

        Args:
            context: Demonstrations of one task, none of them masked.
        """
        assert len(context.mask) == 1 and context.mask.all()
        self.remembered.fill(
            {
                "state": context.state[0].clone(),
                "action": context.action[0].clone(),
                "progress": context.progress[0].clone(),
            }
        )

    def prompt_context(self) -> Context:
        """Demonstrations of the prompt, as a context of one task."""
        state, action, progress = (
            self.remembered[name][None] for name in ("state", "action", "progress")
        )
        shots = state.shape[:2]
        robot = torch.zeros(shots, dtype=torch.long, device=state.device)
        return Context(state, action, progress, state.new_ones(shots), robot)


def empty_prompt(spec: Spec) -> Remembered:
    """Storage of a policy's prompt, without demonstrations."""
    return Remembered(
        {
            "state": torch.zeros(0, 1, spec.state),
            "action": torch.zeros(0, 1, spec.action),
            "progress": torch.zeros(0, 1),
        },
        axes={
            "state": "shot time _",
            "action": "shot time _",
            "progress": "shot time",
        },
    )
