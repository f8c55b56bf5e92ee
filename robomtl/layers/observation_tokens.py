"""Tokenisation of observations, for transformer policies.

Each state feature becomes one token, and each image a few: a TokenLearner reduces the
positions of the image encoder's map.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from robomtl.layers.initial_projections import copy_first_of_kind
from robomtl.layers.observer import EMBODIMENT, Observer, goals_shown
from robomtl.layers.token_learner import TokenLearner, positional_encoding
from robomtl.policy import Policy
from robomtl.spec import Spec


class Tokens(NamedTuple):
    """Tokens of a batch with a mask of those that are present."""

    values: Tensor
    """The tokens; (batch, ..., token, width)."""
    present: Tensor
    """False for absent tokens, which are masked in attention; (batch, token)."""


class ImageTokens(nn.Module):
    """Reduces the map of an image encoder to a few tokens.

    Args:
        encoded: Channels of the map.
        count: Number of positions of the map.
        tokens: Number of tokens to return.
        width: Length of a token.
    """

    def __init__(self, encoded: int, count: int, tokens: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(encoded, width)
        self.position = nn.Parameter(positional_encoding(count, width))
        self.learner = TokenLearner(width, tokens)

    def forward(self, encoded: Tensor) -> Tensor:
        """Tokens of an image; (..., position, encoded) -> (..., token, width)."""
        tokens: Tensor = self.learner(self.project(encoded) + self.position)
        return tokens


class StateTokens(nn.Module):
    """Projects each state feature to one token.

    A feature of several robots has a separate projection for each robot, as each robot's
    values occupy separate positions; see ``robomtl.layers.observer``.

    Args:
        spec: Observation features of the robots.
        width: Length of a token.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self._sizes = [
            size for each in spec.embodiments for _, size in sorted(each.states.items())
        ]
        names = [
            name for each in spec.embodiments for name, _ in sorted(each.states.items())
        ]
        self._blocks = [
            [n for n, other in enumerate(names) if other == name]
            for name in spec.states
        ]
        layers = []
        for block in self._blocks:
            sizes = [self._sizes[number] for number in block]
            layers.append(nn.Linear(sum(sizes), width))
            copy_first_of_kind(layers[-1].weight, sizes, kinds=sizes)
        self.project = nn.ModuleList(layers)

    def forward(self, spread: Tensor) -> Tensor:
        """One token for each state feature; (..., token, width).

        Args:
            spread: Standardised state features of all robots, concatenated, with zeros at
                the positions of other robots; (..., spread).
        """
        parts = torch.split(spread, self._sizes, dim=-1)
        tokens = [
            project(torch.cat([parts[number] for number in block], dim=-1))
            for project, block in zip(self.project, self._blocks, strict=True)
        ]
        return torch.stack(tokens, dim=-2)


class ObservationTokens(nn.Module):
    """Tokenises observations: state features, then images, in the order of the spec.

    Args:
        spec: Observation features of the robots.
        observer: Owner of the image encoders.
        width: Length of a token.
        image_tokens: Number of tokens of an image.
    """

    def __init__(
        self, spec: Spec, observer: Observer, *, width: int, image_tokens: int
    ) -> None:
        super().__init__()
        self.count = len(spec.states) + image_tokens * len(spec.images)
        """Number of tokens of one observation."""
        self.states = StateTokens(spec, width) if spec.states else None
        self.images = nn.ModuleList()
        for name, feature in spec.images.items():
            encoder = observer.encoder(name)
            blank = torch.zeros(1, *feature.shape, dtype=torch.uint8)
            with torch.no_grad():
                count = encoder.tokens(blank).shape[1]
            self.images.append(ImageTokens(encoder.width, count, image_tokens, width))
        self.robot = nn.Embedding(len(spec.embodiments), width)
        nn.init.normal_(self.robot.weight, std=0.02)
        self.token_mask: Tensor
        self.register_buffer(
            "token_mask", _token_mask(spec, image_tokens), persistent=False
        )
        self.state_mask: Tensor
        self.register_buffer("state_mask", _state_mask(spec), persistent=False)

    def forward(
        self,
        observation: Mapping[str, Tensor],
        spread: Tensor,
        images: Mapping[str, Tensor],
    ) -> Tokens:
        """Tokens of every observation of the history.

        Args:
            observation: Observation with the indices of the robots; see
                ``Batch.observation``.
            spread: Standardised state features; (batch, time, spread).
            images: Maps of the images by name, in the order of the spec; (batch, time,
                position, encoded).

        Returns:
            Tokens with values of shape (batch, time, token, width).
        """
        robot = observation.get(EMBODIMENT)
        if robot is None:
            robot = torch.zeros(len(spread), dtype=torch.long, device=spread.device)
        parts = []
        if self.states is not None:
            parts.append(self.states(spread * self.state_mask[robot][:, None]))
        for tokens, encoded in zip(self.images, images.values(), strict=True):
            parts.append(tokens(encoded))
        values = torch.cat(parts, dim=-2) + self.robot(robot)[:, None, None]
        return Tokens(values, self.token_mask[robot])


