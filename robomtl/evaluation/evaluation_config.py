"""Config of an evaluation: a protocol, or custom conditions."""

from dataclasses import dataclass, fields

from robomtl.evaluation import protocols
from robomtl.evaluation.conditions import Conditions, TrialSettings
from robomtl.evaluation.planning import Plan, planned
from robomtl.ranges import settings
from robomtl.task import Suite


@settings
@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(TrialSettings):
    """Settings of an evaluation; see ``robomtl.evaluate``."""

    protocol: str | None = None
    """Name of the protocol to follow, such as ``official``; None for custom conditions, for
    which the results name a protocol that they match. See ``PROTOCOLS``."""
    variations: str | None = None
    """Split whose variations are used; None for the protocol's, or ``fresh``."""
    episodes: int | None = None
    """Number of variations of each task; None for the protocol's, or 50."""
    other_pictures: bool = False
    """Whether the suite may render images with another profile than the policy was trained
    on; the profile in use is recorded in the results' options."""

    def __post_init__(self) -> None:
        """Checks the values and the protocol's name.

        Raises:
            InputError: If a value has the wrong type or is out of range, the protocol is
                unknown, or trials would stop at success although the last step decides.
        """
        super().__post_init__()
        self._conditions()

    def plan(self, suite: Suite) -> Plan:
        """Plan of the evaluation, with the protocol's values for those that are None.

        Args:
            suite: Suite of the tasks.

        Raises:
            ValueError: If the conditions violate the protocol or do not fit the suite; see
                ``planned``.
        """
        return planned(suite, self._conditions(), protocol=self.protocol)

    def conditions(self, suite: Suite) -> Conditions:
        """Conditions of the plan; see ``plan``."""
        return self.plan(suite).conditions

    def _conditions(self) -> Conditions:
        rules = protocols.protocol(self.protocol or "fresh")
        return Conditions(
            **{each.name: getattr(self, each.name) for each in fields(TrialSettings)},
            split=rules.split if self.variations is None else self.variations,
            episodes=rules.episodes if self.episodes is None else self.episodes,
            criterion=rules.criterion,
        )
