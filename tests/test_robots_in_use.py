"""Several robots, images and histories, from demonstrations to trials."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import robomtl
from robomtl.adaptation import Support
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.training.mixed import mixed_frames
from robomtl.training.samples import gather

pytestmark = pytest.mark.usefixtures("forked_workers")

CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=16, precision="float32", threads=1, device="cpu"
)
ROBOTS = robomtl.suite("points/two_robots", horizon=20)
SEEN = robomtl.suite("points/reach-red", horizon=20, images=16)


@pytest.fixture(scope="module")
def robots(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    folder = tmp_path_factory.mktemp("robots")
    sets = {"point": ["reach-red", "reach-green"], "flyer": ["fly-red", "fly-green"]}
    for name, tasks in sets.items():
        collect(
            ROBOTS,
            folder / name,
            config=CollectionConfig(episodes=2, tasks=tasks),
            compute=Compute(workers=1),
        )
    return Mixture([Demonstrations(folder / name) for name in sets])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Demonstrations:
    folder = tmp_path_factory.mktemp("pictures") / "data"
    collect(
        SEEN, folder, config=CollectionConfig(episodes=2), compute=Compute(workers=1)
    )
    return Demonstrations(folder, observe=("state", "top"))


def test_one_policy_acts_as_both_robots(robots: Mixture, tmp_path: Path) -> None:
    trained = robomtl.train(robots, out=tmp_path / "run", config=CONFIG)
    assert trained.card.spec.actions == (2, 4)
    agent = robomtl.PolicyAgent(tmp_path / "run")
    results = robomtl.evaluate(
        agent,
        ROBOTS,
        out=tmp_path / "out",
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert len(results.records) == 4
    assert not any(record.error for record in results.records)


@pytest.mark.parametrize("objective", ["in_context", "regent", "context", "tecnet"])
def test_demonstrations_of_several_robots_train_what_reads_them(
    robots: Mixture, tmp_path: Path, objective: str
) -> None:
    prompted = objective in ("in_context", "regent")
    trained = robomtl.train(
        robots,
        out=tmp_path / "run",
        objective=objective,
        objective_config={"tasks": 4, "shots": 1, "steps": 5},
        policy=objective if prompted else "mlp",
        policy_config={"width": 16},
        config=CONFIG,
    )
    for task, robot in {"fly-red": "flyer", "reach-green": "point"}.items():
        support = Support(
            demonstrations=next(
                each for each in robots.sets if task in each.tasks
            ).select(tasks=[task], per_task=1)
        )
        adapted = robomtl.adapt(trained, support, method=objective)
        (own,) = adapted.card.spec.embodiments
        assert own.name == robot
        assert adapted.policy.spec.action == own.action.size


def test_samples_of_a_history_begin_with_the_first_observation(
    robots: Mixture,
) -> None:
    data = robots.sets[0]
    frames = mixed_frames(data, [range(len(data))], torch.device("cpu"))
    frames, start = replace(frames, history=3), int(frames.episodes.start[1])
    conditioning = Conditioning(kinds=(), tasks=data.tasks)
    rows = torch.tensor([start, start + 4])
    batch = gather(frames, rows, torch.zeros(2, 0), conditioning, 1)
    seen = torch.tensor([[start] * 3, [start + 2, start + 3, start + 4]])
    expected = frames.state[seen]
    assert batch.observation["state"].equal(expected)


def test_a_policy_with_a_history_of_images_alone_acts(
    pictures: Demonstrations, tmp_path: Path
) -> None:
    config = replace(CONFIG, features=("top",), history=2)
    robomtl.train(pictures, out=tmp_path / "run", config=config)
    agent = robomtl.PolicyAgent(tmp_path / "run")
    assert list(agent.card.spec.embodiments[0].observation) == ["top"]
    out = tmp_path / "out"
    results = robomtl.evaluate(
        agent,
        SEEN,
        out=out,
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert results.setting.acting == {"history": 2}
    with pytest.raises(InputError, match="has no feature 'top' .*, but state"):
        agent.check(robomtl.suite("points/reach-red"))


def test_images_of_two_sizes_are_refused_unless_others_are_observed(
    pictures: Demonstrations, tmp_path: Path
) -> None:
    larger = robomtl.suite("points/reach-red", horizon=20, images=24)
    config, alone = CollectionConfig(episodes=2, first=2), Compute(workers=1)
    path = collect(larger, tmp_path / "larger", config=config, compute=alone).path
    message = (
        r"'points' has state \(12,\), top \(16, 16, 3\), actions of length 2 in .*"
    )
    message += r" top \(24, 24, 3\), .* in .*larger. Observe features that both have"
    seen = Demonstrations(path, observe=("state", "top"))
    with pytest.raises(InputError, match=message):
        robomtl.train(Mixture([pictures, seen]), out=tmp_path / "run", config=CONFIG)
    states = [
        Demonstrations(each, observe=("state",)) for each in (pictures.path, path)
    ]
    robomtl.train(Mixture(states), out=tmp_path / "run", config=CONFIG)


def test_a_feature_that_was_not_recorded_is_refused(
    pictures: Demonstrations, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="Unknown feature of 'points' 'tip'.*'top'"):
        robomtl.train(
            pictures, out=tmp_path / "run", config=replace(CONFIG, features=("tip",))
        )


def test_a_goal_that_the_policy_does_not_read_is_refused(
    pictures: Demonstrations, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="reads the goal from 'state'"):
        robomtl.train(
            pictures,
            out=tmp_path / "run",
            conditioning=("goal",),
            config=replace(CONFIG, features=("top",)),
        )


@pytest.mark.slow
def test_a_policy_learns_from_images_alone(tmp_path: Path) -> None:
    suite = robomtl.suite("points/reach-red", images=32, horizon=25)
    data = tmp_path / "data"
    collect(
        suite,
        data,
        config=CollectionConfig(episodes=200, noise=0.5),
        compute=Compute(workers=1),
    )
    config = replace(CONFIG, features=("top",), steps=250, batch_size=64)
    robomtl.train(
        Demonstrations(data, observe=("state", "top")),
        out=tmp_path / "run",
        policy_config={"width": 96},
        config=replace(config, ema_decay=0.9),
    )
    agent = robomtl.PolicyAgent(tmp_path / "run")
    results = robomtl.evaluate(
        agent,
        suite,
        out=tmp_path / "out",
        config=robomtl.EvaluationConfig(episodes=20),
        compute=robomtl.Compute(workers=1),
    )
    # Of 400 trials, no action solves none, random actions 2 %, one random direction 4 %.
    assert (results.task_mean or 0) > 0.3
