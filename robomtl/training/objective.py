"""Objectives that training minimises: their contract, and behaviour cloning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from robomtl.catalogue import Registry
from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.features import STATE
from robomtl.policy import POLICIES, Batch, Loss, Policy
from robomtl.policy_border import loss_of
from robomtl.training.augmenting import Augmenter
from robomtl.training.balancing import method_of
from robomtl.training.config import TrainConfig
from robomtl.training.frames import Frames
from robomtl.training.samples import Sampler, SamplerConfig, every_frame
from robomtl.training.sampling import temperature_of

_ROWS = 1024  # Of a validation batch.


@dataclass(frozen=True, kw_only=True)
class Material:
    """What batches are made of."""

    frames: Frames
    """Frames of the episodes, sorted by task."""
    wordings: InstructionEmbeddings
    """Instruction embeddings of each task."""
    conditioning: Conditioning
    """Adds the goal, and what is inferred, to it."""
    chunk: int
    """Actions in a sample."""
    weights: tuple[float, ...] | None = None
    """Weights of the data sets; None where tasks are drawn as from one."""
    fractions: tuple[float, ...] | None = None
    """Fractions of the samples that are drawn of each group, a task in a data set; None
    where they follow from the weights and the temperature."""
    augmenter: Augmenter | None = None
    """Changes what is drawn; validation leaves it out."""

    def in_order(self, size: int) -> Iterator[Batch]:
        """All frames in order under the canonical instructions, in batches of a size."""
        return every_frame(
            self.frames,
            self.wordings,
            self.conditioning,
            chunk=self.chunk,
            size=size,
        )

    def observations(self, seed: int) -> Iterator[Mapping[str, Tensor]]:
        """Blocks of observations as training draws them, to fit normalisers on.

        A single block where the frames are resident.
        """
        if self.augmenter is None:
            yield from self.frames.blocks()
        else:
            yield {STATE: self.augmenter.states(self.frames, seed)}


class Drawn(Protocol):
    """A batch of any kind, as training logs it."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each entry of the loss; (sample,)."""
        ...


class Draws(Protocol):
    """Draws the batches of a run; a step's batch depends on the step alone."""

    def batch(self, step: int, size: int) -> Any:
        """The batch of a step, with about this many samples; see ``Drawn``."""
        ...


