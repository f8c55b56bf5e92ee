"""Random shifts and colours of images in training."""

from dataclasses import replace

import pytest
import torch

from robomtl.errors import InputError
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.policy import Batch, Spec
from robomtl.training.image_augmentation import (
    ImageAugmentation,
    augmented,
    check_images,
    recoloured,
    shifted,
)

BOTH = ImageAugmentation(shift=3, colour=0.4)


def pictures(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (*shape, 3), dtype=torch.uint8, generator=generator)


def batch(**images):
    count = len(next(iter(images.values())))
    state = torch.arange(count).float()[:, None]
    return Batch(
        observation={**images, "state": state},
        action=torch.zeros(count, 1, 2),
        mask=torch.ones(count, 1),
        task_embedding=torch.zeros(count, 0),
        task=torch.zeros(count, dtype=torch.long),
    )


def drawn(given, augmentation=BOTH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    every, size = slice(None), len(given.task)
    return augmented(given, augmentation, generator, samples=every, of=size).observation


def test_a_shifted_image_is_a_crop_of_the_padded_one():
    images = pictures(6, 9, 7)
    offset = torch.tensor([[0, 2, -2, 1, 0, -1], [0, -2, 2, 0, 1, -1]])
    moved = shifted(images, offset, 2)
    channels = images.permute(0, 3, 1, 2).float()
    padded = torch.nn.functional.pad(channels, (2, 2, 2, 2), mode="replicate")
    for image, whole, (down, right) in zip(moved, padded, offset.T + 2, strict=True):
        crop = whole[:, down : down + 9, right : right + 7].permute(1, 2, 0)
        assert torch.equal(image, crop.to(torch.uint8))


def test_colours_change_as_the_equations_say():
    images = pictures(5, 4, 6).clamp(60, 180)
    changes = torch.zeros(4, 5)
    changes[:3, torch.arange(1, 4)] = torch.diag(torch.tensor([0.2, -0.3, 0.5]))
    changes[3, 4] = 1.0
    same, bright, contrasted, saturated, turned = recoloured(images, changes).float()
    before = images.float()
    grey = torch.tensor([0.299, 0.587, 0.114])
    mean = before[2].mean((0, 1)) @ grey
    own = (before[3] @ grey)[..., None]
    assert torch.equal(same, before[0])
    assert torch.allclose(bright, before[1] * 1.2, atol=0.51)
    assert torch.allclose(contrasted, mean + 0.7 * (before[2] - mean), atol=0.51)
    assert torch.allclose(saturated, own + 1.5 * (before[3] - own), atol=0.51)
    assert (turned - before[4]).abs().max() > 20  # A tenth of a turn.
    assert torch.allclose(turned @ grey, before[4] @ grey, atol=1.5)


def test_all_frames_of_a_history_change_alike_and_samples_differ():
    frames = pictures(4, 12, 12)[:, None].repeat(1, 3, 1, 1, 1)
    found = drawn(batch(top=frames))
    assert found["top"].dtype == torch.uint8 and found["top"].shape == frames.shape
    assert torch.equal(found["top"][:, 0], found["top"][:, 2])
    equal = pictures(1, 12, 12).repeat(4, 1, 1, 1)
    changed = drawn(batch(top=equal, wrist=equal))
    assert not torch.equal(changed["top"][0], changed["top"][1])
    assert not torch.equal(changed["top"], changed["wrist"])
    assert torch.equal(found["state"], batch(top=frames).observation["state"])


def test_the_same_seed_changes_images_alike_and_none_are_changed_when_it_is_off():
    given = batch(top=pictures(4, 12, 12))
    again, other = drawn(given), drawn(given, seed=1)
    assert torch.equal(drawn(given)["top"], again["top"])
    assert not torch.equal(again["top"], other["top"])
    assert torch.equal(drawn(given, ImageAugmentation())["top"], pictures(4, 12, 12))


def test_what_would_do_nothing_or_hide_the_image_is_refused():
    robot = Embodiment(
        name="arm",
        observation={"top": Feature(kind="image", shape=(16, 24, 3), camera="top")},
        action=ActionFeature(size=2),
    )
    spec = Spec(embodiments=(robot,), embedding=0)
    check_images(BOTH, spec, "cloning")
    check_images(ImageAugmentation(), spec, "maml")
    with pytest.raises(InputError, match="and the objective is maml; leave it out"):
        check_images(BOTH, spec, "maml")
    with pytest.raises(
        InputError, match="for the objective cloning, and none are obse"
    ):
        check_images(BOTH, Spec(state=2, action=2, embedding=0), "cloning")
    with pytest.raises(InputError, match="shift is 8, .* 'top' have 16 px; give less"):
        check_images(replace(BOTH, shift=8), spec, "cloning")
    with pytest.raises(InputError, match="shift is -1; give 0 or more"):
        ImageAugmentation(shift=-1)
    with pytest.raises(InputError, match="colour is 1.5; give 0 to 1"):
        ImageAugmentation(colour=1.5)


def test_parts_of_a_batch_change_as_in_the_whole():
    images = pictures(6, 9, 7)
    whole = drawn(batch(camera=images))["camera"]
    part = slice(2, 5)
    generator = torch.Generator().manual_seed(0)
    some = augmented(
        batch(camera=images[part]), BOTH, generator, samples=part, of=len(images)
    )
    assert torch.equal(some.observation["camera"], whole[part])
