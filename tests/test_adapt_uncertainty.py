import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import PolicyAgent
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.adaptation import adapt
from robomtl.adaptation.active_learning import active_support, greedy, most_uncertain
from robomtl.adaptation.meta.bayesian_regression import Belief, posterior, spread
from robomtl.adaptation.meta.last_layer import predictive_variance
from robomtl.adaptation.uncertainty import WatchedActor, auroc, early_variance, watch
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.evaluation import EvaluationConfig
from robomtl.evaluation.trials import plan, split_into_chunks
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.suites import suite
from robomtl.training.config import TrainConfig
from robomtl.training.train_run import train

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = suite("points/ML4")
HELD_OUT = SUITE.held_out_tasks[0]


def test_the_auroc_of_a_hand_case():
    # Of six pairs of a failure and a success five are in order, one is tied.
    assert auroc([3, 2, 2, 1, 0], [1, 1, 0, 0, 0]) == pytest.approx(5.5 / 6)
    assert auroc([1, 2], [0, 1]) == 1.0
    assert auroc([1, 1], [0, 1]) == 0.5


def test_the_auroc_is_mann_and_whitney_s():
    generator = np.random.default_rng(0)
    scores, failed = generator.integers(0, 9, 50), generator.random(50) < 0.4
    u = mannwhitneyu(scores[failed], scores[~failed]).statistic
    pairs = failed.sum() * (~failed).sum()
    assert auroc(scores, failed) == pytest.approx(u / pairs)


@pytest.mark.parametrize(
    ("scores", "failed", "message"),
    [
        ([1, 2], [0, 0], "0 of 2 trials failed; .* needs both"),
        ([1, 2], [1, 1], "2 of 2 trials failed; .* needs both"),
        ([1, np.nan], [0, 1], "A score is not a number"),
    ],
)
def test_an_auroc_that_means_nothing_is_refused(scores, failed, message):
    with pytest.raises(ValueError, match=message):
        auroc(scores, failed)


def test_early_variance_takes_the_first_steps_that_were_played():
    variance = np.array([[1.0, 3.0, 50.0], [2.0, np.nan, np.nan], [np.nan] * 3])
    assert np.array_equal(early_variance(variance, 2), [2, 2, np.nan], equal_nan=True)


def bumps(x):
    """Features of a regression on a line; (sample,) -> (sample, feature)."""
    centres = torch.linspace(0, 1, 12, dtype=torch.float64)
    return torch.exp(-0.5 * ((x[:, None] - centres) / 0.08) ** 2)


PRIOR = Belief(torch.zeros(12, 1).double(), 0.3 * torch.eye(12).double())


def learned(x, y, asked):
    return posterior(PRIOR, bumps(x[asked]), y[asked], torch.ones(len(asked)))


def test_asking_where_it_is_uncertain_beats_asking_at_random():
    grid = torch.linspace(0, 1, 101, dtype=torch.float64)
    differences = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        weights = torch.randn(12, 1, generator=generator, dtype=torch.float64)
        # Most candidates are alike, as most random starts are.
        x = torch.rand(60, generator=generator, dtype=torch.float64) ** 3
        noise = 0.05 * torch.randn(60, 1, generator=generator, dtype=torch.float64)
        y, truth = bumps(x) @ weights + noise, bumps(grid) @ weights

        def error(asked, x=x, y=y, truth=truth):
            missed = bumps(grid) @ learned(x, y, asked).mean - truth
            return missed.square().mean().item()

        def unsure(asked, x=x, y=y):
            return spread(learned(x, y, asked), bumps(x))

        chance = [
            error(torch.randperm(60, generator=generator)[:6].tolist())
            for _ in range(20)
        ]
        differences.append(np.mean(chance) - error(greedy(unsure, 6)))
    mean, deviation = np.mean(differences), np.std(differences, ddof=1)
    assert mean > 3 * deviation / np.sqrt(len(differences))


