"""The sizes that a policy is built for: what it reads, and what it predicts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from robomtl.alignment import Alignment
from robomtl.errors import InputError
from robomtl.features import STATE, Embodiment, Feature, vector_embodiment
from robomtl.layers.vision import Vision
from robomtl.nearest import check_known

GOAL = "goal."
"""What the name of an image feature is preceded by where an image shows the goal."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The sizes a policy is built for.

    ``Spec(state=39, action=4, embedding=384)`` is that of one robot with one vector. With
    ``embodiments``, the fields ``state`` and ``action`` follow from them.
    """

    state: int = 0
    """Length of ``observation["state"]``, the longest where robots differ; 0 for none."""
    action: int = 0
    """Length of an action, the longest where robots differ."""
    embedding: int
    """Length of the task embedding; 0 without conditioning."""
    tasks: int = 1
    """Number of tasks it is trained on, for policies that have a part for each."""
    embodiments: tuple[Embodiment, ...] = ()
    """What the robots observe and how they act, in the order of their index."""
    history: int = 1
    """Number of observations that a policy reads: the current one and those before it."""
    vision: Vision = field(default_factory=Vision)
    """How it encodes images, if it observes any."""
    text: int = 0
    """Length of an instruction's characters, with which the task embedding begins where
    the policy reads text; 0 where it does not."""
    alignment: Alignment | None = None
    """How robots share one action; None where each has its own."""
    goal_image: bool = False
    """Whether each camera also shows it the goal: see ``goals``."""

    def __post_init__(self) -> None:
        """Checks the sizes, and derives those that follow from the embodiments.

        Raises:
            InputError: If a size is impossible, or the embodiments do not go together.
        """
        if min(self.tasks, self.history) < 1 or self.embedding < 0:
            raise InputError(
                f"tasks is {self.tasks}, history {self.history} and embedding"
                f" {self.embedding}; tasks and history take 1 or more, embedding 0 or more."
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
                    f"{name} is {getattr(self, name)}, but {size} of the embodiments;"
                    " leave it out."
                )
            object.__setattr__(self, name, size)

    def _check_vectors(self) -> None:
        if min(self.state, self.action) < 1:
            raise InputError(
                f"state is {self.state} and action {self.action}; state and action take 1"
                " or more where there are no embodiments."
            )

    @property
    def states(self) -> dict[str, int]:
        """Length of each state feature, the longest where robots differ, by name."""
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
        """The images of the goal, by the names under which observations hold them."""
        if not self.goal_image:
            return {}
        return {GOAL + name: feature for name, feature in self.images.items()}

    @property
    def actions(self) -> tuple[int, ...]:
        """Lengths of what is predicted: of each robot's actions, or of the shared one."""
        if self.alignment is not None:
            return (len(self.alignment.slots),)
        return tuple(each.action.size for each in self.embodiments)

    @property
    def single(self) -> bool:
        """Whether there is one robot, which observes one vector named ``state``."""
        return (
            len(self.embodiments) == 1
            and not self.images
            and list(self.states) == [STATE]
        )

    @property
    def places(self) -> list[slice]:
        """Where the state features of each robot stand, all robots side by side."""
        sizes = (sum(each.states.values()) for each in self.embodiments)
        ends = list(accumulate(sizes, initial=0))
        return [slice(start, stop) for start, stop in pairwise(ends)]

    @property
    def observed(self) -> int:
        """Length of one joined observation: states of all robots, then encoded images."""
        return int(self.places[-1].stop + self.vision.features * len(self.images))

    @property
    def inputs(self) -> int:
        """Length of the vector that a network reads: see ``robomtl.layers.observing``."""
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
        """The index of a robot by its name; a policy of one robot acts as that.

        Raises:
            InputError: If the policy was not built for it; the message names the nearest.
        """
        return 0 if len(self.embodiments) == 1 else self.index(name)

    def serving(self, embodiment: Embodiment) -> int:
        """The index of the robot as which a policy acts in an embodiment.

        A policy that was built for one robot acts in any that has its features, whatever
        the name.

        Raises:
            InputError: If the policy was not built for it, or a feature is missing.
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
        """What it was built for, in words for messages."""
        robots = []
        for each in self.embodiments:
            features = [f"{name} {it.shape}" for name, it in each.observation.items()]
            robots.append(
                f"'{each.name}' ({', '.join(sorted(features))}, actions of length"
                f" {each.action.size})"
            )
        return " and ".join(robots)


def check_single(spec: Spec, who: str, others: Iterable[str]) -> None:
    """Refuses robots that differ, images, and several vectors.

    Args:
        spec: What a policy is to be built for.
        who: Name of the policy or method that reads one vector alone.
        others: Names of what would fit.

    Raises:
        InputError: If the spec has more than one robot with one vector, or a history.
    """
    if not spec.single or spec.history > 1:
        history = f", {spec.history} observations" if spec.history > 1 else ""
        raise InputError(
            f"{who} reads one observation of one robot, a vector named '{STATE}'; here are"
            f" {spec.described}{history}. Take {' or '.join(others)}."
        )


def check_vectors(spec: Spec, who: str, others: Iterable[str]) -> None:
    """Refuses images, several vectors of a robot, and histories; robots may differ.

    Args:
        spec: What a policy is to be built for.
        who: Name of the policy or method that reads one vector alone.
        others: Names of what would fit.

    Raises:
        InputError: If a robot observes anything but one vector, or there is a history.
    """
    plain = all([*each.observation] == [STATE] for each in spec.embodiments)
    if not plain or spec.images or spec.history > 1:
        history = f", {spec.history} observations" if spec.history > 1 else ""
        raise InputError(
            f"{who} reads one observation, a vector named '{STATE}'; here are"
            f" {spec.described}{history}. Take {' or '.join(others)}."
        )


def _check_names(embodiments: Iterable[Embodiment]) -> None:
    names = [each.name for each in embodiments]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Two embodiments have the name '{name}'; name each once.")


def _check_images(embodiments: Iterable[Embodiment]) -> None:
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for each in embodiments:
        for name, feature in each.images.items():
            robot, shape = shapes.setdefault(name, (each.name, feature.shape))
            if shape != feature.shape:
                raise InputError(
                    f"The image '{name}' of '{each.name}' has the shape {feature.shape},"
                    f" that of '{robot}' {shape}; images of one name have one shape."
                )
        _check_kinds(each, embodiments)


def _check_kinds(embodiment: Embodiment, others: Iterable[Embodiment]) -> None:
    kinds: Mapping[str, Feature] = embodiment.observation
    for other in others:
        for name in sorted(kinds.keys() & other.observation.keys()):
            if kinds[name].kind != other.observation[name].kind:
                raise InputError(
                    f"'{name}' is {kinds[name]} of '{embodiment.name}' and"
                    f" {other.observation[name]} of '{other.name}'; a name means one kind."
                )
