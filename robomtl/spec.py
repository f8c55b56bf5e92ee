"""``Spec``: sizes of the inputs and outputs for which a policy is built."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from robomtl.alignment import Alignment
from robomtl.errors import InputError
from robomtl.features import STATE, Embodiment, Feature, vector_embodiment
from robomtl.layers.vision import Vision
from robomtl.nearest import check_known

GOAL = "goal."
"""Prefix of the name of an image feature for an image of the goal."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Sizes of the inputs and outputs for which a policy is built.

    ``Spec(state=39, action=4, embedding=384)`` describes a single robot with a single
    vector. If ``embodiments`` are given, the fields ``state`` and ``action`` are derived
    from them.
    """

    state: int = 0
    """Length of ``observation["state"]``, the longest of several robots; 0 for none."""
    action: int = 0
    """Length of an action, the longest of several robots."""
    embedding: int
    """Length of the task embedding; 0 without conditioning."""
    tasks: int = 1
    """Number of training tasks, for policies with a module for each task."""
    embodiments: tuple[Embodiment, ...] = ()
    """Embodiments of the robots, in the order of their index."""
    history: int = 1
    """Number of observations that a policy reads: the current one and those before it."""
    vision: Vision = field(default_factory=Vision)
    """Settings of the image encoders, for a policy that observes images."""
    text: int = 0
    """Number of characters of an instruction at the beginning of the task embedding, for a
    policy that reads text; 0 for any other."""
    alignment: Alignment | None = None
    """Alignment of the robots to one shared action; None if each robot has its own."""
    goal_image: bool = False
    """Whether the policy also observes an image of the goal from each camera, as listed
    in ``goals``."""

    def __post_init__(self) -> None:
        """Checks the sizes, and derives sizes from the embodiments.

        Raises:
            InputError: If a size is invalid, or the embodiments are incompatible.
        """
        if min(self.tasks, self.history) < 1 or self.embedding < 0:
            raise InputError(
                f"tasks is {self.tasks}, history {self.history} and embedding"
                f" {self.embedding}; tasks and history must be at least 1, embedding at"
                " least 0."
            )
        if self.goal_image and not self.images:
            raise InputError(
                "Conditioning on a goal image needs images, and the policy observes none;"
                " observe a camera, or condition on language, goal or one_hot."
            )
        if not self.embodiments:
            self._check_vectors()
            made = vector_embodiment(state=self.state, action=self.action)
            object.__setattr__(self, "embodiments", (made,))
            return
        _check_names(self.embodiments)
        _check_images(self.embodiments)
        for name, size in {
            "state": max(each.states.get(STATE, 0) for each in self.embodiments),
            "action": max(self.actions),
        }.items():
            if getattr(self, name) not in (0, size):
                raise InputError(
                    f"{name} is {getattr(self, name)}, but the embodiments have {size};"
                    " leave it out."
                )
            object.__setattr__(self, name, size)

    def _check_vectors(self) -> None:
        if min(self.state, self.action) < 1:
            raise InputError(
                f"state is {self.state} and action {self.action}; without embodiments, both"
                " must be at least 1."
            )

    @property
    def states(self) -> dict[str, int]:
        """Length of each state feature, the longest of several robots, by name."""
        names = sorted({name for each in self.embodiments for name in each.states})
        return {
            name: max(each.states.get(name, 0) for each in self.embodiments)
            for name in names
        }

    @property
    def images(self) -> dict[str, Feature]:
        """The image features of all robots, by name."""
        found = {n: it for each in self.embodiments for n, it in each.images.items()}
        return dict(sorted(found.items()))

    @property
    def goals(self) -> dict[str, Feature]:
        """The goal images, by the names of their features in observations."""
        if not self.goal_image:
            return {}
        return {GOAL + name: feature for name, feature in self.images.items()}

    @property
    def actions(self) -> tuple[int, ...]:
        """Lengths of the predicted actions: one for each robot, or one that is shared."""
        if self.alignment is not None:
            return (len(self.alignment.slots),)
        return tuple(each.action.size for each in self.embodiments)

    @property
    def single(self) -> bool:
        """Whether there is one robot, whose only feature is a vector named ``state``."""
        return (
            len(self.embodiments) == 1
            and not self.images
            and list(self.states) == [STATE]
        )

    @property
    def state_slices(self) -> list[slice]:
        """Slice of each robot's state features in the concatenation over all robots."""
        sizes = (sum(each.states.values()) for each in self.embodiments)
        ends = list(accumulate(sizes, initial=0))
        return [slice(start, stop) for start, stop in pairwise(ends)]

    @property
    def observed(self) -> int:
        """Length of one encoded observation: states of all robots, then encoded images."""
        return int(self.state_slices[-1].stop + self.vision.features * len(self.images))

    @property
    def inputs(self) -> int:
        """Length of the input vector of a network; see ``robomtl.layers.observer``."""
        robots = len(self.embodiments)
        goals = self.vision.features * len(self.goals)
        return int(self.history * self.observed + robots * (robots > 1) + goals)

    def index(self, name: str) -> int:
        """The index of an embodiment.

        Raises:
            InputError: If the policy was not built for it; the message names the nearest.
        """
        names = [each.name for each in self.embodiments]
        check_known("embodiment", name, names)
        return names.index(name)

    def robot(self, name: str) -> int:
        """The index of a robot by its name; always 0 for a policy of a single robot.

        Raises:
            InputError: If the policy was not built for it; the message names the nearest.
        """
        return 0 if len(self.embodiments) == 1 else self.index(name)

    def serving(self, embodiment: Embodiment) -> int:
        """The index of the robot whose features and actions fit an embodiment.

        A policy of a single robot serves every embodiment with the robot's features,
        whatever its name.

        Raises:
            InputError: If the policy was not built for this embodiment, or a feature is
                missing.
        """
        index = self.robot(embodiment.name)
        lacking = embodiment.lacks(self.embodiments[index])
        if lacking:
            raise InputError(
                f"'{embodiment.name}' {lacking}; the policy was built for"
                f" {self.described}."
            )
        return index

    @property
    def described(self) -> str:
        """The robots with their features and action lengths, for messages."""
        return " and ".join(
            f"'{each.name}' ({each.sizes})" for each in self.embodiments
        )


