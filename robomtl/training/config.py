"""The settings of a training run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any, Literal

from robomtl import ranges
from robomtl.acting.actor_settings import ActorSettings
from robomtl.alignment import Aligning
from robomtl.arguments import shown
from robomtl.conditioning import InstructionAugmentation
from robomtl.earlier import present
from robomtl.errors import InputError
from robomtl.execution.machine import Machine, Precision
from robomtl.execution.threads import ThreadCount, check_threads
from robomtl.files.untrusted import converted
from robomtl.layers.vision import Vision
from robomtl.ranges import (
    check_counts,
    check_not_negative,
    check_parts,
    check_positive,
    check_seed,
    check_types,
    settings,
)
from robomtl.training.augmentation import Augmentation
from robomtl.training.auxiliary import Auxiliary
from robomtl.training.balancing import (
    Aggregation,
    Balancing,
    Sampling,
    Weighting,
    check_together,
)
from robomtl.training.image_augmentation import ImageAugmentation
from robomtl.training.remix import Mixing, Remix, check_alone

Schedule = Literal["warmup_cosine", "cosine", "constant"]
LearnerKind = Literal["joined", "module"]


@settings
@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training run."""

    steps: int = 20_000
    """Gradient steps."""
    batch_size: int = 256
    """Samples per step, over all processes."""
    accumulate: int = 1
    """Gradient accumulation: passes over which a process computes its samples of a step,
    to save memory."""
    processes: int = 1
    """Processes that share the samples of a step, each on its own device. More than one
    needs the extra ``accelerate``; ``accelerate launch`` sets its own number."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    schedule: Schedule = "warmup_cosine"
    """Learning rate schedule: ``warmup_cosine`` warms up linearly, then decays along half
    a cosine; ``cosine`` decays only; ``constant`` stays."""
    warmup_fraction: float = 0.1
    """Fraction of the run over which ``warmup_cosine`` warms up."""
    max_grad_norm: float = 1.0
    """Norm to which a larger gradient is clipped."""
    ema_decay: float = 0.999
    """EMA decay; the EMA policy acts; 0 disables."""
    train: tuple[str, ...] = ()
    """Parts of the policy that are trained, such as ``observer`` (the image encoders), ``trunk``
    and ``head``, if training starts from another policy; all if empty. The other
    parts are frozen."""
    learning_rate_factors: tuple[tuple[str, float], ...] = ()
    """Parts of the policy, such as ``trunk`` or ``trunk.0``, and the factors that multiply
    their learning rate; 0 freezes a part."""
    weight_decays: tuple[tuple[str, float], ...] = ()
    """Parts of the policy and their weight decay, in place of ``weight_decay``."""
    learner: LearnerKind = "joined"
    """Storage of the weights: ``joined`` in one vector, which is fastest; ``module`` in
    separate parameters, for policies with parameters of several types."""
    precision: Precision = "auto"
    """Precision of the network's arithmetic; weights and losses stay float32. ``auto`` is
    bfloat16 where the device computes in it natively, and float32 elsewhere."""
    sampling: Sampling = "temperature"
    """Sampling of tasks: by ``temperature``, with ``uniform`` and ``proportional`` as names
    of infinity and 1, or by ``validation_loss``."""
    temperature: float = inf
    """Tasks are sampled with probability ∝ frames^(1/temperature): 1 is proportional to
    the data, infinity is uniform."""
    mixture: Mixing = "given"
    """Sampling weights of tasks and data sets: ``given`` by ``sampling`` and the weights of
    data sets, or ``learned`` before the training, see ``remix``."""
    remix: Remix = field(default_factory=Remix)
    """Settings of a learned mixture."""
    weighting: Weighting = "fixed"
    """Weighting of the tasks' losses; all but ``fixed`` need positive losses."""
    aggregation: Aggregation = "mean"
    """Aggregation of the tasks' gradients into one."""
    balancing: Balancing = field(default_factory=Balancing)
    """Settings of weightings and aggregations."""
    instruction_augmentation: InstructionAugmentation = field(
        default_factory=InstructionAugmentation
    )
    """Augmentation of instructions."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Augmentation by constructed tasks."""
    image_augmentation: ImageAugmentation = field(default_factory=ImageAugmentation)
    """Augmentation of images."""
    vision: Vision = field(default_factory=Vision)
    """Image encoder of the policy, if it observes images."""
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    """Auxiliary losses, which are used in training only."""
    goal_images: float = 0.5
    """Fraction of the samples with a goal image and no instruction, if the policy is
    conditioned on both; the others have the instruction and no goal image."""
    alignment: Aligning = "none"
    """Action space of several robots: ``end_effector`` is one action for all, the
    displacement of the hand and the gripper scaled by their units; with ``none`` each robot
    has its own outputs."""
    features: tuple[str, ...] = ()
    """Observation features that the policy reads, such as a camera; all if empty."""
    other_pictures: bool = False
    """Whether images may be of several rendering profiles: of two data sets, or of the data
    and the policy that training starts from."""
    history: int | None = None
    """Observations that the policy reads: the current one and those before it. If None,
    as many as the policy that training starts from, or the architecture's default."""
    execute: int | None = None
    """Actions of a predicted chunk that are executed before the next prediction; all if
    None."""
    ensemble: float | None = None
    """Temporal ensembling of overlapping chunks, with weights exp(-ensemble * i), i = 0
    for the oldest; none if None."""
    validation: float = 0.04
    """Fraction of each task's episodes that is held out for validation, rounded down."""
    log_every: int = 100
    """Steps between logged metrics."""
    validate_every: int = 1000
    """Steps between validation losses."""
    save_every: int = 500
    """Steps between checkpoints."""
    conflicts_every: int = 0
    """Steps between measurements of the cosines between the tasks' gradients; 0 for
    none."""
    affinity_every: int = 0
    """Steps between measurements of affinity: the change in each task's loss after a step
    on another; 0 for none."""
    evaluate_every: int = 0
    """Steps between evaluations of the policy in training; 0 for none."""
    evaluate_episodes: int = 5
    """Trials per task in these evaluations."""
    prefetch: Literal["auto", "on", "off"] = "auto"
    """Whether a thread draws the next batch during a step; results are the same. ``auto``
    does if drawing takes at least a tenth of a step, a core is free and at least 100 steps
    remain."""
    seed: int = 0
    """Seed of the initial weights and of every draw."""
    device: str = "auto"
    """Torch device to train on; ``auto`` is cuda if available, else cpu."""
    compile: bool = False
    """Whether the loss is compiled by ``torch.compile``, which takes a minute or more at
    the start and needs a C++ compiler on the CPU; losses are equal up to rounding."""
    threads: ThreadCount = "auto"
    """Threads of torch on the CPU; results are bit-identical for equal numbers. ``auto``
    is one, or more where they are clearly faster, see ``robomtl.execution.threads``."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is unknown or out of range, or two contradict each other.
        """
        check_types(self)
        check_threads(self.threads)
        check_seed(self.seed)
        check_not_negative(self, "weight_decay", "evaluate_every")
        check_not_negative(self, "conflicts_every", "affinity_every")
        positive = ("steps", "batch_size", "log_every", "validate_every", "save_every")
        history = ("history",) if self.history is not None else ()
        check_counts(self, *positive, "evaluate_episodes", *history)
        check_counts(self, "accumulate", "processes")
        if self.sampling == "validation_loss" and self.validate_every >= self.steps:
            raise InputError(
                f"sampling 'validation_loss' needs losses that are first measured at step"
                f" {self.validate_every}, of {self.steps}; give a smaller validate_every,"
                f" such as {max(self.steps // 10, 1)}."
            )
        endless = "max_grad_norm", "temperature"
        check_positive(self, "learning_rate", *endless, endless=endless)
        check_parts(self, "warmup_fraction", "ema_decay", "validation", "goal_images")
        _ = self.acting  # ActorSettings checks ``execute`` and ``ensemble``.
        for name in ("learning_rate_factors", "weight_decays"):
            check_by_part(name, getattr(self, name))
        if self.mixture == "learned":
            self._check_mixture()
        check_together(
            self.sampling,
            self.weighting,
            self.aggregation,
            temperature=self.temperature,
            balancing=self.balancing,
        )

    @property
    def acting(self) -> ActorSettings:
        """Settings by which the policy's chunks of actions are executed."""
        return ActorSettings(execute=self.execute, ensemble=self.ensemble)

    def check_chunk(self, architecture: object) -> None:
        """Checks that an architecture's chunks can be executed with these settings.

        Args:
            architecture: Config of a policy.

        Raises:
            InputError: If its chunks are too short; see ``ActorSettings.check``.
        """
        self.acting.check(int(getattr(architecture, "chunk", 1)))

    def _check_mixture(self) -> None:
        """Checks the settings that a learned mixture excludes; see ``check_alone``."""
        usual = TrainConfig()
        names = (
            "weighting",
            "aggregation",
            "processes",
            "accumulate",
            "compile",
            "auxiliary",
        )
        given = {
            name: None
            if getattr(self, name) == getattr(usual, name)
            else getattr(self, name)
            for name in names
        }
        by_loss = self.sampling if self.sampling == "validation_loss" else None
        weights = dict(self.balancing.weights) or None
        check_alone(**given, sampling=by_loss, **{"balancing.weights": weights})


