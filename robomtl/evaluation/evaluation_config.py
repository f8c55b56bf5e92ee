"""The request for an evaluation: a protocol, or values of one's own."""

from dataclasses import dataclass, fields

from robomtl.evaluation import protocols
from robomtl.evaluation.conditions import Conditions, TrialSettings
from robomtl.ranges import settings
from robomtl.task import Suite


@settings
@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(TrialSettings):
    """Settings of an evaluation; see ``robomtl.evaluate``."""

    protocol: str | None = None
    """Name of the protocol to follow, such as ``official``; without one the results name
    the one that the conditions happen to meet. See ``PROTOCOLS``."""
    variations: str | None = None
    """The split whose variations are used; the protocol's, or ``fresh``."""
    episodes: int | None = None
    """Variations of each task; the protocol's, or 50."""
    other_pictures: bool = False
    """Whether the suite may draw pictures by another profile than the policy was trained
    on; the options in the results have the one that it drew by."""

    def __post_init__(self) -> None:
        """Checks the values and the protocol's name.

        Raises:
            InputError: If a value is of another type or out of range, the protocol is
                unknown, or trials would stop before their last step is known.
        """
        super().__post_init__()
        self._conditions()

    def conditions(self, suite: Suite) -> Conditions:
        """The conditions, with the protocol's values where none are given.

        Args:
            suite: Supplies the tasks.

        Raises:
            InputError: If the protocol is not kept; names what differs.
        """
        conditions = self._conditions()
        if self.protocol is not None:
            protocols.check(self.protocol, conditions, suite)
        return conditions

    def _conditions(self) -> Conditions:
        rules = protocols.protocol(self.protocol or "fresh")
        return Conditions(
            **{each.name: getattr(self, each.name) for each in fields(TrialSettings)},
            split=rules.split if self.variations is None else self.variations,
            episodes=rules.episodes if self.episodes is None else self.episodes,
            criterion=rules.criterion,
        )
