"""RT-2: a language model whose vocabulary is extended by action tokens.

The sequence consists of the observation as soft tokens, the prompt "Q: what action should the
robot take to INSTRUCTION? A:", and the components of the actions, each one of 256 tokens. The
loss is the cross-entropy of the action tokens over the whole vocabulary, given the tokens
before them. To act, the most probable of the 256 action tokens is chosen for one component
after the other. The objective ``text_cotraining`` also trains on questions and answers in
text.

Source: Brohan et al. 2023, "RT-2: Vision-Language-Action Models Transfer Web Knowledge to
Robotic Control" (arXiv:2307.15818), section 3, and OpenVLA's code
(``prismatic/vla/action_tokenizer.py``). Departures:

1. The language model is any decoder-only one from a local folder, or a small untrained one
   over bytes; it was not trained on images. Observations enter as soft tokens: images by
   the encoder of ``Vision`` and a TokenLearner, state features by linear projections.
2. The 256 action tokens are appended to the vocabulary. RT-2 uses integer tokens or
   overwrites the 256 least used tokens, which a small vocabulary cannot spare.
3. The action values are those of the head ``bins``: 256 from -1 to 1, bounds included.
4. Conditioning other than the instruction is one soft token; goal images are tokenised
   like those of the observation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import masked_mean
from robomtl.conditioning.characters import sentences
from robomtl.conditioning.conditioning import Wording
from robomtl.errors import InputError
from robomtl.heads.bins import bin_of, value_of
from robomtl.layers.attention import check_heads
from robomtl.layers.observation_tokens import (
    GoalTokens,
    ObservationTokens,
    Tokens,
    observation_tokens,
    task_tokens,
)
from robomtl.policies.rt2_folder import check_architecture, read_architecture
from robomtl.policies.rt2_language_model import (
    ByteModel,
    FolderModel,
    LanguageModel,
    padded,
)
from robomtl.policy import EMBODIMENT, Batch, Loss, Memory, Policy, Spec, task_layer
from robomtl.ranges import check_not_negative, check_sizes

_QUESTION = "Q: what action should the robot take{}? A:"
_LONGEST = 1024  # Longest sequence of the small model [tokens].


@dataclass(frozen=True, kw_only=True)
class RT2Config:
    """The language model and the sizes of the ``rt2`` policy."""

    language_model: str = ""
    """Folder of a language model in Hugging Face format, with weights as safetensors;
    empty for a small untrained model over bytes."""
    architecture: str = ""
    """Content of the model's ``config.json``; read from the folder if empty."""
    tokenizer: int = 0
    """Length of the model's ``tokenizer.json`` [bytes]; read from the folder
    together with ``architecture``."""
    chunk: int = 1
    """Number of actions predicted at once."""
    bins: int = 256
    """Number of action tokens, the values of an action component."""
    width: int = 128
    """Length of a token of the small model."""
    blocks: int = 4
    """Number of transformer blocks of the small model."""
    heads: int = 4
    """Attention heads of each block of the small model; they divide the width."""
    image_tokens: int = 8
    """Number of tokens of an image."""

    def __post_init__(self) -> None:
        """Checks the sizes, and reads the architecture from the folder.

        Raises:
            InputError: If a size is out of range, or the folder contains no language model
                that may be loaded.
        """
        check_sizes(self, "tokenizer")
        check_not_negative(self, "tokenizer")
        if self.bins < 2:
            raise InputError(f"bins is {self.bins}; give 2 or more.")
        check_heads(self.width, self.heads)
        if self.language_model and not self.architecture:
            architecture, tokenizer = read_architecture(self.language_model)
            object.__setattr__(self, "architecture", architecture)
            object.__setattr__(self, "tokenizer", tokenizer)
        elif self.architecture:
            check_architecture(self.architecture, where="architecture")