def check_by_part(name: str, values: Sequence[tuple[str, float]]) -> None:
    """Checks a setting that has one value for each part of a policy.

    Raises:
        InputError: If a part has no value or two, or a value is negative or infinite.
    """
    for each in values:
        if len(each) != 2:
            raise InputError(
                f"{name} has {shown(each)}; give each part with its value, such as"
                " ('trunk', 0.1)."
            )
    named = [part for part, _ in values]
    for part, value in values:
        if not 0 <= value < inf:
            raise InputError(f"{name} has {value} for '{part}'; give 0 or more.")
        if named.count(part) > 1:
            raise InputError(f"{name} has two values for '{part}'; give one.")


def with_machine(config: TrainConfig, machine: Machine) -> TrainConfig:
    """The config with ``auto`` replaced by the machine's values."""
    auto = {
        name: getattr(machine, name)
        for name in ("device", "precision")
        if getattr(config, name) == "auto"
    }
    return replace(config, **auto)


def config_of(values: Mapping[str, Any], *, where: str) -> TrainConfig:
    """The config that a run directory records; missing settings have their defaults.

    Args:
        values: Values under ``training`` in ``run.json``; earlier names are read too.
        where: Origin of the values, for messages.

    Raises:
        InputError: If a name is unknown, or a value is of another type or out of range.
    """
    values = present(values, [each.name for each in fields(TrainConfig)])
    try:
        ranges.check_names(TrainConfig, values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    endless = {"temperature": inf} if values.get("temperature") == "inf" else {}
    return converted({**values, **endless}, TrainConfig, where=where)
