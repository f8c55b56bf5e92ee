import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import PolicyAgent
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.evaluation import EvaluationConfig
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.policies.mlp import MLP, MLPConfig
from robomtl.policy import Spec
from robomtl.suites import suite
from robomtl.task import Trial

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = suite("points/MT4")
NAMES = tuple(task.name for task in SUITE.train_tasks)


def saved(folder, *, kinds=("one_hot",), goal=None, tasks=NAMES, state=12, chunk=1):
    """A run directory with an untrained policy."""
    conditioning = Conditioning(kinds=kinds, tasks=tasks, goal=goal)
    card = Card(
        policy="mlp",
        config=vars(MLPConfig(width=16, chunk=chunk)),
        spec=Spec(state=state, action=2, embedding=conditioning.size),
        conditioning=conditioning,
        suite=SUITE.name,
        suite_options={},
        step=0,
    )
    torch.manual_seed(0)
    checkpoint.save(folder, checkpoint.build(card), card)
    return PolicyAgent(str(folder))


def observations(count):
    states = np.random.default_rng(0).normal(size=(count, 12)).astype(np.float32)
    return [{"state": state} for state in states]


def start(actor, count):
    trials = [Trial("points/MT4", NAMES[0], i) for i in range(count)]
    actor.start(trials, [TaskInfo(NAMES[i % 4], None) for i in range(count)])


def test_a_trial_s_actions_do_not_depend_on_what_runs_beside_it(tmp_path):
    actor = saved(tmp_path).load(SUITE)
    seen, running = observations(10), np.ones(10, np.bool_)
    start(actor, 10)
    together = actor(seen, running)
    start(actor, 3)
    assert np.array_equal(actor(seen[:3], running[:3]), together[:3])


class Drawing(MLP):
    def act(self, observation, task_embedding, memory):
        chunk, memory = super().act(observation, task_embedding, memory)
        return torch.rand_like(chunk), memory


def test_what_a_policy_draws_is_the_trial_s_own(tmp_path):
    trained = checkpoint.load(saved(tmp_path).run)
    drawing = Drawing(trained.policy.config, trained.policy.spec)
    drawing.load_state_dict(trained.policy.state_dict())
    actor = PolicyActor(trained.card, Predictor(drawing), SUITE)

    def drawn(count):
        start(actor, count)
        running = np.ones(count, np.bool_)
        return [actor(observations(count), running).copy() for _ in range(3)]

    whole, again, fewer = drawn(10), drawn(10), drawn(4)
    assert np.array_equal(whole, again)
    assert np.array_equal(np.array(whole)[:, :4], fewer)
    assert len({step.tobytes() for step in whole}) == 3
    actor.start([Trial("points/MT4", NAMES[1], 0)], [TaskInfo(NAMES[1], None)])
    other = actor(observations(1), np.ones(1, np.bool_))
    assert not np.array_equal(other, fewer[0][:1])


def test_a_chunk_is_taken_whole_before_the_next_prediction(tmp_path):
    agent = saved(tmp_path, chunk=3)
    actor = agent.load(SUITE)
    first, later = observations(2)[:1], observations(2)[1:]
    start(actor, 1)
    taken = [actor(first, np.ones(1, np.bool_))]
    taken += [actor(later, np.ones(1, np.bool_)) for _ in range(2)]
    fixed = agent.card.conditioning.fixed([TaskInfo(NAMES[0], None)])
    state = torch.from_numpy(first[0]["state"])[None]
    policy = checkpoint.load(tmp_path).policy
    planned = policy.act({"state": state}, fixed, None)[0][0]
    assert np.allclose(np.concatenate(taken), planned.numpy(), atol=1e-6)


def test_a_goal_that_is_told_takes_the_place_of_the_one_seen(tmp_path):
    actor = saved(tmp_path, kinds=("goal",), goal=(10, 12)).load(SUITE)
    trials = [Trial("points/MT4", NAMES[0], i) for i in range(3)]
    seen, running = observations(3), np.ones(3, np.bool_)
    other = [{"state": each["state"].copy()} for each in seen]
    other[1]["state"][10:12] = 0.25, -0.5

    actor.start(trials, [TaskInfo(None, None)] * 3)
    shown = actor(other, running).copy()
    actor.start(
        trials,
        [
            TaskInfo(None, None),
            TaskInfo(None, None, (0.25, -0.5)),
            TaskInfo(None, None),
        ],
    )
    assert np.array_equal(actor(seen, running), shown)
    assert seen[1]["state"][10] != 0.25


def test_a_run_directory_may_be_named_by_a_string(tmp_path):
    agent = saved(tmp_path / "mine")
    assert agent.name == "mine"
    assert agent.settings == {}
    assert isinstance(agent.load(SUITE), PolicyActor)


def test_another_length_of_state_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"does not fit points/MT4.*of shape \(12,\)\), not .*\(7,\)"
    ):
        saved(tmp_path, state=7).check(SUITE)


def test_a_task_that_a_one_hot_code_does_not_know_is_refused(tmp_path):
    agent = saved(tmp_path, tasks=NAMES[:3])
    with pytest.raises(ValueError, match=f"does not include '{NAMES[3]}'"):
        agent.check(SUITE)


def test_only_the_tasks_that_are_played_are_checked(tmp_path):
    agent = saved(tmp_path, tasks=NAMES[:3])
    agent.check_tasks(SUITE, NAMES[:3])
    results = evaluate(
        agent,
        SUITE,
        out=tmp_path / "out",
        config=EvaluationConfig(tasks=NAMES[:1], episodes=1),
        compute=Compute(workers=1),
    )
    assert [record.task for record in results.records] == [NAMES[0]]
    with pytest.raises(ValueError, match=f"does not include '{NAMES[3]}'"):
        evaluate(
            agent,
            SUITE,
            out=tmp_path / "other",
            config=EvaluationConfig(tasks=NAMES[2:4]),
        )


def test_a_goal_that_the_suite_hides_or_moves_is_refused(tmp_path):
    agent = saved(tmp_path, kinds=("goal",), goal=(0, 2))
    with pytest.raises(ValueError, match=r"conditioned on the goal at \(0, 2\)"):
        agent.check(SUITE)


def test_a_policy_that_fits_is_accepted(tmp_path):
    start_, stop, _ = SUITE.goal.indices(12)
    saved(tmp_path, kinds=("goal", "language"), goal=(start_, stop)).check(SUITE)


def test_a_policy_that_changed_meanwhile_is_refused(tmp_path):
    agent = saved(tmp_path)
    changed = dataclasses.replace(agent.card, step=1)
    checkpoint.save(tmp_path, checkpoint.build(changed), changed)
    with pytest.raises(ValueError, match="changed while it was evaluated"):
        agent.load(SUITE)


def test_loading_a_policy_loads_neither_data_sets_nor_logs(tmp_path):
    run = saved(tmp_path).run
    heavy = ("pyarrow", "torch.utils.tensorboard")
    words = "import sys; from robomtl import checkpoint; checkpoint.load(sys.argv[1]);"
    words += f"print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.check_output([sys.executable, "-c", words, run], text=True)
    assert said.strip() == "[]"
