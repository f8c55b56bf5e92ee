"""Measures the time that a policy takes to predict the actions of one trial."""

import time
from statistics import median

import numpy as np
import torch

from robomtl.acting.policy_episodes import empty_features, tensors
from robomtl.checkpoint import TrainedPolicy
from robomtl.execution.locks import GENERATOR
from robomtl.policy import EMBODIMENT, Memory
from robomtl.policy_contract import actions_of

_WARM_UP, _CALLS = 3, 20


@torch.inference_mode()
def act_seconds(trained: TrainedPolicy) -> float:
    """Time of a prediction for one trial, with the threads of this process [s].

    The median over ``_CALLS`` predictions on observations of zeros, after a warm-up.
    """
    spec = trained.card.spec
    features = empty_features(spec, 1)
    if spec.history > 1:
        features = {
            name: np.repeat(value[:, None], spec.history, axis=1)
            for name, value in features.items()
        }
    observation = tensors(features)
    if len(spec.embodiments) > 1:
        observation[EMBODIMENT] = torch.zeros(1, dtype=torch.long)
    task_embedding, times = torch.zeros(1, spec.embedding), list[float]()
    memory: Memory | None = None
    with GENERATOR, torch.random.fork_rng(devices=[]):
        for _ in range(_WARM_UP + _CALLS):
            before = time.perf_counter()
            _, memory = actions_of(trained.policy, observation, task_embedding, memory)
            times.append(time.perf_counter() - before)
    return median(times[_WARM_UP:])