def check_single(spec: Spec, who: str, others: Iterable[str]) -> None:
    """Refuses a spec with several robots, images, several vectors or a history.

    Args:
        spec: Sizes for which a policy is to be built.
        who: Name of the policy or method that reads a single vector.
        others: Names of policies or methods that support such specs.

    Raises:
        InputError: If the spec is refused; the message names the others.
    """
    if not spec.single or spec.history > 1:
        history = f", {spec.history} observations" if spec.history > 1 else ""
        raise InputError(
            f"{who} reads one observation of one robot, a vector named '{STATE}'; given:"
            f" {spec.described}{history}. Use {' or '.join(others)}."
        )


def check_vectors(spec: Spec, who: str, others: Iterable[str]) -> None:
    """Refuses a spec with images, several vectors of a robot, or a history.

    Args:
        spec: Sizes for which a policy is to be built; it may have several robots.
        who: Name of the policy or method that reads a single vector.
        others: Names of policies or methods that support such specs.

    Raises:
        InputError: If the spec is refused; the message names the others.
    """
    plain = all([*each.observation] == [STATE] for each in spec.embodiments)
    if not plain or spec.images or spec.history > 1:
        history = f", {spec.history} observations" if spec.history > 1 else ""
        raise InputError(
            f"{who} reads one observation, a vector named '{STATE}'; given:"
            f" {spec.described}{history}. Use {' or '.join(others)}."
        )


def _check_names(embodiments: Iterable[Embodiment]) -> None:
    names = [each.name for each in embodiments]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two embodiments have the name '{name}'; give each its own name."
            )


def _check_images(embodiments: Iterable[Embodiment]) -> None:
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for each in embodiments:
        for name, feature in each.images.items():
            robot, shape = shapes.setdefault(name, (each.name, feature.shape))
            if shape != feature.shape:
                raise InputError(
                    f"The image '{name}' of '{each.name}' has the shape {feature.shape},"
                    f" that of '{robot}' {shape}; images of one name must have one shape."
                )
        _check_kinds(each, embodiments)


def _check_kinds(embodiment: Embodiment, others: Iterable[Embodiment]) -> None:
    kinds: Mapping[str, Feature] = embodiment.observation
    for other in others:
        for name in sorted(kinds.keys() & other.observation.keys()):
            if kinds[name].kind != other.observation[name].kind:
                raise InputError(
                    f"The feature '{name}' is {kinds[name]} in '{embodiment.name}' and"
                    f" {other.observation[name]} in '{other.name}'; features of one name"
                    " must have one kind."
                )
