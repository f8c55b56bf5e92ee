"""Records episodes of an expert or a policy in worker processes, unit by unit."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.demonstrations.blocks import FAILED, SOLVED, UNSTABLE, Block, Unit
from robomtl.demonstrations.collection_request import Request
from robomtl.demonstrations.driving import Driver, Rollouts
from robomtl.demonstrations.redrawing import Played, redrawn
from robomtl.demonstrations.task_sizes import further_features
from robomtl.env_contract import EnvContract, frames_per_second
from robomtl.errors import SimulationError
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.pictures import OnDemandPictures
from robomtl.plug_in import ENDING, close_broken, described, make_env, make_expert
from robomtl.task import Action, Env, Expert, Observation, Privileged, Suite, Trial


class _Episode(NamedTuple):
    """Outcome and frames of one episode."""

    outcome: int
    """``FAILED``, ``SOLVED`` or ``UNSTABLE``."""
    frames: Sequence["_Frame"] = ()
    """Recorded frames; none if the episode is not kept."""
    error: str = ""
    """Error that aborted the episode; empty if none did."""


class _Frame(NamedTuple):
    state: NDArray[np.float32]
    action: Action
    executed: Action
    """Action that was executed: the chosen one with noise."""
    reward: float
    success: bool
    others: Mapping[str, NDArray[Any]]


class _Bench(NamedTuple):
    """An env and the expert that demonstrates a task in it."""

    task: str
    env: Env
    expert: Expert | None
    """Expert of the task; None if its actions are not recorded."""
    hidden: slice
    """Slice of the expert's state that the suite hides."""
    others: Sequence[str]
    """Names of the observation features besides the state, without images that the env
    renders on demand: those are rendered afterwards, for episodes that are kept."""

    def shown(self, observation: Observation) -> Observation:
        """The expert's observation that corresponds to a policy's observation."""
        env = self.env
        return env.expert_observation if isinstance(env, Privileged) else observation


