"""Training on words beside demonstrations, for policies that are language models.

Source: Brohan et al. 2023, "RT-2" (arXiv:2307.15818), section 3.2: co-fine-tuning on the
original data and robots' keeps what the model knows. One sampler draws both: a fraction of
each batch is text, from a file of questions and answers or of plain lines.
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
from robomtl.policy_border import loss_of
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Draws, Material
from robomtl.training.samples import mixed

_STREAM = 7919  # Apart from the seeds of the demonstrations' draws.


class Text(NamedTuple):
    """A text to be learned."""

    question: str
    """What is given; may be empty."""
    answer: str
    """What is to be predicted."""


class Cotrained(NamedTuple):
    """Samples of demonstrations, and texts."""

    batch: Batch
    """Samples of demonstrations."""
    texts: tuple[Text, ...]
    """Texts."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each sample of demonstrations."""
        return self.batch.task


@runtime_checkable
class ReadsText(Protocol):
    """A policy that learns texts."""

    def text_loss(self, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """The loss of each text; (text,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class TextDraws:
    """Draws batches of which a fraction is text."""

    demonstrations: Draws
    """Draws the rest."""
    texts: tuple[Text, ...]
    """To draw from, each as likely."""
    fraction: float
    """Fraction of a batch that is text."""
    seed: int
    """Seed of the draws."""

    def batch(self, step: int, size: int) -> Cotrained:
        """The batch of a step."""
        count = min(max(round(self.fraction * size), 1), max(size - 1, 1))
        generator = Generator().manual_seed(mixed(self.seed + _STREAM, step))
        drawn = torch.randint(len(self.texts), (count,), generator=generator)
        batch = self.demonstrations.batch(step, max(size - count, 1))
        return Cotrained(batch, tuple(self.texts[place] for place in drawn.tolist()))


@dataclass(frozen=True, kw_only=True)
class TextCotraining:
    """Behaviour cloning and texts, for the policy ``rt2``."""

    architecture: ClassVar[str] = "rt2"
    text: str = ""
    """File of texts: ``.jsonl`` with a question and an answer a line, or plain lines."""
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
        """Nothing is inferred."""
        return 0

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy that does not learn texts.

        Raises:
            InputError: If it does not.
        """
        if not issubclass(policy, ReadsText):
            raise InputError(f"'{name}' learns no texts; text_cotraining trains rt2.")

    def meta(self, policy: Policy) -> None:
        """Nothing is learned beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> TextDraws:
        """Frames of demonstrations, and texts."""
        return TextDraws(
            demonstrations=Cloning().draws(material, config),
            texts=read_texts(self.text),
            fraction=self.fraction,
            seed=config.seed,
        )

    def validation(self, material: Material) -> Iterator[Batch]:
        """Held-out demonstrations in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Any) -> Loss:
        """The loss of each sample of demonstrations, the texts' in due proportion in it."""
        if isinstance(batch, Batch):
            return loss_of(policy, batch)
        assert isinstance(policy, ReadsText)
        acted = loss_of(policy, batch.batch)
        questions, answers = zip(*batch.texts, strict=True)
        said = policy.text_loss(questions, answers).mean()
        ratio = self.fraction / (1 - self.fraction)
        metrics = {**acted.metrics, "text_loss": said.detach()}
        return Loss(acted.per_sample + ratio * said, metrics)


def read_texts(file: str) -> tuple[Text, ...]:
    """The texts of a file, without empty lines.

    Raises:
        InputError: If the file is missing, empty, too large or no text, or a line has no
            answer.
    """
    path = located(file)
    if not file or not path.is_file():
        raise InputError(
            f"text is '{file}'; give a file of texts: .jsonl with a question and an answer"
            " a line, or plain lines."
        )
    try:
        lines = read_file(path, limit=LINES_LIMIT).decode().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: {error}.") from error
    questions = path.suffix == ".jsonl"
    found = [
        _question(line, f"{path}, line {number}")
        if questions
        else Text("", line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path} holds no text.")
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A line of questions."""

    question: str = ""
    answer: str = ""


def _question(line: str, where: str) -> Text:
    question = parse_json(line, _Question, where=where)
    if not question.answer:
        raise InputError(
            f'{where} lacks an answer; expected {{"question": "…", "answer": "…"}}.'
        )
    return Text(question.question, question.answer)
