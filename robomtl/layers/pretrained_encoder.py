"""Image encoders with pre-trained weights, and how the weights are loaded."""

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
    """A pre-trained backbone, followed by modulation and a spatial soft-argmax.

    A subclass creates the ``backbone``, calls ``finish`` and implements ``scaled``. The
    layers after the backbone are trained even if the backbone is frozen.
    """

    conditioned = True
    pretrained = True
    backbone: nn.Module
    """Maps scaled images to a map; (batch, width, height, width of the map)."""

    def finish(self, width: int) -> None:
        """Adds the layers after the backbone, and freezes the backbone if configured.

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
        """Images scaled as in the backbone's pre-training; (batch, 3, height, width).

        Args:
            image: uint8; (batch, height, width, 3).
        """

    @classmethod
    def imagenet(cls) -> dict[str, Tensor]:
        """State dict of the backbone with weights from ImageNet.

        Raises:
            InputError: If the encoder has no such weights.
        """
        raise InputError(
            f"vision.weights is '{IMAGENET}', which only efficientnet_lite0 has; give the"
            " path of a safetensors file."
        )

    def train(self, mode: bool = True) -> Self:
        """Sets the mode, but keeps batch normalisation in evaluation mode."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def represent(self, image: Tensor) -> Tensor:
        """Map of the backbone; (batch, width, height, width of the map).

        Args:
            image: uint8; (batch, height, width, 3).
        """
        features: Tensor = self.backbone(self.scaled(image))
        return features

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``; ``image`` may also be the result of ``represent``."""
        represented = image.is_floating_point()
        features: Tensor = self.after(
            image.float() if represented else self.represent(image), task
        )
        return features


def load_weights(encoders: nn.ModuleDict, vision: Vision) -> None:
    """Loads the configured weights into the backbone of each encoder.

    Args:
        encoders: Image encoders of a policy, ``Observer.images``.
        vision: Settings, of which ``weights`` names the file.

    Raises:
        InputError: If the file is missing, not a safetensors file, or for another
            architecture.
        MissingExtraError: If the weights need an extra that is not installed.
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
    """Hexadecimal sha256 of the weights file; None without a file."""
    if vision.weights in ("", IMAGENET):
        return None
    return digest_of(located(vision.weights))


def _read(path: Path, encoder: PretrainedEncoder) -> dict[str, Tensor]:
    """Tensors of a safetensors file for the backbone of an encoder, by name.

    Raises:
        InputError: If the file is not a safetensors file, as reading a pickle may run
            code, or lacks a tensor of the backbone, or has it in another shape.
    """
    if path.suffix != ".safetensors":
        raise InputError(
            f"vision.weights is {path}; weights are read from .safetensors files only, as"
            " a pickle (.pth, .pt, .bin) may run code. If you trust the file, convert it:"
            " safetensors.torch.save_file(state_dict, path)."
        )
    header, name = read_header(path), encoder.vision.encoder
    expected = {
        key: tensor
        for key, tensor in encoder.backbone.state_dict().items()
        if not key.endswith("num_batches_tracked")  # Unused in evaluation mode.
    }
    for key, tensor in expected.items():
        size = tuple(header[key].shape) if key in header else "missing"
        if size != tuple(tensor.shape):
            raise InputError(
                f"{path} has weights of another architecture than '{name}': tensor"
                f" {key} is {size}, where {tuple(tensor.shape)} is expected."
            )
    tensors = {key: it for key, it in read_tensors(path).items() if key in expected}
    check_finite(tensors, expected, where=path)
    return tensors
