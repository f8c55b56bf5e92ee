"""Random inputs of a policy, for checks of its behaviour."""

import torch

from robomtl.policy import EMBODIMENT, Batch
from robomtl.spec import Spec

ROWS = 6
"""Usual number of samples of a random batch."""
_LETTER = 97.0  # The code of "a".


def random_batch(spec: Spec, chunk: int, *, seed: int = 0, rows: int = ROWS) -> Batch:
    """A random batch for a specification; the same seed gives the same batch.

    The samples belong to the robots and the tasks in turn.

    Args:
        spec: Features, task embedding and actions of the batch.
        chunk: Number of actions of a sample.
        seed: Seed of the draws.
        rows: Number of samples.
    """
    generator = torch.Generator().manual_seed(seed)
    time = (spec.history,) if spec.history > 1 else ()
    observation = {
        name: torch.randn(rows, *time, size, generator=generator)
        for name, size in spec.states.items()
    }
    shapes = {name: (*time, *each.shape) for name, each in spec.images.items()}
    shapes |= {name: each.shape for name, each in spec.goals.items()}
    for name, shape in shapes.items():
        observation[name] = torch.randint(
            256, (rows, *shape), generator=generator, dtype=torch.uint8
        )
    if len(spec.embodiments) > 1:
        observation[EMBODIMENT] = torch.arange(rows) % len(spec.embodiments)
    task_embedding = torch.randn(rows, spec.embedding, generator=generator)
    task_embedding[:, : spec.text] = _LETTER
    return Batch(
        observation=observation,
        action=torch.rand(rows, chunk, spec.action, generator=generator) * 2 - 1,
        mask=torch.ones(rows, chunk),
        task_embedding=task_embedding,
        task=torch.arange(rows) % spec.tasks,
    )
