"""Concatenate the observations of different robots to one vector that a network reads.

The state features of each robot occupy separate positions; those of the other robots are
zero. Image features, a one-hot code of the robot and the features of goal images follow.
The first linear layer that reads this vector is therefore a separate projection for each
robot into shared features. For a single robot there is no one-hot code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.image_encoder import TASK_WIDTH, ImageEncoder, encoder_class
from robomtl.layers.task_layer import task_layer
from robomtl.layers.vision import Vision
from robomtl.spec import GOAL, Spec

EMBODIMENT = "embodiment"
"""Key of an observation for the index of the robot; (batch,)."""


class Observer(nn.Module):
    """Encodes the images of an observation and joins its features to one vector.

    Args:
        spec: Observation features of the robots.

    Raises:
        InputError: If the image encoder is unknown or cannot read the images.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self._spec = spec
        self.images = nn.ModuleDict(_encoders(spec))
        self.task: nn.Module | None = None
        encoders = map(_encoder, self.images.values())
        embedded = spec.vision.film and not spec.text
        if embedded and any(each.conditioned for each in encoders):
            self.task = nn.Sequential(
                task_layer(spec.embedding, TASK_WIDTH),
                nn.LayerNorm(TASK_WIDTH),
                nn.GELU(),
            )
        self.component_mask: Tensor | None
        self.register_buffer("component_mask", _component_mask(spec), persistent=False)
        self._watched: dict[str, Tensor] | None = None

    @contextmanager
    def watched(self) -> Iterator[dict[str, Tensor]]:
        """Context manager that records the image encodings computed within the block.

        Yields:
            Encodings by the name of the image feature, in the shapes in which ``joined``
            or ``tokens`` computes them.
        """
        encodings: dict[str, Tensor] = {}
        self._watched = encodings
        try:
            yield encodings
        finally:
            self._watched = None

    def spread(self, observation: Mapping[str, Tensor]) -> Tensor:
        """State features of all robots, concatenated; (…, spread).

        Args:
            observation: See ``Batch.observation``.
        """
        parts = [
            observation[name][..., :size]
            for each in self._spec.embodiments
            for name, size in sorted(each.states.items())
        ]
        if not parts:
            image = observation[next(iter(self._spec.images))]
            return image.new_zeros(*image.shape[:-3], 0, dtype=torch.float)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def joined(
        self,
        observation: Mapping[str, Tensor],
        spread: Tensor,
        task_embedding: Tensor | None = None,
    ) -> Tensor:
        """Vector that a network reads; (batch, ``spec.inputs``).

        Args:
            observation: See ``Batch.observation``.
            spread: Result of ``spread`` for this observation, standardised.
            task_embedding: Task embedding that modulates image encoders; (batch,
                embedding).
        """
        parts = [spread]
        task = self._task(task_embedding)
        for name in self._spec.images:
            image = observation[name]
            encoded = self.encoder(name)(*_flat(image, task))
            parts.append(self._kept(name, encoded.view(*image.shape[:-3], -1)))
        if self.component_mask is not None:
            parts = self._masked(parts, self.component_mask[observation[EMBODIMENT]])
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        if self._spec.history > 1:
            joined = rearrange(joined, "batch time x -> batch (time x)")
        if self.component_mask is not None:
            robots = len(self._spec.embodiments)
            code = functional.one_hot(observation[EMBODIMENT], robots)
            joined = torch.cat([joined, code.to(joined.dtype)], dim=-1)
        goals = [
            self.encoder(_camera(name))(observation[name], task) * shown[:, None]
            for name, shown in goals_shown(self._spec, observation).items()
        ]
        return torch.cat([joined, *goals], dim=-1) if goals else joined

    def tokens(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Image tokens, for policies that attend to them.

        Args:
            observation: See ``Batch.observation``.
            task_embedding: Task embedding that modulates image encoders; (batch,
                embedding).

        Returns:
            Tokens by the name of the image feature, (batch, token, width of the encoder);
            with a history, (batch, time, token, width of the encoder).
        """
        task = self._task(task_embedding)
        images = {}
        for name in self._spec.images:
            image = observation[name]
            tokens = self.encoder(name).tokens(*_flat(image, task))
            tokens = tokens.view(*image.shape[:-3], *tokens.shape[1:])
            images[name] = self._kept(name, tokens)
        return images

    def goal_tokens(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Tokens of the goal images; see ``tokens``.

        Returns:
            Tokens by the name of the goal image, (batch, token, width of the encoder).
        """
        task = self._task(task_embedding)
        return {
            name: self.encoder(_camera(name)).tokens(observation[name], task)
            for name in self._spec.goals
        }

    def encoder(self, name: str) -> ImageEncoder:
        """The encoder of an image feature."""
        return _encoder(
            self.images[_SHARED if self._spec.vision.shared else _key(name)]
        )

    def _kept(self, name: str, encoded: Tensor) -> Tensor:
        """Records the encoding of an image within ``watched`` and returns it."""
        if self._watched is not None:
            self._watched[name] = encoded
        return encoded

    def _task(self, task_embedding: Tensor | None) -> Tensor | None:
        """Encoded task, (batch, ``TASK_WIDTH``); None if no encoder is modulated."""
        if self.task is None or task_embedding is None:
            return None
        task: Tensor = self.task(task_embedding)
        return task

    def _masked(self, parts: list[Tensor], mask: Tensor) -> list[Tensor]:
        if self._spec.history > 1:
            mask = mask[:, None]
        masks = torch.split(mask, [part.shape[-1] for part in parts], dim=-1)
        return [part * each for part, each in zip(parts, masks, strict=True)]


def goals_shown(spec: Spec, observation: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whether each goal image is given: withheld ones are black, all pixels 0.

    Args:
        spec: Spec of the policy.
        observation: See ``Batch.observation``.

    Returns:
        Mask by the name of the goal image; (batch,).
    """
    return {name: (observation[name] != 0).flatten(1).any(1) for name in spec.goals}


def _camera(goal: str) -> str:
    """Name of the observed image feature that corresponds to a goal image."""
    return goal.removeprefix(GOAL)


_SHARED = "shared"


def check_vision(spec: Spec) -> None:
    """Checks that the image encoder of a spec can read its images.

    Raises:
        InputError: If the encoder is unknown or cannot read an image, or a setting of
            ``vision`` does not fit the observed images.
    """
    vision = spec.vision
    if not spec.images:
        if vision != Vision():
            raise InputError(
                f"vision.encoder is '{vision.encoder}', but no images are observed; observe"
                " a camera, or leave the settings of vision out."
            )
        return
    kind = encoder_class(vision.encoder)
    for name, feature in spec.images.items():
        try:
            kind.check(vision, feature.shape)
        except InputError as error:
            raise InputError(
                f"The encoder '{vision.encoder}' cannot read '{name}': it {error}."
            ) from error
    shapes = {feature.shape for feature in spec.images.values()}
    if vision.shared and len(shapes) > 1:
        raise InputError(
            "vision.shared uses one encoder for all cameras, but their images differ in"
            f" size: {', '.join(f'{n} {it.shape}' for n, it in spec.images.items())};"
            " leave it out."
        )


def _encoders(spec: Spec) -> dict[str, ImageEncoder]:
    """Image encoders by module name: one shared, or one for each image feature."""
    images = spec.images
    if not images:
        return {}
    kind, vision = encoder_class(spec.vision.encoder), spec.vision
    if vision.shared:
        return {_SHARED: kind(vision, next(iter(images.values())).shape)}
    return {_key(name): kind(vision, it.shape) for name, it in images.items()}


def _key(name: str) -> str:
    """Module name of an image feature; module names must not contain dots."""
    return name.replace(".", "/")


def _encoder(module: nn.Module) -> ImageEncoder:
    assert isinstance(module, ImageEncoder)
    return module


def _component_mask(spec: Spec) -> Tensor | None:
    """1 for the components of the joined features that a robot has, 0 for others.

    Returns:
        (robot, component); None for a single robot.
    """
    if len(spec.embodiments) == 1:
        return None
    states = torch.zeros(len(spec.embodiments), spec.state_slices[-1].stop)
    for robot, columns in enumerate(spec.state_slices):
        states[robot, columns] = 1
    present = [[name in it.images for name in spec.images] for it in spec.embodiments]
    images = torch.tensor(present, dtype=torch.float).reshape(len(present), -1)
    encoded = images.repeat_interleave(spec.vision.features, dim=1)
    return torch.cat([states, encoded], dim=1)


def _flat(image: Tensor, task: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Images with batch and time flattened to one axis, and the task of each image."""
    if task is not None and image.ndim > 4:
        task = repeat(task, "batch x -> (batch time) x", time=image.shape[1])
    return image.flatten(0, -4), task
