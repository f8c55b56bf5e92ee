"""Image encoders, and policies that observe images."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from robomtl.checkpoint import Card, build
from robomtl.conditioning import Conditioning
from robomtl.earlier import ADDED
from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.files.request import plain
from robomtl.files.untrusted import converted
from robomtl.image_encoder import ENCODERS, TASK_WIDTH
from robomtl.layers.image_layers import Modulation, mean_positions
from robomtl.layers.observer import check_vision
from robomtl.layers.vision import Vision
from robomtl.policy import Spec

SIDE = 32
NAMES = [name for name in ENCODERS.built_in() if name != "timm"]
LEAST = 64  # [px] Image size that all encoders support.


def made(name, **settings):
    torch.manual_seed(0)
    vision = Vision(encoder=name, features=16, patch=16, **settings)
    return ENCODERS.get(name)(vision, (LEAST, LEAST, 3)).eval()


def pictures(count, side=LEAST):
    generator = torch.Generator().manual_seed(1)
    shape = (count, side, side, 3)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def robot(name="arm", **sizes):
    seen = {
        camera: Feature(kind="image", shape=(side, side, 3), camera=camera)
        for camera, side in sizes.items()
    }
    state = {"proprioception": Feature(kind="state", shape=(4,))}
    return Embodiment(name=name, observation=seen | state, action=ActionFeature(size=2))


def policy(encoder="strided", *, robots=None, history=1, **settings):
    spec = Spec(
        embodiments=robots or (robot(top=SIDE, wrist=SIDE),),
        embedding=3,
        history=history,
        vision=Vision(encoder=encoder, features=16, **settings),
    )
    torch.manual_seed(0)
    return build(
        Card(
            policy="film",
            config={"width": 32},
            spec=spec,
            conditioning=Conditioning(kinds=("none",), tasks=["a"]),
            suite="",
            suite_options={},
            step=0,
        )
    ).eval()


@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_gives_features_and_tokens_of_its_sizes(name):
    encoder, images, task = made(name), pictures(5), torch.randn(5, TASK_WIDTH)
    features, tokens = encoder(images, task), encoder.tokens(images, task)
    assert features.shape == (5, 16) and features.isfinite().all()
    assert tokens.ndim == 3 and tokens.shape[::2] == (5, encoder.width)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = encoder(images[order], task[order])
    assert torch.allclose(permuted, features[order], atol=1e-5)
    assert not torch.allclose(features[0], features[1], atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert (encoder(images, task) - features).abs().mean() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_an_encoder_learns_from_features_or_tokens(name):
    encoder, images, task = made(name).train(), pictures(3), torch.randn(3, TASK_WIDTH)
    loss = encoder(images, task).square().mean()
    (loss + encoder.tokens(images, task).square().mean()).backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_task_modulates_an_encoder_that_is_conditioned(name):
    encoder, images = made(name), pictures(2)
    one, other = torch.randn(2, 2, TASK_WIDTH)
    assert encoder(images, one).equal(encoder(images, None))  # It starts unmodulated.
    for module in encoder.modules():
        if isinstance(module, Modulation):
            torch.nn.init.normal_(module.linear.weight, std=0.1)
    differs = not torch.allclose(encoder(images, one), encoder(images, other))
    assert differs == encoder.conditioned
    plain_one = made(name, film=False)
    assert not any(isinstance(each, Modulation) for each in plain_one.modules())


def test_the_mean_position_of_a_blob_is_where_it_is():
    active = torch.full((1, 2, 9, 5), -50.0)
    active[0, 0, 2, 4] = active[0, 1, 8, 0] = 50.0
    found = mean_positions(active)
    assert torch.allclose(found, torch.tensor([[-0.5, 1.0, 1.0, -1.0]]), atol=1e-6)
    even = mean_positions(torch.zeros(1, 2, 9, 5))
    assert torch.allclose(even, torch.zeros(1, 4), atol=1e-6)


def test_a_policy_reads_each_image_through_the_encoder_of_the_spec():
    own, shared = policy(), policy(shared=True)
    assert own.spec.inputs == shared.spec.inputs == 4 + 2 * 16
    assert shared.num_parameters < own.num_parameters
    assert [*own.observer.images] == ["top", "wrist"]
    observation = {"top": pictures(2, SIDE), "wrist": pictures(2, SIDE)}
    observation["proprioception"] = torch.randn(2, 4)
    read = shared.observed(observation, torch.randn(2, 3))
    assert read.shape == (2, 36) and read[:, 4:20].equal(read[:, 20:])
    tokens = own.observer.tokens(observation, torch.randn(2, 3))
    assert {name: each.shape for name, each in tokens.items()} == {
        "top": (2, 36, 64),
        "wrist": (2, 36, 64),
    }


def test_images_of_a_history_are_encoded_each_with_their_task():
    alone, over = policy(), policy(history=3)
    images = {
        name: pictures(6, SIDE).view(2, 3, SIDE, SIDE, 3) for name in ("top", "wrist")
    }
    state, task_embedding = torch.randn(2, 3, 4), torch.randn(2, 3)
    for each in (alone, over):
        torch.manual_seed(0)
        for module in each.modules():
            if isinstance(module, Modulation):
                torch.nn.init.normal_(module.linear.weight, std=0.1)
    over.observer.load_state_dict(alone.observer.state_dict())
    read = over.observed({**images, "proprioception": state}, task_embedding).view(
        2, 3, 36
    )
    for time in range(3):
        here = {name: each[:, time] for name, each in images.items()}
        single = alone.observed(
            {**here, "proprioception": state[:, time]}, task_embedding
        )
        assert torch.allclose(read[:, time], single, atol=1e-5)
    tokens = over.observer.tokens({**images, "proprioception": state}, task_embedding)
    assert tokens["top"].shape == (2, 3, 36, 64)


def test_names_of_image_features_may_hold_dots():
    dotted = policy(robots=(robot(**{"image.top": SIDE}),))
    observation = {"image.top": pictures(1, SIDE), "proprioception": torch.randn(1, 4)}
    assert dotted.observed(observation, torch.randn(1, 3)).shape == (1, 20)
    assert "observer.images.image/top.layers.0.norm.weight" in dotted.state_dict()


def test_a_spec_of_an_earlier_version_reads_images_as_it_did():
    values = plain(Spec(embodiments=(robot(top=SIDE),), embedding=3))
    assert values.pop("vision") == ADDED["vision"] == plain(Vision())
    assert converted(values, Spec, where="here").vision == Vision(encoder="spatial")


@pytest.mark.parametrize(
    ("vision", "sizes", "message"),
    [
        (
            {"encoder": "stride"},
            {"top": 32},
            "Unknown encoder 'stride'. Did you mean 'strided'",
        ),
        (
            {"encoder": "strided"},
            {"top": 12},
            "'strided' cannot read 'top': it needs images of at least 16 x 16 px, and"
            " these are 12 x 12.",
        ),
        (
            {"encoder": "vit"},
            {"top": 64},
            "cuts images into patches of 14 px, and the images are 64 x 64 px; give"
            " vision.patch 4 or 8 or 16 or 32",
        ),
        (
            {"encoder": "impala", "weights": "imagenet"},
            {"top": 64},
            r"does not support pretrained weights .*, as efficientnet_lite0 and timm:NAME do",
        ),
        (
            {"encoder": "efficientnet_lite0"},
            {"top": 64},
            "needs pre-trained weights; give vision.weights imagenet",
        ),
        ({"encoder": "strided"}, {}, "'strided', but no images are observed"),
        ({"shared": True}, {"top": 32, "wrist": 16}, "shared .* differ in size"),
    ],
)
def test_images_that_an_encoder_cannot_take_are_refused(vision, sizes, message):
    spec = Spec(embodiments=(robot(**sizes),), embedding=3, vision=Vision(**vision))
    with pytest.raises(InputError, match=message):
        check_vision(spec)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 7}, "features is 7; give an even number"),
        ({"features": 0}, "features is 0; give at least 1"),
        ({"encoder": 3}, "encoder is 3"),
        ({"frozen": True}, "freezes pre-trained weights, but"),
    ],
)
def test_settings_of_vision_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        replace(Vision(), **settings)


def test_resnet18_has_the_layers_of_the_paper():
    network = made("resnet18", film=False)
    count = sum(each.numel() for each in network.parameters())
    last = sum(each.numel() for each in network.positions.parameters())
    assert (
        count - last == 11_689_512 - 513_000
    )  # Torchvision's, but for its classifier.
    images = pictures(1, side=224)
    maps = [network.stem((images / 255).permute(0, 3, 1, 2))]
    for block in network.blocks:
        maps.append(block(maps[-1], None))
    assert [tuple(each.shape[1:]) for each in maps[::2]] == [
        (64, 56, 56),
        (64, 56, 56),
        (128, 28, 28),
        (256, 14, 14),
        (512, 7, 7),
    ]


def test_impala_has_the_layers_of_the_paper():
    network = made("impala", film=False)
    convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    outputs = [each.out_channels for each in convolutions[:-1]]
    assert outputs == [16] * 5 + [32] * 10
    assert network.map(pictures(1)).shape == (1, 32, 8, 8)
