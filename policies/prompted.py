"""A policy whose prompt is demonstrations of the task, which it keeps with its weights."""

import torch

from robomtl.action_head import HeadPolicy
from robomtl.layers.remembered import Remembered
from robomtl.policy import Context, Spec


class PromptedPolicy(HeadPolicy):
    """Acts under a prompt, the demonstrations that it remembers; empty at first."""

    remembered: Remembered

    def remember(self, context: Context) -> None:
        """Makes demonstrations of one task the prompt, in place of any earlier.

        Args:
            context: One task, all of whose shots are there.
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
        """The demonstrations of the prompt, as those of one task."""
        state, action, progress = (
            self.remembered[name][None] for name in ("state", "action", "progress")
        )
        shots = state.shape[:2]
        robot = torch.zeros(shots, dtype=torch.long, device=state.device)
        return Context(state, action, progress, state.new_ones(shots), robot)


def empty_prompt(spec: Spec) -> Remembered:
    """What a policy remembers before it is given a prompt."""
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