class ActionTokens(nn.Module):
    """Output layer and (tied) embeddings of the action tokens.

    Args:
        width: Length of a token.
        count: Number of action tokens.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, count)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def embedded(self, tokens: Tensor) -> Tensor:
        """Embeddings of action tokens; (..., token) -> (..., token, width)."""
        return self.linear.weight[tokens]


class RT2(Policy):
    """Predicts actions as tokens of a language model; see the module."""

    Config = RT2Config
    wording: ClassVar[Wording] = "characters"
    vectorised: ClassVar[bool] = False

    def __init__(self, config: RT2Config, spec: Spec) -> None:
        super().__init__(config, spec)
        model = _model(config)
        width = model.width
        self.encoder = task_layer(spec.embedding - spec.text, width)
        self.stem = ObservationTokens(
            spec, self.observer, width=width, image_tokens=config.image_tokens
        )
        self.goals = GoalTokens(spec, width) if spec.goals else None
        self.time = nn.Parameter(0.02 * torch.randn(spec.history, 1, width))
        self.trunk: Any = model
        self.head = ActionTokens(width, config.bins)
        self._prompts: dict[str, list[int]] = {}

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the action tokens of each sample; see ``Policy``."""
        target = bin_of(batch.action, self.config.bins)
        tokens = rearrange(target, "batch chunk action -> batch (chunk action)")
        prefix = self._prefix(batch.observation, batch.task_embedding)
        hidden = self._continued(prefix, tokens[:, :-1])[:, -tokens.shape[1] :]
        logits = self._logits(hidden)
        elements = functional.cross_entropy(
            logits.mT, self._model.vocabulary + tokens, reduction="none"
        )
        index = logits[..., self._model.vocabulary :].argmax(-1)
        error = (value_of(index.view_as(target), self.config.bins) - batch.action).abs()
        component_mask = self._component_mask(batch.observation.get(EMBODIMENT))
        per_sample = masked_mean(
            elements.view_as(batch.action), batch.mask, component_mask
        )
        distance = masked_mean(error.detach(), batch.mask, component_mask).mean()
        return Loss(per_sample, {"action_error": distance})

    def text_loss(self, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """Mean cross-entropy of the tokens of each answer; (text,).

        Args:
            questions: Texts before the answers, which are not predicted; may be empty.
            answers: Texts to predict, each of at least one token.
        """
        prompts = [self._model.tokens(question) for question in questions]
        targets = [self._model.tokens(answer) for answer in answers]
        rows = [[*a, *b][-_LONGEST:] for a, b in zip(prompts, targets, strict=True)]
        tokens, present = (part.to(self.device) for part in padded(rows))
        predicted = torch.zeros_like(present)
        for row, (answer, question) in enumerate(zip(targets, prompts, strict=True)):
            predicted[row, -min(len(answer), _LONGEST) :] = True
            # Without a question the first token is not predicted.
            predicted[row, : tokens.shape[1] - len(rows[row]) + (not question)] = False
        hidden = self._model.hidden(self._model.embedded(tokens), present)
        elements = functional.cross_entropy(
            self._logits(hidden[:, :-1]).mT, tokens[:, 1:], reduction="none"
        )
        mask = predicted[:, 1:].float()
        return (elements * mask).sum(1) / mask.sum(1).clamp(min=1)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Most probable action token for one component after the other; see ``Policy``."""
        prefix = self._prefix(observation, task_embedding)
        rows, count = len(task_embedding), self.config.chunk * self.spec.action
        tokens = torch.zeros(rows, 0, dtype=torch.long, device=task_embedding.device)
        for _ in range(count):
            hidden = self._continued(prefix, tokens)[:, -1:]
            following = self.head.linear(hidden).argmax(-1)
            tokens = torch.cat([tokens, following], dim=1)
        chunk = value_of(tokens, self.config.bins).view(rows, self.config.chunk, -1)
        component_mask = self._component_mask(observation.get(EMBODIMENT))
        return (
            chunk if component_mask is None else chunk * component_mask[:, None]
        ), memory

    def _continued(self, prefix: Tokens, tokens: Tensor) -> Tensor:
        """Hidden states of a prefix and the action tokens after it; (batch, token, width)."""
        values = torch.cat([prefix.values, self.head.embedded(tokens)], dim=1)
        present = functional.pad(prefix.present, (0, tokens.shape[1]), value=True)
        return self._model.hidden(values, present)

    def _logits(self, hidden: Tensor) -> Tensor:
        """Logits over the whole vocabulary: text tokens, then action tokens."""
        return torch.cat(
            [self._model.logits(hidden), self.head.linear(hidden)], -1
        ).float()

    def _prefix(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tokens:
        """Soft tokens of the task and of observations, then the tokens of the prompt."""
        text = task_embedding[:, : self.spec.text]
        task = task_tokens(self, observation, task_embedding[:, self.spec.text :])
        stem_tokens = observation_tokens(self, self.stem, observation, task_embedding)
        values = rearrange(
            stem_tokens.values + self.time, "batch time token x -> batch (time token) x"
        )
        words = self._words(text)
        present = stem_tokens.present.repeat(1, self.spec.history)
        return Tokens(
            torch.cat([task.values, values, words.values], dim=1),
            torch.cat([task.present, present, words.present], dim=1),
        )

    def _words(self, text: Tensor) -> Tokens:
        """Embedded prompts of the instructions, padded on the left."""
        if not self.spec.text:
            prompt = torch.tensor(self._prompt(""), device=text.device)
            values = self._model.embedded(prompt).expand(len(text), -1, -1)
            present = torch.ones(len(text), len(prompt), dtype=torch.bool)
            return Tokens(values, present.to(text.device))
        rows = [self._prompt(sentence) for sentence in sentences(text)]
        tokens, present = (part.to(text.device) for part in padded(rows))
        return Tokens(self._model.embedded(tokens), present)

    def _prompt(self, instruction: str) -> list[int]:
        if instruction not in self._prompts:
            aim = f" to {instruction.rstrip('.')}" if instruction else ""
            self._prompts[instruction] = self._model.tokens(_QUESTION.format(aim))
        return self._prompts[instruction]

    def _component_mask(self, robot: Tensor | None) -> Tensor | None:
        """True for the action components of a sample's robot; (batch, action)."""
        if robot is None or len(self.spec.actions) == 1:
            return None
        sizes = torch.tensor(self.spec.actions, device=robot.device)
        return torch.arange(self.spec.action, device=robot.device) < sizes[robot, None]

    @property
    def _model(self) -> LanguageModel:
        model: LanguageModel = self.trunk
        return model


def _model(config: RT2Config) -> FolderModel | ByteModel:
    if config.architecture:
        return FolderModel(config.architecture, config.tokenizer, config.language_model)
    return ByteModel(config.width, config.blocks, config.heads, _LONGEST)
