"""Request of a collection: all settings that the collected data depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robomtl.demonstrations.collection_config import CollectionConfig
from robomtl.demonstrations.driving import Labels, Rollouts
from robomtl.demonstrations.layout import Video, usual_video
from robomtl.files.request import DEFINITION, plain
from robomtl.task import Suite, definition_of, training_tasks

FORMAT = 1
"""Version of the format; increased when the same request gives other data or files."""

_LATER = ("video", "policy", "labels", "first")
"""Fields that requests of earlier versions lack."""


@dataclass(frozen=True, kw_only=True)
class Request(CollectionConfig):
    """Settings of a collection with those of the suite; equal requests give equal data."""

    # Required: without ``field()``, the field would inherit the default of the config.
    tasks: tuple[str, ...] = field()
    """Names of the tasks, in the order of the data set."""
    video: Video = "h264"
    """Encoding of images."""
    suite: str
    """Name of the suite."""
    options: Mapping[str, Any]
    """Options of the suite, as plain data."""
    undisturbed: int = 0
    """Number of trailing action components without noise, such as a gripper's."""
    policy: str = ""
    """Fingerprint of the policy that acts; empty if the experts act."""
    labels: Labels = "expert"
    """Source of the recorded actions; see ``Rollouts``."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """Definition of the suite, see ``definition_of``; empty if it declares none."""

    def __post_init__(self) -> None:
        """Checks the config, and what the suite declares.

        Raises:
            InputError: If a number is out of range, or a task missing or named twice.
        """
        super().__post_init__()
        self._check_least(undisturbed=0)

    def plain(self) -> dict[str, Any]:
        """The request as JSON types, without later fields that have their default."""
        fields = {"format": FORMAT, **plain(self)}
        if not self.definition:
            del fields[DEFINITION]
        for name in _LATER:  # So that requests of earlier versions stay equal.
            if fields[name] == getattr(type(self), name):
                del fields[name]
        return fields


def request_for(
    suite: Suite, config: CollectionConfig, rollouts: Rollouts | None
) -> Request:
    """The request of a collection in a suite.

    Args:
        suite: Supplies tasks and experts.
        config: Settings of the collection.
        rollouts: Policy that acts; None if the experts act.

    Raises:
        InputError: If a task is missing or named twice.
    """
    names = (
        [t.name for t in training_tasks(suite)]
        if config.tasks is None
        else config.tasks
    )
    settled: dict[str, Any] = {
        "tasks": tuple(names),
        "video": config.video or usual_video(suite.options),
    }
    return Request(
        **{**vars(config), **settled},
        suite=suite.name,
        options=dict(suite.options),
        undisturbed=getattr(suite, "undisturbed_actions", 0),
        policy=rollouts.agent.fingerprint if rollouts else "",
        labels=rollouts.labels if rollouts else "expert",
        **definition_of(suite),
    )
