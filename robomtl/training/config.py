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
    """Settings of behaviour cloning."""

    steps: int = 20_000
    """Gradient steps."""
    batch_size: int = 256
    """Samples per step, of all processes together."""
    accumulate: int = 1
    """Passes in which a process computes the gradient of its samples, for less memory."""
    processes: int = 1
    """Processes that share the samples of a step, on a device each. More than one needs the
    extra ``accelerate``; ``accelerate launch`` gives its own number."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    schedule: Schedule = "warmup_cosine"
    """Learning rate over the run: ``warmup_cosine`` rises linearly and falls along half a
    cosine, ``cosine`` only falls, ``constant`` stays."""
    warmup_fraction: float = 0.1
    """Fraction of the run over which ``warmup_cosine`` warms up."""
    max_grad_norm: float = 1.0
    """Norm to which a larger gradient is clipped."""
    ema_decay: float = 0.999
    """EMA decay; the EMA policy acts; 0 disables."""
    train: tuple[str, ...] = ()
    """Parts of the policy that are trained, such as ``trunk`` and ``head``, where training
    starts from another policy; all if empty. The others stay as they are."""
    learning_rate_factors: tuple[tuple[str, float], ...] = ()
    """Parts of the policy, such as ``trunk`` or ``trunk.0``, and what their learning rate
    is multiplied by; 0 freezes a part."""
    weight_decays: tuple[tuple[str, float], ...] = ()
    """Parts of the policy and their own weight decay."""
    learner: LearnerKind = "joined"
    """How weights are stored: ``joined`` in one vector, which is fastest; ``module`` leaves
    every parameter where it is, for policies with parameters of several types."""
    precision: Precision = "auto"
    """Arithmetic of the network, whose weights and losses stay float32; ``auto`` is
    bfloat16 where the device computes in it natively, and float32 elsewhere."""
    sampling: Sampling = "temperature"
    """How tasks are sampled: by ``temperature``, of which ``uniform`` and ``proportional``
    are two values, or by ``validation_loss``."""
    temperature: float = inf
    """Tasks are sampled with probability ∝ frames^(1/temperature): 1 is proportional to
    the data, infinity is uniform."""
    mixture: Mixing = "given"
    """Whether tasks are drawn as sampling and the weights of data sets say (given), or by
    weights of tasks and data sets that are learned first (learned), see ``remix``."""
    remix: Remix = field(default_factory=Remix)
    """Settings of a learned mixture."""
    weighting: Weighting = "fixed"
    """How the tasks' losses are weighted; all but ``fixed`` need positive losses."""
    aggregation: Aggregation = "mean"
    """How the tasks' gradients are combined."""
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
    """How the policy encodes images, if it observes any."""
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    """Losses beside the policy's own, which only training sees."""
    goal_images: float = 0.5
    """Fraction of the samples that are shown a goal image and no instruction, where the
    policy is conditioned on both; the others are given the instruction alone."""
    alignment: Aligning = "none"
    """Whether robots share one action, the displacement of the hand and the gripper scaled
    by their units (end_effector), or each has outputs of its own (none)."""
    features: tuple[str, ...] = ()
    """Observation features that the policy reads, such as a camera; all if empty."""
    history: int | None = None
    """Observations that the policy reads: the present one and those before it. If None,
    as many as the start of the training reads, or as is usual for the architecture."""
    execute: int | None = None
    """Actions of a predicted chunk that are executed before the next prediction; all if
    None."""
    ensemble: float | None = None
    """Temporal ensembling of overlapping chunks, with weights exp(-ensemble * i), i = 0
    for the oldest; none if None."""
    validation: float = 0.04
    """Fraction of each task's episodes that is held out, rounded down."""
    log_every: int = 100
    """Steps between logged metrics."""
    validate_every: int = 1000
    """Steps between validation losses."""
    save_every: int = 500
    """Steps between checkpoints."""
    conflicts_every: int = 0
    """Steps between measurements of how far the tasks' gradients conflict; 0 for none."""
    affinity_every: int = 0
    """Steps between measurements of how a step on one task changes the losses of the
    others; 0 for none."""
    evaluate_every: int = 0
    """Steps between evaluations of the policy so far; 0 for none."""
    evaluate_episodes: int = 5
    """Trials a task in these evaluations."""
    prefetch: Literal["auto", "on", "off"] = "auto"
    """Whether a thread draws the next batch during a step, with the same numbers; ``auto``
    does where drawing takes a tenth of a step or more, a core is free and 100 steps or more
    are to be taken."""
    seed: int = 0
    """Seed of the initial weights and of every draw."""
    device: str = "auto"
    """Torch device to train on; ``auto`` is cuda if available, else cpu."""
    compile: bool = False
    """Whether the loss is compiled by ``torch.compile``, which takes a minute or more at
    the start and needs a C++ compiler on the CPU; losses are equal to rounding."""
    threads: ThreadCount = "auto"
    """Threads of torch on the CPU; results are bit-identical for equal numbers. ``auto``
    is one, or more where they clearly pay, see ``robomtl.execution.threads``."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is unknown or out of range, or two do not go together.
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
        _ = self.acting  # It refuses numbers that are impossible or contradict.
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
        """How the policy's chunks of actions will be executed."""
        return ActorSettings(execute=self.execute, ensemble=self.ensemble)

    def check_chunk(self, architecture: object) -> None:
        """Refuses an architecture whose chunks cannot be executed as these settings say.

        Args:
            architecture: Config of a policy.

        Raises:
            InputError: If its chunks are too short; see ``ActorSettings.check``.
        """
        self.acting.check(int(getattr(architecture, "chunk", 1)))

    def _check_mixture(self) -> None:
        """Refuses what does not go with a learned mixture; see ``check_alone``."""
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
    """Refuses values of parts that are negative or infinite, and parts with two or none.

    Raises:
        InputError: If there are any.
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
        values: Under ``training`` in ``run.json``; earlier names are read too.
        where: Names them in messages.

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
