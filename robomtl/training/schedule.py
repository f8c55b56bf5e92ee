"""Learning rate schedules."""

import math

from robomtl.training.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of a step, counted from 0.

    ``cosine`` decays from the peak to 0 along half a cosine; ``warmup_cosine`` first rises
    to the peak linearly over the warm-up.
    """
    if config.schedule == "constant":
        return config.learning_rate
    warmup = config.schedule == "warmup_cosine"
    rise = config.warmup_fraction * config.steps if warmup else 0.0
    if step < rise:
        return config.learning_rate * (step + 1) / (rise + 1)
    fraction = (step - rise) / max(config.steps - rise, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction))