@runtime_checkable
class Particular(Protocol):
    """An objective by which not every policy can be trained."""

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy that does not fit.

        Args:
            name: Registered name of the policy.
            policy: Its class.

        Raises:
            InputError: If it does not fit; names what does.
        """
        ...


@runtime_checkable
class Follows(Protocol):
    """An objective with weights that follow those that are trained."""

    def follow(self, policy: Policy) -> None:
        """Moves these weights after a gradient step.

        Args:
            policy: As the step has left it; has them in its part ``meta``.
        """
        ...


def check_fits(objective: object, policy: str) -> None:
    """Refuses a policy that an objective cannot train.

    Args:
        objective: The objective.
        policy: Registered name of the policy.

    Raises:
        InputError: If it cannot; names what fits.
    """
    if isinstance(objective, Particular):
        objective.check(policy, POLICIES.get(policy))


@runtime_checkable
class Projecting(Protocol):
    """An objective that changes the gradient before the step is taken."""

    def project(self, policy: Policy, batch: Any) -> None:
        """Changes the gradients of the policy's parameters in place.

        Args:
            policy: In training; its parameters have the gradient of the batch.
            batch: As it was drawn.
        """
        ...


class Objective(Protocol):
    """The objective of a training; a frozen dataclass of its settings.

    One whose loss of a sample depends on that sample alone, and whose draws are
    ``Divisible``, may say so by a class attribute ``divisible = True``: several processes
    can then share a batch.
    """

    @property
    def demonstration(self) -> int:
        """Length of the vector that is inferred from demonstrations."""
        ...

    def meta(self, policy: Policy) -> nn.Module | None:
        """The module that is learned beside a policy, initialised; None for none.

        Raises:
            ValueError: If the objective does not fit the policy.
        """
        ...

    def draws(self, material: Material, config: TrainConfig) -> Draws:
        """The batches of a run.

        Raises:
            ValueError: If the demonstrations do not suffice.
        """
        ...

    def validation(self, material: Material) -> Iterator[Any]:
        """Batches of held-out episodes, the same at every call; none if there are none."""
        ...

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of a batch that was drawn."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cloning:
    """Behaviour cloning: the policy's own loss on single frames."""

    divisible: ClassVar[bool] = True

    @property
    def demonstration(self) -> int:
        """Nothing is inferred."""
        return 0

    def meta(self, policy: Policy) -> None:
        """Nothing."""

    def draws(self, material: Material, config: TrainConfig) -> Sampler:
        """Frames, of tasks as the config samples them."""
        sampler = Sampler(
            material.frames,
            material.wordings,
            material.conditioning,
            chunk=material.chunk,
            config=SamplerConfig(
                seed=config.seed,
                temperature=temperature_of(config.sampling, config.temperature),
                weights=material.weights,
                fractions=material.fractions,
                goal_images=config.goal_images,
                images=config.image_augmentation,
            ),
            augmenter=material.augmenter,
        )
        even = method_of(config.weighting, config.aggregation)
        return sampler.evenly() if even else sampler

    def validation(self, material: Material) -> Iterator[Batch]:
        """All frames in order."""
        return material.in_order(_ROWS)

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own."""
        return loss_of(policy, batch)


OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective",
    "robomtl.objectives",
    {
        "agem": "robomtl.continual.agem:AgemTraining",
        "alpaca": "robomtl.adaptation.methods.alpaca:AlpacaTraining",
        "anil": "robomtl.adaptation.methods.maml:AnilObjective",
        "cloning": "robomtl.training.objective:Cloning",
        "context": "robomtl.adaptation.methods.context:ContextTraining",
        "coral": "robomtl.training.coral:Coral",
        "dann": "robomtl.training.dann:Dann",
        "ewc": "robomtl.continual.ewc:EwcTraining",
        "imaml": "robomtl.adaptation.methods.imaml:ImamlObjective",
        "in_context": "robomtl.adaptation.methods.in_context:InContextTraining",
        "language_alignment": "robomtl.pretraining.language_alignment:LanguageAlignment",
        "latent_actions": "robomtl.pretraining.latent_actions:LatentActions",
        "maml": "robomtl.adaptation.methods.maml:MamlObjective",
        "masked_trajectory": "robomtl.pretraining.masked_trajectory:MaskedTrajectory",
        "meta_sgd": "robomtl.adaptation.methods.maml:MetaSgdObjective",
        "mil": "robomtl.adaptation.methods.maml:MilObjective",
        "momentum_contrast": "robomtl.pretraining.momentum_contrast:MomentumContrast",
        "neural_process": "robomtl.adaptation.methods.neural_process:NeuralProcessTraining",
        "packnet": "robomtl.continual.packnet:PacknetTraining",
        "pearl_context": "robomtl.adaptation.methods.pearl_context:PearlContextTraining",
        "regent": "robomtl.adaptation.methods.regent:RegentTraining",
        "reptile": "robomtl.adaptation.methods.reptile:ReptileObjective",
        "tecnet": "robomtl.adaptation.methods.tecnet:TecnetTraining",
        "text_cotraining": "robomtl.training.text_cotraining:TextCotraining",
        "time_contrastive": "robomtl.pretraining.time_contrastive:TimeContrastive",
    },
)
"""What training minimises: frozen dataclasses of an objective's settings."""


def trains_actions(objective: str) -> bool:
    """Whether an objective trains what acts, and not features alone; see ``continued_by``."""
    return continued_by(objective) == objective


def continued_by(objective: str) -> str:
    """The objective of a training that starts from a policy of another; usually the same.

    An objective that trains features alone leaves a policy without actions, and names the
    one that comes next as ``continued``.

    Args:
        objective: Registered name of what the policy was trained by.
    """
    following: str = getattr(OBJECTIVES.get(objective), "continued", objective)
    return following
