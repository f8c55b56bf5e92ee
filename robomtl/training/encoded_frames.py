"""Frames with the feature maps of a frozen encoder in place of their images.

The output of a frozen backbone for an image never changes, and its computation takes most
of a step: it is computed once for each frame, in half precision, and kept in the cache
beside the decoded images, or in memory if the frames are there. The layers after the
backbone are trained as if the policy read the images.
"""

import hashlib
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robomtl.demonstrations.frame_file import VECTORS, Records, file_of
from robomtl.demonstrations.layout import observed
from robomtl.errors import InputError
from robomtl.files.cache import entry
from robomtl.layers.pretrained_encoder import PretrainedEncoder
from robomtl.policy import Policy
from robomtl.progress import progress
from robomtl.training.config import TrainConfig
from robomtl.training.frames import Frames, Resident
from robomtl.training.image_augmentation import ImageAugmentation
from robomtl.training.objective import Material
from robomtl.training.recorded import Stored

_FORMAT = 1  # Version of the cached maps; raise it if images are encoded differently.
_ROWS = 128  # Images that are encoded at once.


@dataclass(frozen=True, kw_only=True)
class StoredMaps(Stored):
    """Rows of frames in a file, with feature maps in place of images; see ``Table``."""

    maps: Records
    """Bytes of the feature maps in half precision, by the names of the images."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """See ``Table``."""
        observation, action = super().read(rows)
        first = rows[..., 0].cpu()
        one = np.ones(first.numel(), np.int64)
        for name in self.maps.images:
            read = self.maps.pictures(name, first.flatten().numpy(), one)
            maps = torch.from_numpy(read.view(np.float16))
            shape = (*first.shape, *maps.shape[1:])
            observation[name] = maps.view(shape).to(self.device)
        return observation, action


def encoded_once(material: Material, policy: Policy, config: TrainConfig) -> Material:
    """The material with frozen encoders' feature maps in place of its images.

    The material is returned as it is if no encoder is frozen, images are augmented or show
    goals, or the data are a mixture of data sets.

    Args:
        material: Data of training or validation.
        policy: Policy with the encoders and their weights.
        config: Settings of the run.

    Raises:
        InputError: If the disk has too little space; the message says how much is needed.
    """
    varied = config.image_augmentation != ImageAugmentation()
    if not config.vision.frozen or varied or policy.spec.goal_image:
        return material
    encoders = {name: _backbone(policy, name) for name in policy.spec.images}
    frames = material.frames
    if isinstance(frames.table, Resident):
        return replace(material, frames=_in_memory(frames, frames.table, encoders))
    if isinstance(frames.table, Stored):
        return replace(material, frames=_in_file(frames, frames.table, encoders))
    return material


def _backbone(policy: Policy, name: str) -> PretrainedEncoder:
    encoder = policy.observer.encoder(name)
    assert isinstance(encoder, PretrainedEncoder)
    return encoder


def _in_memory(
    frames: Frames, table: Resident, encoders: Mapping[str, PretrainedEncoder]
) -> Frames:
    maps = {}
    for name, encoder in encoders.items():
        parts = torch.split(table.observation[name], _ROWS)
        maps[name] = torch.cat([_encoded(encoder, part) for part in parts])
    made = replace(table, observation={**table.observation, **maps})
    return replace(frames, table=made)


def _in_file(
    frames: Frames, table: Stored, encoders: Mapping[str, PretrainedEncoder]
) -> Frames:
    records = table.records
    columns = {feature: name for name, feature in observed(records.images).items()}
    images = {name: records.images[columns[name]] for name in encoders}
    shapes = {
        name: _shape(encoder, images[name], table.device)
        for name, encoder in encoders.items()
    }

    def store(new: Path) -> None:
        (new / file_of(VECTORS)).touch()
        _check_room(new, records, shapes)
        for name, encoder in encoders.items():
            _store(new / file_of(name), records, columns[name], encoder, table.device)

    kept = entry(
        "encoded",
        f"{records.folder}+{'+'.join(encoders)}",
        [_FORMAT, *map(_identity, encoders.values())],
        make=store,
    )
    maps = Records(folder=kept, frames=records.frames, sizes={}, images=shapes)
    vectors = replace(records, images={})
    stored = StoredMaps(records=vectors, device=table.device, maps=maps)
    return replace(frames, table=stored)


def _store(
    path: Path,
    records: Records,
    column: str,
    encoder: PretrainedEncoder,
    device: torch.device,
) -> None:
    """Writes the feature maps of all images of a camera."""
    title = f"Encoding {column} once"
    with path.open("wb") as file, progress(title, records.frames) as advance:
        for first in range(0, records.frames, _ROWS):
            count = min(_ROWS, records.frames - first)
            run = np.array([first]), np.array([count])
            images = torch.from_numpy(records.pictures(column, *run)).to(device)
            file.write(_encoded(encoder, images).cpu().numpy().data)
            advance(count)


def _check_room(
    new: Path, records: Records, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    size = records.frames * sum(map(math.prod, shapes.values()))
    free = shutil.disk_usage(new).free
    if size > free:
        raise InputError(
            f"The frozen encoder's maps of {records.frames:,} frames take {size:,} bytes,"
            f" and {new.parent} has {free:,} free; set ROBOMTL_CACHE to a folder with"
            " more."
        )


@torch.no_grad()
def _encoded(encoder: PretrainedEncoder, images: Tensor) -> Tensor:
    """Feature maps in half precision; (image, width, height, channels of the map)."""
    return encoder.represent(images).half().contiguous()


def _shape(
    encoder: PretrainedEncoder, image: tuple[int, ...], device: torch.device
) -> tuple[int, ...]:
    """Shape of one feature map as bytes: (width, height, bytes of its channels)."""
    blank = torch.zeros(1, *image, dtype=torch.uint8, device=device)
    *sides, columns = _encoded(encoder, blank).shape[1:]
    return (*sides, columns * torch.float16.itemsize)


def _identity(encoder: PretrainedEncoder) -> list[str]:
    """Identity of an encoder: the name of its network, and a digest of its weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.backbone.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return [encoder.vision.encoder, digest.hexdigest()]
