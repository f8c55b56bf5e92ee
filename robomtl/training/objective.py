"""Training objectives: their protocol, their registry, and behaviour cloning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from robomtl.catalogue import Registry
from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.features import STATE
from robomtl.policy import POLICIES, Batch, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.training.augmenting import Augmenter
from robomtl.training.balancing import method_of
from robomtl.training.config import TrainConfig
from robomtl.training.frames import Frames
from robomtl.training.samples import Sampler, SamplerConfig, every_frame
from robomtl.training.sampling import temperature_of

_ROWS = 1024  # Samples in a validation batch.


@dataclass(frozen=True, kw_only=True)
class Material:
    """Data from which batches are drawn."""

    frames: Frames
    """Frames of the episodes, sorted by task."""
    wordings: InstructionEmbeddings
    """Instruction embeddings of each task."""
    conditioning: Conditioning
    """Conditioning of the policy, which composes task embeddings."""
    chunk: int
    """Actions in a sample."""
    weights: tuple[float, ...] | None = None
    """Weights of the data sets; None to draw tasks as if from one data set."""
    fractions: tuple[float, ...] | None = None
    """Fraction of the samples drawn from each group, a task in a data set; None if the
    fractions follow from the weights and the temperature."""
    augmenter: Augmenter | None = None
    """Draws the augmentation of samples; None for validation."""

    def in_order(self, size: int) -> Iterator[Batch]:
        """All frames in order with the canonical instructions, in batches of ``size``."""
        return every_frame(
            self.frames,
            self.wordings,
            self.conditioning,
            chunk=self.chunk,
            size=size,
        )

    def observations(self, seed: int) -> Iterator[Mapping[str, Tensor]]:
        """Blocks of observations as training draws them, to fit normalisers on.

        A single block if the frames are resident.
        """
        if self.augmenter is None:
            yield from self.frames.blocks()
        else:
            yield {STATE: self.augmenter.states(self.frames, seed)}


class TaskBatch(Protocol):
    """A batch of any objective, with the tasks that training logs."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each entry of the loss; (sample,)."""
        ...


class Draws(Protocol):
    """Draws the batches of a run; a step's batch depends on the step alone."""

    def batch(self, step: int, size: int) -> Any:
        """The batch of a step, with about ``size`` samples; see ``TaskBatch``."""
        ...


@runtime_checkable
class RestrictedObjective(Protocol):
    """An objective that does not fit every policy."""

    def check(self, name: str, policy: type[Policy]) -> None:
        """Checks that the objective can train a policy.

        Args:
            name: Registered name of the policy.
            policy: Class of the policy.

        Raises:
            InputError: If it cannot; the message names policies that fit.
        """
        ...


@runtime_checkable
class MomentumObjective(Protocol):
    """An objective with weights that follow the trained ones, such as a momentum encoder."""

    def follow(self, policy: Policy) -> None:
        """Updates these weights after a gradient step.

        Args:
            policy: Policy after the step, with the weights in its module ``meta``.
        """
        ...


def check_fits(objective: object, policy: str) -> None:
    """Checks that an objective can train a policy.

    Args:
        objective: The objective.
        policy: Registered name of the policy.

    Raises:
        InputError: If it cannot; the message names policies that fit.
    """
    if isinstance(objective, RestrictedObjective):
        objective.check(policy, POLICIES.get(policy))


@runtime_checkable
class ProjectingObjective(Protocol):
    """An objective that changes the gradient before the step is taken."""

    def project(self, policy: Policy, batch: Any) -> None:
        """Changes the gradients of the policy's parameters in place.

        Args:
            policy: Policy in training; its parameters have the gradient of the batch.
            batch: Batch of the objective's kind.
        """
        ...


class Objective(Protocol):
    """The objective of a training; a frozen dataclass of its settings.

    An objective whose loss of a sample depends on that sample alone, and whose draws are
    ``Divisible``, may have the class attribute ``divisible = True``: several processes can
    then share a batch.
    """

    @property
    def demonstration(self) -> int:
        """Length of the vector that is inferred from demonstrations; 0 for none."""
        ...

    def meta(self, policy: Policy) -> nn.Module | None:
        """The initialised module that is trained beside a policy; None for none.

        Raises:
            ValueError: If the objective does not fit the policy.
        """
        ...

    def draws(self, material: Material, config: TrainConfig) -> Draws:
        """The batches of a run.

        Raises:
            ValueError: If the demonstrations are too few or do not fit.
        """
        ...

    def validation(self, material: Material) -> Iterator[Any]:
        """Batches of held-out episodes, the same at every call; none if there are none."""
        ...

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of a batch from ``draws`` or ``validation``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cloning:
    """Behaviour cloning: the policy's own loss on single frames."""

    divisible: ClassVar[bool] = True

    @property
    def demonstration(self) -> int:
        """Length of what is inferred from demonstrations: 0, as nothing is."""
        return 0

    def meta(self, policy: Policy) -> None:
        """None: no module is trained beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> Sampler:
        """Batches of frames, with tasks sampled as the config says."""
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
        """Batches of all held-out frames, in order."""
        return material.in_order(_ROWS)

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own loss of each sample."""
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
"""Training objectives by name: frozen dataclasses of their settings."""


def trains_actions(objective: str) -> bool:
    """Whether an objective trains a policy to act, and not its features alone."""
    return continued_by(objective) == objective


def continued_by(objective: str) -> str:
    """Default objective of a training that starts from a policy trained by another.

    Usually the same objective. An objective that trains features alone leaves a policy that
    cannot act, and has the next objective in its class attribute ``continued``.

    Args:
        objective: Registered name of the objective that the policy was trained by.
    """
    following: str = getattr(OBJECTIVES.get(objective), "continued", objective)
    return following
