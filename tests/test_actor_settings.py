"""Execution of chunks: whole, the first actions of each, or with temporal ensembling."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import robomtl
from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.acting.actor_settings import ActorSettings, Execution
from robomtl.acting.agent import PolicyAgent, named_agent
from robomtl.acting.policy_actor import PolicyActor
from robomtl.acting.policy_episodes import PredictionRequest
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.trials import CHUNK
from robomtl.files.request import plain
from robomtl.policy import POLICIES, Spec
from robomtl.task import Trial

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/MT4", horizon=6)
CARD = Card(
    policy="mlp",
    config=plain(POLICIES.get("mlp").Config(width=16, task_width=4, chunk=3)),
    spec=Spec(state=12, action=2, embedding=0, tasks=4),
    conditioning=Conditioning(kinds=(), tasks=tuple(t.name for t in SUITE.train_tasks)),
    suite=SUITE.name,
    suite_options=SUITE.options,
    step=0,
)


def saved(folder: Path, card: Card = CARD) -> Path:
    torch.manual_seed(0)
    checkpoint.save(folder, checkpoint.build(card), card)
    return folder


def executed(settings: ActorSettings, steps: int, chunk: int = 4) -> list[float]:
    """Actions whose predictions say when they were made, in tens, and for which step."""
    execution, taken = Execution(settings), []
    for step in range(steps):
        if execution.due:
            ahead = 10.0 * step + step + np.arange(chunk, dtype=np.float32)
            execution.add(ahead.reshape(1, chunk, 1).astype(np.float32))
        taken.append(execution.action().item())
    return taken


def test_a_whole_chunk_is_executed_by_default() -> None:
    assert executed(ActorSettings(), 6) == [0, 1, 2, 3, 44, 45]


def test_as_many_actions_are_executed_as_are_set() -> None:
    assert executed(ActorSettings(execute=2), 5) == [0, 1, 22, 23, 44]


def test_ensembling_weighs_all_predictions_of_the_present_action() -> None:
    taken = executed(ActorSettings(ensemble=0.5), 6)
    predicted = np.array([20, 30, 40, 50]) + 5.0  # Of step 5, the oldest first.
    weights = np.exp(-0.5 * np.arange(4))
    assert taken[5] == pytest.approx(np.average(predicted, weights=weights))
    assert taken[0] == 0


def test_a_history_begins_with_copies_of_the_first_observation() -> None:
    requests: list[PredictionRequest] = []

    def predict(request: PredictionRequest) -> Any:
        requests.append(request)
        return np.zeros((CHUNK, 2, 2), np.float32)

    spec = replace(CARD.spec, history=3)
    actor = PolicyActor(replace(CARD, spec=spec), predict, SUITE)
    actor.start(
        [Trial("s", "reach-red", 0)] * CHUNK, [TaskInfo("reach-red", None)] * CHUNK
    )
    for step in range(3):
        seen = {"state": np.full(12, step, np.float32)}
        actor([seen] * CHUNK, np.ones(CHUNK, bool))
    windows = [each.observation["state"][0, :, 0].tolist() for each in requests]
    assert windows == [[0, 0, 0], [0, 1, 2]]


def test_settings_are_those_of_the_checkpoint_unless_others_are_given(
    tmp_path: Path,
) -> None:
    run = saved(tmp_path / "run", replace(CARD, acting=ActorSettings(execute=2)))
    own, other = PolicyAgent(run), PolicyAgent(run, acting={"ensemble": 0.01})
    assert own.actor_settings == {"execute": 2}
    assert other.actor_settings == {"ensemble": 0.01}
    assert own.fingerprint != other.fingerprint
    shown = robomtl.evaluate(
        other,
        SUITE,
        out=tmp_path / "out",
        config=robomtl.EvaluationConfig(tasks=["reach-red"], episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert shown.setting.acting == written["acting"] == {"ensemble": 0.01}
    assert robomtl.resume_evaluation(tmp_path / "out").records == shown.records


@pytest.mark.parametrize(
    ("acting", "message"),
    [
        ({"execute": 0}, "give 1 action or more"),
        ({"execute": 9}, "predicts chunks of 3; give 3 or less"),
        ({"ensemble": -1.0}, "ensemble is -1.0; give 0 or more"),
        ({"execute": 2, "ensemble": 0.1}, "leave one of them out"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, acting: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        PolicyAgent(saved(tmp_path), acting=acting)


def test_ensembling_single_actions_is_refused() -> None:
    with pytest.raises(InputError, match="predicts one action at a time"):
        ActorSettings(ensemble=0.1).check(1)


def test_experts_take_no_actor_settings() -> None:
    with pytest.raises(InputError, match="Experts predict no chunks"):
        named_agent("expert", {"execute": 1})
