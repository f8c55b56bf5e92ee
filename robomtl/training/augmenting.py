"""Draws of the random transforms that augment the samples of a batch."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from robomtl.geometry import Geometry
from robomtl.training.approach import approaches, from_elsewhere
from robomtl.training.augmentation import Augmentation
from robomtl.training.frames import Frames
from robomtl.training.state_layout import lay_out
from robomtl.training.transforms import Transform, rotations, signed_permutations


class Augmenter:
    """Draws transforms of the samples of some tasks.

    Args:
        augmentation: Settings of the transforms.
        geometry: Geometry of each task.
        state: Length of a state.
        action: Length of an action.
        device: Device of the samples.
        centre: Centre of rotation of each task, x and y; (task, 2). The origin if None.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        geometry: Sequence[Geometry],
        *,
        state: int,
        action: int,
        device: torch.device,
        centre: Tensor | None = None,
    ) -> None:
        self.augmentation, self._geometry = augmentation, geometry
        self._action, self._start = action, geometry[0].displacement
        self._dimensions = geometry[0].dimensions
        self._device, self._layout = device, lay_out(geometry, state, device)
        self._permutations = signed_permutations(self._dimensions).to(device)
        axes = self._layout.axes
        middle = torch.zeros(len(geometry), 2) if centre is None else centre
        self._centre = torch.bmm(middle.to(device)[:, None], axes)[:, 0]
        # About z x and y become cos x - sin y and cos y + sin x; y follows x.
        self._sense = axes[:, 1] - axes[:, 0]  # (task, state)
        self._paired = torch.arange(state, device=device) - self._sense.long()

    def draw(self, task: Tensor, generator: Generator) -> Transform:
        """Translation, rotation, mirroring and action space of samples or problems.

        Args:
            task: Index of the task of each; (sample,).
            generator: Generator of the draws.
        """
        draws = torch.rand(len(task), 4, generator=generator, device=generator.device)
        angle = self._angle(len(task), generator)
        task, draws = task.to(self._device), draws.to(self._device)
        made, changed = self.augmentation, self._changed(len(task), generator)
        mirrored, angle = (draws[:, 2] < made.mirror) & changed, angle * changed
        change = Transform(changed=changed)
        if made.translation:
            shift = made.translation * (2 * draws[:, None, :2] - 1)
            shift = shift * changed[:, None, None]
            axes = self._layout.axes.index_select(0, task)  # (sample, axis, state)
            change = replace(change, shift=torch.bmm(shift, axes)[:, 0])
        if made.rotation:
            change = replace(
                change,
                angle=angle[:, None] * self._sense.index_select(0, task),
                paired=self._paired.index_select(0, task),
                centre=self._centre.index_select(0, task),
            )
        if made.mirror:
            signs = self._layout.signs.index_select(0, task)
            change = replace(
                change,
                sign=torch.where(mirrored[:, None], signs, 1.0),
                positive=tuple(
                    (start, mask[task] & mirrored)
                    for start, mask in self._layout.positive
                ),
            )
        if made.mirror or made.rotation or made.action_space != "own":
            turn = self._turn(mirrored, angle, draws[:, 3])
            identity = torch.eye(self._action, device=self._device)
            turn = torch.where(changed[:, None, None], turn, identity)
            change = replace(change, turn=turn)
        return change

    def _changed(self, samples: int, generator: Generator) -> Tensor:
        """Whether each sample is augmented at all; bool, (sample,).

        Drawn only if ``fraction`` is below 1: other draws are then the same as without it.
        """
        if self.augmentation.fraction == 1:
            return torch.ones(samples, dtype=torch.bool, device=self._device)
        draw = torch.rand(samples, generator=generator, device=generator.device)
        return (draw < self.augmentation.fraction).to(self._device)

    def _angle(self, samples: int, generator: Generator) -> Tensor:
        """Rotation angle of each sample [rad]; (sample,).

        Drawn only if ``rotation`` is on: other draws are then the same as without it.
        """
        if not self.augmentation.rotation:
            return torch.zeros(samples, device=self._device)
        draw = torch.rand(samples, generator=generator, device=generator.device)
        largest = math.radians(self.augmentation.rotation)
        return (largest * (2 * draw - 1)).to(self._device)

    def singly(self, task: Tensor, generator: Generator) -> Transform:
        """Transforms of single frames, drawn independently of each other.

        Args:
            task: Index of the task of each; (sample,).
            generator: Generator of the draws.
        """
        return self.complete(self.draw(task, generator), task, generator)

    def complete(
        self, change: Transform, task: Tensor, generator: Generator
    ) -> Transform:
        """A transform completed by the draws of each sample: masks, new goals, starts.

        Args:
            change: Transform from ``draw``, one row for each sample.
            task: Index of the task of each; (sample,).
            generator: Generator of the draws.
        """
        made = self.augmentation
        if made.masking or made.relabelling:
            change = self._masked(change, task, generator)
        if made.approach:
            draw = torch.rand(
                len(task), 2, generator=generator, device=generator.device
            )
            start = made.approach * (2 * draw - 1).to(self._device)
            assert change.changed is not None
            start = start * change.changed[:, None]
            change = replace(change, start=start)
        return change

    def _masked(
        self, change: Transform, task: Tensor, generator: Generator
    ) -> Transform:
        """A transform completed by masks and new goals."""
        changed = change.changed
        assert changed is not None
        made, size = self.augmentation, 2 + self._layout.slots.shape[1]
        draws = torch.rand(
            len(task), size, generator=generator, device=generator.device
        )
        task, draws = task.to(self._device), draws.to(self._device)
        if made.masking:
            hidden = (draws[:, None, 2:] < made.masking).float()
            hidden = hidden * changed[:, None, None]
            slots = self._layout.slots.index_select(0, task)  # (sample, object, state)
            change = replace(change, keep=1 - torch.bmm(hidden, slots)[:, 0])
        if made.relabelling:
            relabelled = (draws[:, 0] < made.relabelling) & changed
            ahead = torch.where(relabelled, draws[:, 1], -1.0)
            achieved = self._layout.achieved.index_select(0, task)
            change = replace(change, ahead=ahead, achieved=achieved)
        return change

    def prepared(self, source: Frames) -> Frames:
        """Frames in memory, with the hand's path if it is to be rotated or warped."""
        source = source.resident()
        if not self.augmentation.approach and not self.augmentation.rotation:
            return source
        return replace(source, approach=approaches(source, self._geometry))

    def states(self, source: Frames, seed: int) -> Tensor:
        """States augmented as in training, except for new goals, to fit a normaliser on.

        Args:
            source: Frames from ``prepared``.
            seed: Seed of the draws.

        Returns:
            Shape (frame, state).
        """
        state = source.state
        generator = Generator(state.device).manual_seed(seed)
        change = self.singly(source.task, generator)
        if change.start is not None:
            frame = torch.arange(len(state), device=state.device)
            state, _ = from_elsewhere(source, frame[:, None], change.start)
        return change.state(state)

    def _turn(self, mirrored: Tensor, angle: Tensor, draw: Tensor) -> Tensor:
        """The matrix that multiplies each sample's actions; (sample, action, action)."""
        size, start = self._dimensions, self._start
        turn = torch.eye(self._action, device=draw.device).repeat(len(draw), 1, 1)
        displacement = turn[:, start : start + size, start : start + size]
        if self.augmentation.action_space == "permuted":
            index = (draw * len(self._permutations)).long()
            displacement[:] = self._permutations[index]
        if self.augmentation.action_space == "turned":
            displacement[:, :2, :2] = rotations(2 * math.pi * draw)
        if self.augmentation.action_space == "scaled":
            displacement *= torch.pow(2, 2 * draw - 1)[:, None, None]
        if self.augmentation.rotation:
            displacement[..., :2] = displacement[..., :2] @ rotations(angle)
        displacement[..., 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
        return turn
