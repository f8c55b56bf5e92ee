"""Models of the real package timm, if it and a matching torchvision are installed."""

from importlib import import_module

import pytest
import torch
from safetensors.torch import save_file
from test_vision import policy, robot

from robomtl.image_encoder import TASK_WIDTH, encoder_class
from robomtl.layers.observer import check_vision
from robomtl.layers.pretrained_encoder import load_weights
from robomtl.layers.vision import Vision
from robomtl.policy import Spec

try:
    timm = import_module("timm")
except (ImportError, RuntimeError):  # For a torchvision built for another torch.
    pytest.skip("needs the extra timm", allow_module_level=True)

SIDE = 84
MODELS = {  # One for each form of features: maps, maps of NHWC, tokens with or without
    "resnet18": (3, 3),  # a class token, of fixed images or not.
    "efficientnet_lite0": (3, 3),
    "convnext_atto": (2, 2),
    "swin_tiny_patch4_window7_224": (3, 3),
    "vit_tiny_patch16_224": (5, 5),
    "vit_small_patch14_dinov2": (6, 6),
    "mixer_s32_224": (2, 2),
    "gmlp_s16_224": (5, 5),
}


def pictures(side=SIDE):
    return torch.randint(256, (3, side, side, 3), dtype=torch.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_tells_pictures_apart_and_learns(name):
    torch.manual_seed(0)
    vision = Vision(encoder=f"timm:{name}", features=16)
    seen = robot(top=SIDE)
    check_vision(Spec(embodiments=(seen,), embedding=0, vision=vision))
    encoder = encoder_class(vision.encoder)(vision, (SIDE, SIDE, 3))
    features = encoder(pictures(), torch.randn(3, TASK_WIDTH))
    assert features.shape == (3, 16) and (features.std(0) > 0).all()
    assert encoder.map(pictures()).shape[2:] == MODELS[name]
    features.square().mean().backward()
    learning = {n for n, it in encoder.named_parameters() if it.grad is not None}
    # What follows the features in timm's own models stays unused.
    unused = {n for n, _ in encoder.named_parameters()} - learning
    assert all(name.startswith("backbone.head") for name in unused)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_weights_of_timms_own_file_are_read(name, tmp_path):
    size = {"img_size": SIDE} if name.startswith("vit") else {}
    model = timm.create_model(name, pretrained=False, **size)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    vision = Vision(
        encoder=f"timm:{name}", features=16, weights=str(tmp_path / "model.safetensors")
    )
    read = policy(vision.encoder, robots=(robot(top=SIDE),), weights=vision.weights)
    load_weights(read.observer.images, vision)
    backbone = read.observer.images["top"].backbone.state_dict()
    whole = model.state_dict()
    assert all(torch.equal(it, whole[name]) for name, it in backbone.items())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("hrnet_w18_small", "give 96 x 96 px"),
        ("hiera_tiny_224", "give 96 x 96 px"),
        ("crossvit_tiny_240", "choose another model"),
        ("volo_d1_224", "26 tokens do not form"),
        ("inception_v3", "single cell"),
    ],
)
def test_a_model_that_cannot_take_a_size_is_refused(name, answer):
    vision = Vision(encoder=f"timm:{name}")
    with pytest.raises(ValueError, match=answer):
        check_vision(Spec(embodiments=(robot(top=SIDE),), embedding=0, vision=vision))
