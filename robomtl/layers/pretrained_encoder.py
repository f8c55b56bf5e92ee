"""Encoders of images that others trained, and their weights."""

from abc import abstractmethod
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.files.paths import located
from robomtl.files.weights import check_finite, digest_of, read_header, read_tensors
from robomtl.image_encoder import MapEncoder
from robomtl.layers.image_layers import PositionChannels
from robomtl.layers.vision import IMAGENET, Vision


class PretrainedEncoder(MapEncoder):
    """A network with weights of its own, whose map the task modulates.

    A subclass makes the ``backbone``, calls ``finish`` and says how images are ``scaled``.
    What follows the backbone is trained, also where the backbone is frozen.
    """

    conditioned = True
    pretrained = True
    backbone: nn.Module
    """From scaled images to a map; (batch, width, height, width of the map)."""

    def finish(self, width: int) -> None:
        """Adds what follows the backbone, and freezes that if the settings want it.

        Args:
            width: Channels of the backbone's map.
        """
        self.width = width
        self.after = self.modulation(width)
        self.positions = PositionChannels(width, self.vision.features)
        if self.vision.frozen:
            self.backbone.requires_grad_(False)

    @abstractmethod
    def scaled(self, image: Tensor) -> Tensor:
        """Images as the backbone was trained on them; (batch, 3, height, width).

        Args:
            image: uint8; (batch, height, width, 3).
        """

    @classmethod
    def imagenet(cls) -> dict[str, Tensor]:
        """Weights of the backbone from ImageNet, by the names of its tensors.

        Raises:
            InputError: If there are none.
        """
        raise InputError(
            f"vision.weights is '{IMAGENET}', which efficientnet_lite0 alone has; give the"
            " path of a safetensors file."
        )

    def train(self, mode: bool = True) -> Self:
        """Changes the mode, but for batch normalisation, whose statistics stay."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def represent(self, image: Tensor) -> Tensor:
        """The backbone's map; (batch, width, height, width of the map).

        Args:
            image: uint8; (batch, height, width, 3).
        """
        features: Tensor = self.backbone(self.scaled(image))
        return features

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``; an image may also be what ``represent`` made of it."""
        kept = image.is_floating_point()
        features: Tensor = self.after(
            image.float() if kept else self.represent(image), task
        )
        return features


def load_weights(encoders: nn.ModuleDict, vision: Vision) -> None:
    """Reads the weights that the settings name into the backbone of each encoder.

    Args:
        encoders: Of the images of a policy, as ``Observer.images`` has them.
        vision: Settings.

    Raises:
        InputError: If the file is missing, no safetensors file, or of another
            architecture.
        MissingExtraError: If the weights are in an extra that is missing.
    """
    for encoder in encoders.values():
        assert isinstance(encoder, PretrainedEncoder)
        tensors = (
            encoder.imagenet()
            if vision.weights == IMAGENET
            else _read(located(vision.weights), encoder)
        )
        encoder.backbone.load_state_dict(tensors, strict=False)


def weights_identity(vision: Vision) -> str | None:
    """The sha256 of the file of weights, as JSON holds it; None without a file."""
    if vision.weights in ("", IMAGENET):
        return None
    return digest_of(located(vision.weights))


def _read(path: Path, encoder: PretrainedEncoder) -> dict[str, Tensor]:
    """The tensors of a file that the backbone of an encoder has.

    Weights in any other format are refused, as reading a pickle may run code.
    """
    if path.suffix != ".safetensors":
        raise InputError(
            f"vision.weights is {path}; weights are read from .safetensors files alone, as"
            " a pickle (.pth, .pt, .bin) may run code. Convert it where you trust it:"
            " safetensors.torch.save_file(state_dict, path)."
        )
    found, name = read_header(path), encoder.vision.encoder
    expected = {
        key: tensor
        for key, tensor in encoder.backbone.state_dict().items()
        if not key.endswith("num_batches_tracked")  # Counts what is not counted on.
    }
    for key, tensor in expected.items():
        size = tuple(found[key].shape) if key in found else "missing"
        if size != tuple(tensor.shape):
            raise InputError(
                f"{path} has weights of another architecture than '{name}': tensor"
                f" {key} is {size}, where {tuple(tensor.shape)} is expected."
            )
    tensors = {key: it for key, it in read_tensors(path).items() if key in expected}
    check_finite(tensors, expected, where=path)
    return tensors