class GoalTokens(nn.Module):
    """Tokenises goal images by the layers that tokenise the observed images.

    Args:
        spec: Observation features of the robots.
        width: Length of a token.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self._spec = spec
        self.camera = nn.Parameter(0.02 * torch.randn(len(spec.goals), 1, width))

    def forward(
        self,
        observation: Mapping[str, Tensor],
        images: Mapping[str, Tensor],
        stem: ObservationTokens,
    ) -> Tokens:
        """Tokens of each camera's goal image; those of withheld images are absent.

        Args:
            observation: Observation with the goal images; see ``Batch.observation``.
            images: Maps of the goal images, in the order of the spec; (batch, position,
                encoded).
            stem: Tokeniser of the observation, whose image layers are used.

        Returns:
            Tokens with values of shape (batch, token, width).
        """
        parts = [
            tokens(encoded) + camera
            for tokens, encoded, camera in zip(
                stem.images, images.values(), self.camera, strict=True
            )
        ]
        values = torch.cat(parts, dim=1)
        shown = torch.stack([*goals_shown(self._spec, observation).values()], dim=1)
        return Tokens(values, shown.repeat_interleave(parts[0].shape[1], dim=1))


class TaskConditioned(Protocol):
    """A policy that reads its conditioning as tokens."""

    goals: GoalTokens | None
    stem: ObservationTokens
    observer: Observer

    @property
    def encoder(self) -> nn.Module:
        """Encoder of the task embedding to one token."""
        ...


def task_tokens(
    policy: TaskConditioned, observation: Mapping[str, Tensor], task_embedding: Tensor
) -> Tokens:
    """Conditioning of a policy as tokens: one of the task embedding, then goal images.

    Args:
        policy: Policy whose encoders are used.
        observation: Observation with the goal images; see ``Batch.observation``.
        task_embedding: (batch, embedding); rows of zeros give an absent token.
    """
    task = policy.encoder(task_embedding)[:, None]
    conditioned = (task_embedding != 0).any(-1, keepdim=True)
    if policy.goals is None:
        return Tokens(task, conditioned)
    images = policy.observer.goal_tokens(observation, task_embedding)
    goals: Tokens = policy.goals(observation, images, policy.stem)
    return Tokens(
        torch.cat([task, goals.values], dim=1),
        torch.cat([conditioned, goals.present], dim=1),
    )


def observation_tokens(
    policy: Policy,
    tokens: ObservationTokens,
    observation: Mapping[str, Tensor],
    task_embedding: Tensor,
) -> Tokens:
    """Observations as tokens with values of shape (batch, time, token, width).

    Args:
        policy: Policy whose normaliser and image encoders are used.
        tokens: Tokeniser of the policy's observations.
        observation: See ``Batch.observation``.
        task_embedding: Task embedding that modulates image encoders; (batch, embedding).
    """
    spread = policy.normaliser(policy.observer.spread(observation))
    images = policy.observer.tokens(observation, task_embedding)
    if policy.spec.history == 1:
        spread = spread[:, None]
        images = {name: each[:, None] for name, each in images.items()}
    observed: Tokens = tokens(observation, spread, images)
    return observed


def _token_mask(spec: Spec, image_tokens: int) -> Tensor:
    """True for the tokens that a robot has; (robot, token)."""
    rows = [
        [name in robot.states for name in spec.states]
        + [name in robot.images for name in spec.images for _ in range(image_tokens)]
        for robot in spec.embodiments
    ]
    return torch.tensor(rows)


def _state_mask(spec: Spec) -> Tensor:
    """1 at the positions of a robot's state features, 0 elsewhere; (robot, spread)."""
    mask = torch.zeros(len(spec.embodiments), spec.state_slices[-1].stop)
    for robot, columns in enumerate(spec.state_slices):
        mask[robot, columns] = 1
    return mask
