"""Hooks of a training run: logs, measures, saves and evaluates between its steps."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch

from robomtl.checkpoint import Card
from robomtl.execution.interrupt import Deferral, deferred_interrupt
from robomtl.execution.threads import Threads
from robomtl.files.request import check_not_removed
from robomtl.files.run_record import RUN
from robomtl.progress import Advance, progress
from robomtl.training.acting import Evaluations, averaged
from robomtl.training.config import TrainConfig
from robomtl.training.divided import DividedDraws, Divisible
from robomtl.training.elapsed import Elapsed
from robomtl.training.learner import Learner
from robomtl.training.log import Log
from robomtl.training.loop import Hook, TakenStep, take_steps
from robomtl.training.measuring import Measurements
from robomtl.training.objective import Draws, Material, Objective
from robomtl.training.prefetching import prefetched
from robomtl.training.processes import Processes
from robomtl.training.samples import Sampler, mixed
from robomtl.training.weighting import check_positive_losses

REQUEST, STATE = RUN, "training.safetensors"
"""Files of a run directory: its request, and the state from which it resumes."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The parts of a training run."""

    learner: Learner
    """Learner at the first step, or at that of the last checkpoint."""
    card: Card
    """Card of the policy."""
    objective: Objective
    """Training objective, without auxiliary losses."""
    draws: Draws
    """Draws of the whole batches."""
    validation: Material
    """Held-out episodes."""
    config: TrainConfig
    """Settings of the run."""
    folder: Path
    """Run directory."""
    threads: Threads
    """Threads of this process."""
    processes: Processes
    """Processes that share the batches."""
    title: str = "Training"
    """Title of the progress bar."""

    @property
    def batches(self) -> Draws:
        """Draws of this process: its parts if batches are divided, or whole batches."""
        number, passes = self.processes.number, self.config.accumulate
        if number * passes == 1:
            return self.draws
        first = self.processes.rank * passes
        own = range(first, first + passes)
        return DividedDraws(cast(Divisible, self.draws), own, number * passes)

    @property
    def seed(self) -> int:
        """Seed of the policy's random numbers, which differs between processes."""
        seed, rank = self.config.seed, self.processes.rank
        return mixed(seed, rank) if rank else seed


def train_run(run: Run) -> None:
    """Takes the remaining steps, and logs, saves and evaluates as the config says.

    Raises:
        KeyboardInterrupt: After Ctrl-C, between two steps, once the last one is saved.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    learner, tasks = run.learner, run.card.conditioning.tasks
    with (
        deferred_interrupt() as deferral,
        closing(Log(run.folder / "tensorboard", tasks, step=learner.step + 1)) as log,
        progress(run.title, run.config.steps, done=learner.step) as advance,
    ):
        monitor = _Monitor(run, log, advance, deferral)
        monitor.go_on()
        with prefetched(run.batches, learner, run.config) as draws:
            last = take_steps(
                learner, draws, run.config, hooks=monitor.hooks(), seed=run.seed
            )
        if last is not None:
            monitor.show(last)
    monitor.measurements.finish()


def follow_run(run: Run) -> None:
    """Takes the remaining steps of a run as a process other than the main one.

    Raises:
        FloatingPointError: If a loss is not finite; names the tasks and the step.
        LostProcessError: If another process has ended.
    """
    with prefetched(run.batches, run.learner, run.config) as draws:
        take_steps(run.learner, draws, run.config, seed=run.seed)
    run.processes.wait()


def emphasise(learner: Learner, draws: Draws) -> None:
    """Sets the sampling weights by the last validation losses, if any were measured."""
    if learner.validation is not None and isinstance(draws, Sampler):
        check_positive_losses("validation_loss", learner.validation, learner.tasks)
        draws.emphasise(learner.validation)


class _Monitor:
    """Actions between the steps of a run.

    Args:
        run: The run.
        log: Scalars of the run.
        advance: Advances the progress bar.
        deferral: Records Ctrl-C until the step has ended.
    """

    def __init__(
        self, run: Run, log: Log, advance: Advance, deferral: Deferral
    ) -> None:
        self._run, self._log = run, log
        self._advance, self._deferral = advance, deferral
        self._shown = run.learner.step
        self._elapsed = Elapsed(run.folder)
        self.measurements = Measurements(
            run.learner, run.draws, run.objective, run.config, run.folder
        )
        self._evaluations = Evaluations(
            learner=run.learner, card=run.card, config=run.config, run=run.folder
        )

    def hooks(self) -> Sequence[Hook]:
        """The hooks, in the order in which they run after a step."""
        config, measured = self._run.config, self.measurements
        return (
            Hook(config.log_every, self._log_step),
            Hook(config.log_every, self.show),
            Hook(config.validate_every, self._validate),
            Hook(config.conflicts_every, lambda _: measured.conflicts(self._log)),
            Hook(config.affinity_every, lambda _: measured.affinity()),
            Hook(config.save_every, self._save),
            Hook(1, self._stop),
            Hook(config.evaluate_every, self._evaluate),
            Hook(1, self._choose_threads),
        )

    def go_on(self) -> None:
        """Finishes the evaluation in which the run was interrupted, if it was."""
        if self._evaluations.stopped:
            with self._deferral.lifted():
                results = self._evaluations.go_on()
            self._log.evaluate(self._run.learner.step, results)

    def show(self, taken: TakenStep) -> None:
        """Advances the progress bar to a step."""
        note = f"loss {taken.loss.per_sample.mean():.4f}"
        self._advance(taken.step - self._shown, note=note)
        self._shown = taken.step

    def _log_step(self, taken: TakenStep) -> None:
        # If the folder is gone, TensorBoard's thread would print a traceback.
        check_not_removed(self._run.folder / REQUEST)
        self._log.train(
            taken.step,
            taken.batch,
            taken.loss,
            gradient_norm=taken.gradient_norm,
            learning_rate=taken.learning_rate,
        )
        self._log.weights(taken.step, self._run.learner.weights())

    def _validate(self, taken: TakenStep) -> None:
        """Logs the validation losses, and sets the sampling weights by them if requested."""
        run, learner = self._run, self._run.learner
        policy = averaged(learner, run.card).to(run.config.device)
        batches = run.objective.validation(run.validation)
        means = self._log.validate(taken.step, policy, run.objective, batches)
        if run.config.sampling == "validation_loss":
            learner.validation = torch.tensor([means[task] for task in learner.tasks])
            emphasise(learner, run.draws)

    def _save(self, taken: TakenStep) -> None:
        check_not_removed(self._run.folder / REQUEST)
        self._run.learner.save(self._run.folder / STATE)
        self._elapsed.write()
        self.measurements.write()

    def _stop(self, taken: TakenStep) -> None:
        if self._deferral.pressed.is_set():
            self._save(taken)
            self.measurements.finish()
            raise KeyboardInterrupt

    def _evaluate(self, taken: TakenStep) -> None:
        self._save(taken)  # A run interrupted in the evaluation resumes from here.
        with self._deferral.lifted():
            self._log.evaluate(taken.step, self._evaluations.begin())

    def _choose_threads(self, taken: TakenStep) -> None:
        """Chooses the number of threads of the next step; see ``Threads``."""
        self._run.threads.take(
            taken.step, partial(self._run.learner.rehearse, taken.batch)
        )
