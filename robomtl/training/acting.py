"""Saves the policy of a run with averaged weights (EMA), and evaluates it in training."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from robomtl import checkpoint
from robomtl.acting.agent import PolicyAgent
from robomtl.checkpoint import Card
from robomtl.evaluation import EvaluationConfig, Results
from robomtl.evaluation.results import RESULTS
from robomtl.execution.compute import Compute
from robomtl.execution.cores import cores
from robomtl.experiments.evaluating import evaluate
from robomtl.policy import Policy
from robomtl.suites import suite
from robomtl.training.config import TrainConfig
from robomtl.training.learner import Learner
from robomtl.training.parameter_groups import within

SO_FAR = "so-far"
"""Folder of a run directory with the policy and its results at each evaluated step."""


def averaged(learner: Learner, card: Card) -> Policy:
    """The policy with averaged weights, in evaluation mode on the CPU."""
    policy = checkpoint.build(card)
    state = learner.averaged().items()
    policy.load_state_dict({k: v for k, v in state if not within(k, "auxiliary")})
    return policy.eval()


def save_policy(learner: Learner, card: Card, folder: Path) -> None:
    """Saves the policy with averaged weights after the learner's last step."""
    finished = replace(card, step=learner.step)
    checkpoint.save(folder, averaged(learner, card), finished)


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """Evaluations of a policy while it is trained."""

    learner: Learner
    """Learner that trains the policy."""
    card: Card
    """Card of the policy."""
    config: TrainConfig
    """Settings of the run."""
    run: Path
    """Run directory."""

    @property
    def due(self) -> bool:
        """Whether the policy is to be evaluated after the learner's last step."""
        interval, step = self.config.evaluate_every, self.learner.step
        return interval > 0 and step > 0 and step % interval == 0

    @property
    def stopped(self) -> bool:
        """Whether the evaluation due after the last step has no results yet."""
        return self.due and not (self._folder / "evaluation" / RESULTS).exists()

    def begin(self) -> Results:
        """Evaluates the policy after a new step, and returns the results."""
        # A killed run may have evaluated this step, and lost the step itself.
        shutil.rmtree(self._folder, ignore_errors=True)
        return self.go_on()

    def go_on(self) -> Results:
        """Finishes an interrupted evaluation, keeping its trials; returns the results."""
        save_policy(self.learner, self.card, self._folder)
        return evaluate(
            PolicyAgent(self._folder),
            suite(self.card.suite, **self.card.suite_options),
            out=self._folder / "evaluation",
            config=EvaluationConfig(
                episodes=self.config.evaluate_episodes, seed=self.config.seed
            ),
            compute=Compute(workers=cores()),
        )

    @property
    def _folder(self) -> Path:
        return self.run / SO_FAR / f"{self.learner.step:08d}"