@dataclass
class Recorder:
    """Records units of a suite; keeps the env of the latest task.

    Actions are executed with noise, if it was requested, while the recorded label
    is the expert's own action at the visited state (DART, Laskey et al. 2017,
    arXiv:1703.09327). The standard deviation of an episode's noise is drawn uniformly from
    0 to ``request.noise``, a simplification: DART fits it to the policy's error.

    Args:
        suite: Supplies envs and experts. If it hides goals, its ``expert_suite`` shows
            them to the expert, and zeros are recorded in their place.
        request: Settings of the collection.
        rollouts: Policy that acts; None if the experts act. It observes the recorded
            features, and its actions are executed with noise in the same way.
    """

    suite: Suite
    request: Request
    rollouts: Rollouts | None = None
    _bench: _Bench | None = field(default=None, init=False, repr=False)
    _driver: Driver = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepares the policy, which is loaded when the first episode begins."""
        self._driver = Driver(self.suite, self.rollouts)

    def __call__(self, unit: Unit) -> Block:
        """Records the episodes of a unit.

        An episode that an error of the simulator or the expert aborts is tried once more in
        a new env.

        Raises:
            ValueError: If a state or the expert's action is not finite; the message
                names the task, the variation and the step.
        """
        episodes = [self._try_twice(unit.task, v) for v in unit.variations]
        bench = self._at(unit.task)
        spaces = bench.env.observation_space, bench.env.action_space
        return Block(
            variation=np.array(unit.variations, np.int64),
            outcome=np.array([each.outcome for each in episodes], np.int8),
            length=np.array([len(each.frames) for each in episodes], np.int64),
            **_stacked([frame for each in episodes for frame in each.frames], *spaces),
            fps=np.array(frames_per_second(bench.env)),
            horizon=np.array(_horizon(bench.env)),
            error=np.array(next((e.error for e in episodes[::-1] if e.error), "")),
        )

    def _at(self, task: str) -> _Bench:
        if self._bench is None or self._bench.task != task:
            self._leave()
            acting: Suite = getattr(self.suite, "expert_suite", self.suite)
            shown = acting.goal if self.suite.goal is None else None
            env = make_env(acting, task)
            space: Any = env.observation_space
            others = further_features(space)
            if isinstance(env, OnDemandPictures):
                env.blind = True
                others = [name for name in others if len(space[name].shape) == 1]
            hidden = slice(0) if shown is None else shown
            labelled = self._driver.labelled_by_expert
            expert = make_expert(acting, task) if labelled else None
            self._bench = _Bench(task, env, expert, hidden, others)
        return self._bench

    def _leave(self) -> None:
        if self._bench is not None:
            close_broken(self._bench.env)
        self._bench = None

    def _try_twice(self, task: str, variation: int) -> _Episode:
        key = Trial(self.suite.name, task, variation).seed
        error = HEARTBEAT.lost.get(key, "")
        for _ in range(0 if error else 2):
            bench, frames = self._at(task), list[_Frame]()
            try:
                for frame in self._episode(bench, variation, key):
                    frames.append(frame)
                solved = any(frame.success for frame in frames)
                if solved or self._driver.keeps_failures:
                    frames = self._with_images(bench, variation, key, frames)
            except ENDING:
                raise
            except BaseException as raised:  # noqa: B036 - plug-ins raise anything.
                error = _failure(raised, len(frames) + 1)
                self._leave()
                continue
            kept = frames if solved or self._driver.keeps_failures else ()
            return _Episode(SOLVED if solved else FAILED, kept)
        return _Episode(UNSTABLE, error=f"variation {variation}, {error}")

    def _with_images(
        self, bench: _Bench, variation: int, key: int, frames: list[_Frame]
    ) -> list[_Frame]:
        """The frames with the images that the env renders on demand."""
        space: Any = bench.env.observation_space
        names = further_features(space)
        if set(names) == set(bench.others):
            return frames
        states, executed = [f.state for f in frames], (f.executed for f in frames)
        pictures = redrawn(
            bench.env,
            Played(bench.task, variation, states, executed),
            hidden=bench.hidden,
            beat=lambda: HEARTBEAT.beat(key),
        )
        return [
            frame._replace(others={name: drawn[name] for name in names})
            for frame, drawn in zip(frames, pictures, strict=True)
        ]

    def _episode(self, bench: _Bench, variation: int, key: int) -> Iterator[_Frame]:
        """The frames of an episode, up to ``settle`` steps after the first success."""
        disturb = Disturbance(self.request, bench.task, variation)
        contract = EnvContract(bench.env, bench.task, variation)
        size = bench.env.action_space.shape or ()
        choose = self._driver.begin(bench.task, variation, size, bench.expert)
        HEARTBEAT.beat(key)
        observation = contract.reset(bench.env.reset(options={"variation": variation}))
        step, ended, solved, left = 0, False, False, self.request.settle
        while not ended and left >= 0:
            HEARTBEAT.beat(key)
            state = observation["state"].astype(np.float32)
            state[bench.hidden] = 0
            others = {name: observation[name].copy() for name in bench.others}
            shown = {**observation, "state": state}
            step += 1
            acted, action = choose(bench.shown(observation), shown, step)
            executed = disturb(acted)
            stepped = contract.step(bench.env.step(executed), step)
            reward, success = stepped.reward, stepped.success
            if not math.isfinite(reward):
                reason = f"its reward is {reward}"
                raise SimulationError(bench.task, variation, step, reason)
            yield _Frame(state, action, executed, reward, success, others)
            observation, ended = stepped.observation, stepped.ended
            solved = solved or stepped.success
            left -= int(solved)


def _failure(error: BaseException, step: int) -> str:
    if isinstance(error, SimulationError):
        return f"step {error.step}: {error.reason}"
    return f"step {step}: {described(error)}"


class Disturbance:
    """Adds Gaussian noise to an episode's actions, seeded by request, task and variation."""

    def __init__(self, request: Request, task: str, variation: int) -> None:
        key = json.dumps([request.seed, task, variation]).encode()
        seed = int.from_bytes(hashlib.sha256(key).digest()[:16], "big")
        self._generator = np.random.default_rng(seed)
        self._std = self._generator.uniform(0, request.noise)
        self._undisturbed = request.undisturbed

    def __call__(self, action: Action) -> Action:
        """The action with noise, clipped to [-1, 1]; (action,)."""
        size = max(len(action) - self._undisturbed, 0)
        executed = action.astype(np.float64)
        executed[:size] += self._std * self._generator.standard_normal(size)
        return np.clip(executed, -1, 1).astype(np.float32)


def _stacked(frames: list[_Frame], observations: Any, actions: Any) -> dict[str, Any]:
    """Columns of frames; their widths are correct even without frames."""
    return {
        "state": np.array([f.state for f in frames], np.float32).reshape(
            len(frames), *observations["state"].shape
        ),
        "action": np.array([f.action for f in frames], np.float32).reshape(
            len(frames), *actions.shape
        ),
        "reward": np.array([f.reward for f in frames], np.float32),
        "success": np.array([f.success for f in frames], np.bool_),
        "others": {
            name: np.array([f.others[name] for f in frames], space.dtype).reshape(
                len(frames), *space.shape
            )
            for name in further_features(observations)
            for space in [observations[name]]
        },
    }


def _horizon(env: Env) -> int:
    if env.has_wrapper_attr("horizon"):
        return int(env.get_wrapper_attr("horizon"))
    steps = None if env.spec is None else env.spec.max_episode_steps
    return -1 if steps is None else int(steps)
