"""Co-training on texts and demonstrations, for policies that are language models.

Source: Brohan et al. 2023, "RT-2" (arXiv:2307.15818), section 3.2: co-fine-tuning on the
original data and robot data preserves the model's knowledge. A fraction of each batch is
text, from a file of questions and answers or of plain lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from robomtl.errors import InputError
from robomtl.files.durable import LINES_LIMIT
from robomtl.files.paths import located
from robomtl.files.untrusted import parse_json, read_file
from robomtl.policy import Batch, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Draws, Material
from robomtl.training.samples import mixed

_STREAM = 7919  # Separates the seed of the texts from that of the demonstrations.


class Text(NamedTuple):
    """A text to train on."""

    question: str
    """Prompt; may be empty."""
    answer: str
    """Continuation to be predicted."""


class Cotrained(NamedTuple):
    """A batch of samples of demonstrations and of texts."""

    batch: Batch
    """Samples of demonstrations."""
    texts: tuple[Text, ...]
    """Texts of the batch."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each sample of demonstrations; (sample,)."""
        return self.batch.task


@runtime_checkable
class ReadsText(Protocol):
    """A policy that can be trained on texts."""

    def text_loss(self, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """The loss of each text; (text,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class TextDraws:
    """Draws batches of which a fraction is text; see ``Draws``."""

    demonstrations: Draws
    """Draws of the samples of demonstrations."""
    texts: tuple[Text, ...]
    """Texts to draw from, uniformly."""
    fraction: float
    """Fraction of a batch that is text."""
    seed: int
    """Seed of the draws."""

    def batch(self, step: int, size: int) -> Cotrained:
        """The batch of a step, with at least one text and one sample."""
        count = min(max(round(self.fraction * size), 1), max(size - 1, 1))
        generator = Generator().manual_seed(mixed(self.seed + _STREAM, step))
        drawn = torch.randint(len(self.texts), (count,), generator=generator)
        batch = self.demonstrations.batch(step, max(size - count, 1))
        return Cotrained(batch, tuple(self.texts[index] for index in drawn.tolist()))


@dataclass(frozen=True, kw_only=True)
class TextCotraining:
    """Behaviour cloning with co-training on texts, for the policy ``rt2``."""

    architecture: ClassVar[str] = "rt2"
    text: str = ""
    """File of texts: ``.jsonl`` with a question and an answer per line, or plain lines."""
    fraction: float = 0.5
    """Fraction of each batch that is text."""

    def __post_init__(self) -> None:
        """Checks the fraction.

        Raises:
            InputError: If it is not between 0 and 1.
        """
        if not 0 < self.fraction < 1:
            raise InputError(
                f"fraction is {self.fraction}; give a number between 0 and 1."
            )

    @property
    def demonstration(self) -> int:
        """Length of what is inferred from demonstrations: 0, as nothing is."""
        return 0

    def check(self, name: str, policy: type[Policy]) -> None:
        """Checks that a policy can be trained on texts.

        Raises:
            InputError: If it cannot.
        """
        if not issubclass(policy, ReadsText):
            raise InputError(
                f"Policy '{name}' cannot be trained on texts; text_cotraining trains rt2."
            )

    def meta(self, policy: Policy) -> None:
        """None: no module is trained beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> TextDraws:
        """Batches of frames of demonstrations and of texts.

        Raises:
            InputError: If the file of texts is missing or damaged; see ``read_texts``.
        """
        return TextDraws(
            demonstrations=Cloning().draws(material, config),
            texts=read_texts(self.text),
            fraction=self.fraction,
            seed=config.seed,
        )

    def validation(self, material: Material) -> Iterator[Batch]:
        """Batches of held-out demonstrations, in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of demonstrations, plus the mean loss of the texts.

        The texts' loss is weighted by the ratio of texts to samples in a batch. A batch
        without texts, as in validation, has the policy's own loss.
        """
        if isinstance(batch, Batch):
            return loss_of(policy, batch)
        assert isinstance(policy, ReadsText)
        acted = loss_of(policy, batch.batch)
        questions, answers = zip(*batch.texts, strict=True)
        text_loss = policy.text_loss(questions, answers).mean()
        ratio = self.fraction / (1 - self.fraction)
        metrics = {**acted.metrics, "text_loss": text_loss.detach()}
        return Loss(acted.per_sample + ratio * text_loss, metrics)


def read_texts(file: str) -> tuple[Text, ...]:
    """The texts of a file, without empty lines.

    Raises:
        InputError: If the file is missing, empty, too large or not UTF-8, or a line has
            no answer.
    """
    path = located(file)
    if not file or not path.is_file():
        raise InputError(
            f"text is '{file}'; give a file of texts: .jsonl with a question and an answer"
            " per line, or plain lines."
        )
    try:
        lines = read_file(path, limit=LINES_LIMIT).decode().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from error
    questions = path.suffix == ".jsonl"
    texts = [
        _question(line, f"{path}, line {number}")
        if questions
        else Text("", line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not texts:
        raise InputError(f"{path} contains no text.")
    return tuple(texts)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """Content of a line of a ``.jsonl`` file."""

    question: str = ""
    answer: str = ""


def _question(line: str, where: str) -> Text:
    question = parse_json(line, _Question, where=where)
    if not question.answer:
        raise InputError(
            f'{where} lacks an answer; expected {{"question": "…", "answer": "…"}}.'
        )
    return Text(question.question, question.answer)
