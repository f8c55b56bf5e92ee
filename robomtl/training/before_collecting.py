"""Checks of a policy against the suite that its demonstrations are to be collected in."""

from collections.abc import Iterable, Sequence

from robomtl.conditioning import Conditioning, Kind
from robomtl.features import STATE, Embodiment, embodiments_of
from robomtl.layers.observer import Observer
from robomtl.layers.pretrained_encoder import load_weights
from robomtl.pictures import IMAGE, PROPRIOCEPTION
from robomtl.policy import POLICIES
from robomtl.task import Suite, training_tasks
from robomtl.training.config import TrainConfig
from robomtl.training.material import spec_of


def check_observable(
    suite: Suite,
    *,
    policy: str,
    conditioning: Sequence[Kind],
    config: TrainConfig,
    tasks: Sequence[str] | None = None,
    observe: Sequence[str] | None = None,
    demonstration: int = 0,
) -> None:
    """Refuses a policy that cannot read what demonstrations of a suite will contain.

    Collecting takes long with images, so that this is checked before it begins.

    Args:
        suite: Suite of the demonstrations.
        policy: Registered name of the architecture.
        conditioning: Kinds of the policy's conditioning.
        config: Settings of the training.
        tasks: Names of the tasks that the policy learns; None for the training tasks.
        observe: Names of the features that are read; None for the default ones.
        demonstration: Length of the vector that the objective infers from demonstrations.

    Raises:
        InputError: If a feature is unknown, the image encoder cannot read the images, or
            the architecture or its conditioning does not fit the features.
        MissingExtraError: If the image encoder needs an extra that is not installed.
    """
    tasks = tuple(tasks or (task.name for task in training_tasks(suite)))
    robots = [*embodiments_of(suite, tasks).values()]
    read = config.features or observe or _usual(robots)
    inferred: tuple[Kind, ...] = ("demonstration",) if demonstration else ()
    architecture = POLICIES.get(policy)
    embedded = Conditioning(
        kinds=(*conditioning, *inferred),
        tasks=tasks,
        goal=(0, 1),  # Only its presence matters here.
        demonstration=demonstration,
        wording=architecture.wording,
    )
    spec = spec_of(robots, read, embedded, config)
    architecture.check(spec)
    if spec.images and spec.vision.weights:
        load_weights(Observer(spec).images, spec.vision)


def _usual(robots: Iterable[Embodiment]) -> list[str]:
    """Features that policies read by default; see ``Demonstrations``."""
    read: dict[str, None] = {}
    for robot in robots:
        images = [name for name in robot.images if name.startswith(IMAGE)]
        seen = images and PROPRIOCEPTION in robot.observation
        read |= dict.fromkeys([*images, PROPRIOCEPTION] if seen else [STATE])
    return [*read]