def test_nothing_is_asked_for_twice():
    assert greedy(lambda asked: torch.tensor([1.0, 3.0, 2.0]), 3) == [1, 2, 0]


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations")
    return collect(
        SUITE,
        folder / "train",
        config=CollectionConfig(episodes=3),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def trained(demonstrations, tmp_path_factory):
    return train(
        demonstrations,
        out=tmp_path_factory.mktemp("run"),
        policy_config={"width": 16, "blocks": 1, "task_width": 8},
        config=TrainConfig(steps=20, batch_size=64, threads=1),
    )


@pytest.fixture(scope="module")
def candidates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("candidates")
    return collect(
        SUITE,
        folder / "s",
        config=CollectionConfig(tasks=[HELD_OUT.name], episodes=8),
        compute=Compute(workers=1),
    )


def test_a_policy_asks_for_the_start_of_greatest_variance(trained, candidates):
    adapted = adapt(trained, candidates.take([0, 1]), method="alpaca")
    starts = torch.from_numpy(candidates.state[candidates.episodes.start])
    task_info = TaskInfo(HELD_OUT.name, HELD_OUT.instruction)
    conditioning = adapted.card.conditioning
    fixed = conditioning.fixed([task_info] * 8)
    variance = predictive_variance(adapted.policy, {"state": starts}, fixed)
    assert most_uncertain(adapted, starts, task_info) == variance.argmax()
    with pytest.raises(ValueError, match="no candidate to request; give at least 1"):
        most_uncertain(adapted, starts[:0], task_info)


def test_a_support_grows_by_what_is_asked_for(trained, candidates):
    supports = [
        active_support(trained, candidates, HELD_OUT.name, shots=shots)
        for shots in (1, 3)
    ]
    variations = [s.demonstrations.episodes.variation.tolist() for s in supports]
    assert variations[1][:1] == variations[0] and len(set(variations[1])) == 3
    adapted = adapt(trained, supports[0], method="alpaca")
    starts = torch.from_numpy(candidates.state[candidates.episodes.start])
    asked = candidates.episodes.variation.tolist().index(variations[0][0])
    others = [i for i in range(8) if i != asked]
    task_info = TaskInfo(HELD_OUT.name, HELD_OUT.instruction)
    second = others[most_uncertain(adapted, starts[others], task_info)]
    assert candidates.episodes.variation[second] == variations[1][1]


@pytest.mark.parametrize("shots", [0, 9])
def test_more_shots_than_there_are_cannot_be_asked_for(trained, candidates, shots):
    with pytest.raises(ValueError, match=f"shots is {shots}; .* request 1 to 8"):
        active_support(trained, candidates, HELD_OUT.name, shots=shots)


@pytest.mark.slow
def test_trials_are_watched_as_they_are_evaluated(trained, candidates, tmp_path):
    adapted = adapt(trained, candidates, method="alpaca", out=tmp_path / "run")
    trials = plan(SUITE, [HELD_OUT.name], episodes=12)
    task_infos = [TaskInfo(HELD_OUT.name, HELD_OUT.instruction)] * 12
    scores, outcomes = watch(adapted, SUITE, split_into_chunks(trials, task_infos))
    assert scores.shape == (12,) and (scores > 0).all()
    results = evaluate(
        PolicyAgent(tmp_path / "run"),
        SUITE,
        out=tmp_path / "evaluation",
        config=EvaluationConfig(tasks=[HELD_OUT.name], episodes=12),
        compute=Compute(workers=1),
    )
    assert [o.success for o in outcomes] == [r.success for r in results.records]
    assert [o.length for o in outcomes] == [r.length for r in results.records]


def test_trials_without_a_first_step_have_no_variance(trained):
    conditioning, predictor = trained.card.conditioning, Predictor(trained.policy)
    actor = PolicyActor(trained.card, predictor, SUITE)
    watched = WatchedActor(actor, trained.policy, conditioning)
    task_infos = [TaskInfo(HELD_OUT.name, HELD_OUT.instruction)] * 3
    watched.start(plan(SUITE, [HELD_OUT.name], episodes=3), task_infos)
    assert np.isnan(early_variance(watched.variance)).tolist() == [True] * 3


def test_a_policy_without_a_bayesian_last_layer_cannot_be_watched(trained):
    trials = plan(SUITE, [HELD_OUT.name], episodes=1)
    task_infos = [TaskInfo(HELD_OUT.name, HELD_OUT.instruction)]
    with pytest.raises(ValueError, match="Adapt it by the method alpaca"):
        watch(trained, SUITE, split_into_chunks(trials, task_infos))
