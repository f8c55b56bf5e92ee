"""Features of a policy on recorded frames, for a linear probe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.acting.actor import TaskInfo
from robomtl.action_head import HeadPolicy
from robomtl.adaptation.meta.gradient import material_of
from robomtl.checkpoint import TrainedPolicy, build, configure_objective
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.execution.locks import GENERATOR
from robomtl.features import STATE
from robomtl.layers.pretrained_encoder import load_weights
from robomtl.policy import Batch, Policy
from robomtl.pretraining.language_alignment import Aligner, LanguageAlignment
from robomtl.training.objective import Material
from robomtl.training.samples import gather

_ROWS = 256  # Frames per forward pass.

PICTURES, FEATURES = "pictures", "features"
"""Layers that are probed: the encoded pictures, and the input of the action head."""


class FrameFeatures(NamedTuple):
    """Features and states of frames, in the order of their episodes."""

    layers: Mapping[str, NDArray[np.float32]]
    """Features by layer; (frame, feature)."""
    state: NDArray[np.float32]
    """State of each frame; (frame, state)."""
    episode: NDArray[np.int64]
    """Index of the episode of each frame; (frame,)."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A policy and the episodes on which it is probed."""

    policy: Policy
    """The policy whose features are read."""
    conditioning: Conditioning
    """Conditioning of the policy on the tasks of the episodes."""
    material: Material
    """The frames of the episodes."""


def episodes_for(trained: TrainedPolicy, path: Path) -> Demonstrations:
    """The successful episodes of a data set, with the observations that a policy reads.

    Raises:
        InputError: If the policy has no action head, or serves several robots; or if the
            data set lacks an observation that it reads, or has other tasks than its
            one-hot codes.
    """
    card = trained.card
    if not isinstance(trained.policy, HeadPolicy):
        raise InputError(
            f"A policy '{card.policy}' has no features apart from its actions; probe"
            " film, mlp or another that ends in an action head."
        )
    robot, *others = card.spec.embodiments
    if others:
        raise InputError(
            f"A policy of {1 + len(others)} robots has separate features for each; probe a"
            " policy of one robot."
        )
    read = Demonstrations(path, observe=sorted(robot.observation))
    card.spec.serving(read.embodiment)
    if "one_hot" in card.conditioning.kinds and read.tasks != card.conditioning.tasks:
        raise InputError(
            f"The policy is conditioned on a one-hot code of {card.suite or 'its tasks'},"
            f" and {path} has others; give data of the same tasks."
        )
    return read.succeeded()


def subject_of(trained: TrainedPolicy, episodes: Demonstrations) -> Subject:
    """A policy with the episodes of a data set; see ``episodes_for``."""
    material = material_of(trained.policy, episodes, trained.card.conditioning)
    return Subject(
        policy=trained.policy, conditioning=material.conditioning, material=material
    )


def initialised(trained: TrainedPolicy, seed: int) -> Policy:
    """The policy at initialisation by a seed, with the trained policy's normaliser."""
    with GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = build(trained.card)
    if trained.card.spec.vision.weights:
        load_weights(made.observer.images, trained.card.spec.vision)
    made.normaliser.load_state_dict(trained.policy.normaliser.state_dict())
    return made.eval().requires_grad_(False)


def read_frames(subject: Subject, stride: int) -> FrameFeatures:
    """Features of every n-th frame of all episodes, under the canonical instructions.

    Args:
        subject: The policy and its episodes.
        stride: Steps n between two frames of an episode.
    """
    spans = subject.material.frames.episodes
    lengths = [range(0, int(length), stride) for length in spans.length]
    rows = torch.cat(
        [
            int(first) + torch.tensor(own)
            for first, own in zip(spans.start, lengths, strict=True)
        ]
    )
    counts = torch.tensor([len(own) for own in lengths])
    parts: dict[str, list[Tensor]] = {}
    for batch in _batches(subject, rows):
        for name, values in _encoded(subject.policy, batch).items():
            parts.setdefault(name, []).append(values)
    read = {name: torch.cat(some).numpy() for name, some in parts.items()}
    episode = torch.arange(len(counts)).repeat_interleave(counts)
    return FrameFeatures(
        layers={name: read[name] for name in (PICTURES, FEATURES) if name in read},
        state=read[STATE],
        episode=episode.numpy(),
    )


def trajectories(subject: Subject, objective: LanguageAlignment) -> Tensor:
    """Embedding h of every episode, see ``language_alignment``; (episode, size).

    All episodes are read under the same instruction, so that it does not reveal the task.
    """
    spans = subject.material.frames.episodes
    aligner = cast(Aligner, subject.policy.meta)
    times = objective.times(spans.length, torch.Generator())
    rows = (spans.start[:, None] + times).flatten()
    features = []
    for batch in _batches(subject, rows, instructed=0):
        with torch.inference_mode():
            features.append(subject.policy(batch.observation, batch.task_embedding))
    clips = torch.cat(features).float().view(*times.shape, -1)
    with torch.inference_mode():
        return aligner.trajectories(clips)


def texts(subject: Subject, sentences: Sequence[tuple[str, str]]) -> Tensor:
    """Embedding g of instructions, given as (task, sentence); (sentence, size)."""
    fixed = subject.conditioning.fixed([TaskInfo(*each) for each in sentences])
    table, first = subject.material.frames.table, torch.zeros(len(fixed), 1).long()
    state = torch.zeros_like(table.read(first)[0][STATE])  # Hides the goal.
    with torch.inference_mode():
        embedding = subject.conditioning.embedding(fixed, state)
        aligner = cast(Aligner, subject.policy.meta)
        return aligner.instructions(subject.policy, embedding)


def aligned_by(trained: TrainedPolicy) -> LanguageAlignment | None:
    """The language-alignment objective of a policy; None if trained with another one."""
    card = trained.card
    made = configure_objective(card.objective, card.objective_config)
    return made if isinstance(made, LanguageAlignment) else None


def _batches(
    subject: Subject, rows: Tensor, instructed: int | None = None
) -> Iterator[Batch]:
    """Batches of frames, each under its own task's instruction or all under one task's."""
    material, frames = subject.material, subject.material.frames
    for block in torch.split(rows, _ROWS):
        task = frames.episodes.task[frames.episode(block)]
        given = task if instructed is None else torch.full_like(task, instructed)
        fixed = material.wordings.canonical(given)
        yield gather(frames, block, fixed, material.conditioning, material.chunk)


@torch.inference_mode()
def _encoded(policy: Policy, batch: Batch) -> dict[str, Tensor]:
    """Features of each layer, and the state at the current step."""
    with policy.observer.watched() as encoded:
        features = policy(batch.observation, batch.task_embedding)
    pictures = [each.reshape(len(features), -1) for _, each in sorted(encoded.items())]
    state = batch.observation[STATE]
    return {
        STATE: state[:, -1] if state.ndim > 2 else state,
        FEATURES: features.float(),
        **({PICTURES: torch.cat(pictures, dim=-1).float()} if pictures else {}),
    }
