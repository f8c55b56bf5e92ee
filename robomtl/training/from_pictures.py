"""Settings by which recipes train on images with two cores."""

from robomtl.conditioning import InstructionAugmentation
from robomtl.layers.vision import Vision
from robomtl.pictures import Pictures
from robomtl.training.auxiliary import Auxiliary
from robomtl.training.config import TrainConfig

PICTURES = Pictures(cameras=("corner2-zoom", "gripperPOV"))
"""A view of the table and one from the hand: a grasped object is a few pixels wide in the
first view and covers a quarter of the second."""

CHUNK = 8
"""Actions that a policy predicts at once; half of them are executed, so that an image is
rendered and encoded at every fourth step."""


def from_pictures(*, steps: int, swap: float = 0.0) -> TrainConfig:
    """Settings of training on images; 1,000 steps take 6 minutes on one core.

    Args:
        steps: Gradient steps.
        swap: Probability of another wording; see ``InstructionAugmentation``.
    """
    return TrainConfig(
        steps=steps,
        batch_size=128,
        execute=CHUNK // 2,
        vision=Vision(encoder="strided", features=128),
        auxiliary=Auxiliary(positions=1.0),
        instruction_augmentation=InstructionAugmentation(swap=swap),
    )
