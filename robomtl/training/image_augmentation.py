"""Augmentation of images: random shifts and colour jitter, in training only.

Sources: random shift by padding and cropping is that of DrQ (Kostrikov et al. 2021,
arXiv:2004.13649, section 3.1); colours are jittered as in SimCLR (Chen et al. 2020,
arXiv:2002.05709, appendix A), with one strength c:

    brightness  x := b x,               b in [1 - c, 1 + c]
    contrast    x := m + k (x - m),     k in [1 - c, 1 + c], m the image's mean grey
    saturation  x := g + s (x - g),     s in [1 - c, 1 + c], g the pixel's grey
    hue         x := R(a) x,            a in [-c, c] of a tenth of a turn

Departures:

1. All frames of a history change in the same way, as a camera does not move within one.
2. Hue rotates colours about the grey axis of YIQ, not in HSV: the four changes are then
   one matrix product for each image, and always in this order.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Generator, Tensor

from robomtl.errors import InputError
from robomtl.policy import Batch, Spec
from robomtl.ranges import check_not_negative, check_types, settings

_GREY = (0.299, 0.587, 0.114)
_YIQ = (_GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
_TURN = 2 * math.pi / 10  # Largest rotation of hue at c = 1, in either direction [rad].


@settings
@dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """Augmentation of images in training; off by default, and never used in evaluation."""

    shift: int = 0
    """Largest random shift of images along each axis, with the border repeated [px]; 0 for
    none."""
    colour: float = 0.0
    """Largest random change of brightness, contrast and saturation in either direction, as
    a fraction; hue changes by up to a tenth of it, in turns. 0 for none."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_not_negative(self, "shift")
        if not 0 <= self.colour <= 1:
            raise InputError(f"colour is {self.colour}; give 0 to 1.")


def check_images(augmentation: ImageAugmentation, spec: Spec, objective: str) -> None:
    """Checks that the policy and the objective use the augmentation of images.

    Args:
        augmentation: Settings of the augmentation.
        spec: Observations and sizes of the policy.
        objective: Registered name of the objective.

    Raises:
        InputError: If there are no images, they are too small for the shift, or the
            objective is not ``cloning``.
    """
    if augmentation == ImageAugmentation():
        return
    if not spec.images or objective != "cloning":
        reason = f"the objective is {objective}" if spec.images else "none are observed"
        raise InputError(
            f"image_augmentation changes images for the objective cloning, and {reason};"
            " leave it out."
        )
    for name, feature in spec.images.items():
        least = min(feature.shape[:2])
        if 2 * augmentation.shift >= least:
            raise InputError(
                f"image_augmentation.shift is {augmentation.shift}, and images of '{name}'"
                f" have {least} px; give less than {(least + 1) // 2}."
            )


def augmented(
    batch: Batch,
    augmentation: ImageAugmentation,
    generator: Generator,
    *,
    samples: slice,
    of: int,
) -> Batch:
    """The batch with its images shifted and recoloured.

    Args:
        batch: Batch with images in uint8; (batch, …, height, width, 3).
        augmentation: Settings of the augmentation.
        generator: Generator of the draws, which do not depend on the images' device.
        samples: Indices of the batch within the whole batch.
        of: Samples in the whole batch, for all of which numbers are drawn.
    """
    changed = dict(batch.observation)
    for name, image in sorted(batch.observation.items()):
        if image.dtype != torch.uint8:
            continue
        draws = torch.rand(6, of, generator=generator, device=generator.device)
        draws = draws[:, samples].to(image.device)
        if augmentation.shift:
            span = 2 * augmentation.shift + 1
            offset = (draws[:2] * span).long() - augmentation.shift
            image = shifted(image, offset, augmentation.shift)
        if augmentation.colour:
            image = recoloured(image, (2 * draws[2:] - 1) * augmentation.colour)
        changed[name] = image
    return batch._replace(observation=changed)


def shifted(image: Tensor, offset: Tensor, max_shift: int) -> Tensor:
    """Images shifted by whole pixels, with their border repeated.

    Args:
        image: Images; (batch, …, height, width, 3).
        offset: Row and column of the image at which the new one begins; (2, batch).
        max_shift: Largest offset in either direction [px].
    """
    flat, times = _flat(image)
    count, height, width, _ = flat.shape
    down, right = repeat(offset, "two batch -> two (batch time) 1", time=times)
    first, last = (
        each.expand(-1, -1, max_shift, -1) for each in (flat[:, :, :1], flat[:, :, -1:])
    )
    padded = torch.cat([first, flat, last], dim=2).flatten()
    # A view of every run of pixels as long as a row, so that whole rows are copied.
    runs = padded.as_strided((padded.numel() // 3 - width + 1, 3 * width), (3, 1))
    row = (down + torch.arange(height, device=image.device)).clamp(0, height - 1)
    sample = torch.arange(count, device=image.device)[:, None]
    start = (sample * height + row) * (width + 2 * max_shift) + right + max_shift
    return runs.index_select(0, start.flatten()).view(image.shape)


def recoloured(image: Tensor, change: Tensor) -> Tensor:
    """Images with changed brightness, contrast, saturation and hue; see the module.

    Args:
        image: Images in uint8; (batch, …, height, width, 3).
        change: Changes b - 1, k - 1, s - 1 and a, each within [-1, 1]; (4, batch).
    """
    flat, times = _flat(image)
    grey = torch.tensor(_GREY, device=image.device)
    change = repeat(change, "kind batch -> kind (batch time) 1 1", time=times)
    brightness, contrast, saturation = 1 + change[:3]
    towards_grey = grey.expand(3, 3)
    identity = torch.eye(3, device=image.device)
    matrix = _turned(change[3] * _TURN) @ (
        towards_grey + saturation * (identity - towards_grey)
    )
    pixels = rearrange(flat, "image h w rgb -> image (h w) rgb").float()
    mean = (pixels.mean(1) @ grey)[:, None] * brightness[:, 0]  # (image, 1)
    offset = (1 - contrast[:, 0]) * mean
    matrix = matrix * contrast * brightness
    changed = torch.bmm(pixels, matrix.mT.contiguous()).add_(offset[..., None])
    return changed.round_().clamp_(0, 255).to(torch.uint8).view(image.shape)


def _turned(angle: Tensor) -> Tensor:
    """Matrix that rotates colours about the grey axis; (image, 3, 3).

    Args:
        angle: Angle of rotation [rad]; (image, 1, 1).
    """
    basis = torch.tensor(_YIQ, device=angle.device)
    turn = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    cosine, sine = angle[:, 0, 0].cos(), angle[:, 0, 0].sin()
    turn[:, 1, 1], turn[:, 1, 2] = cosine, -sine
    turn[:, 2, 1], turn[:, 2, 2] = sine, cosine
    turned: Tensor = torch.linalg.inv(basis) @ turn @ basis
    return turned


def _flat(image: Tensor) -> tuple[Tensor, int]:
    """Images with the axes of batch and time merged, and the number of times."""
    flat = image.flatten(0, -4)
    return flat, len(flat) // len(image)
