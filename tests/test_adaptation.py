"""The contract of adaptation methods: refusals, saving, and reading back."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from test_durable import fill

import robomtl
from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.adaptation import Budget, Support, adapt, adapt_by, draw_support
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import METHODS, Adapted
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.demonstrations.layout import ACTION, STATE
from robomtl.errors import DiskFullError, InputError, PlugInError
from robomtl.execution.compute import Compute
from robomtl.training.augmentation import Augmentation

pytestmark = pytest.mark.usefixtures("forked_workers")

SMALL = {"width": 16, "blocks": 1}
SUITE = robomtl.suite("points/ML4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    data = collect(
        SUITE,
        folder / "data",
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )
    config = robomtl.TrainConfig(steps=30, batch_size=32, threads=1)
    robomtl.train(data, out=folder / "run", policy_config=SMALL, config=config)
    return folder / "run"


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    tasks = [task.name for task in SUITE.held_out_tasks]
    out = tmp_path_factory.mktemp("held-out") / "data"
    return collect(
        SUITE,
        out,
        config=CollectionConfig(tasks=tasks, episodes=4),
        compute=Compute(workers=1),
    )


@pytest.fixture
def support(demonstrations):
    return draw_support(demonstrations, "reach-ball", shots=2, draw=0)


def weights(trained):
    return {name: it.clone() for name, it in trained.policy.state_dict().items()}


def test_fine_tuning_reduces_the_error_on_the_support(run, support):
    before = checkpoint.load(run)
    after = adapt(
        before, support, method="finetune", budget=Budget(steps=60, batch_size=32)
    )

    def error(trained):
        given = support.demonstrations
        state = torch.from_numpy(given.state)
        task_infos = [TaskInfo(support.name, support.task.instruction)] * len(state)
        embedding = trained.card.conditioning.fixed(task_infos)
        chunk, _ = trained.policy.act({"state": state}, embedding, None)
        return (chunk[:, 0] - torch.from_numpy(given.action)).abs().mean()

    assert error(after) < 0.9 * error(before)


def test_the_cost_says_what_was_taken(run, support):
    trained = checkpoint.load(run)
    method = METHODS.get("finetune")(part="head")
    _, cost = adapt_by(method, trained, support, Budget(steps=4, batch_size=8), 0)
    head = sum(p.numel() for p in trained.policy.head.parameters())
    assert (cost.steps, cost.samples, cost.parameters) == (4, 32, head)
    assert cost.seconds > 0


def test_draws_are_nested_in_shots_and_differ(demonstrations):
    def variations(shots, draw):
        drawn = draw_support(demonstrations, "push-ball", shots=shots, draw=draw)
        return drawn.demonstrations.episodes.variation.tolist()

    assert variations(4, 0)[:2] == variations(2, 0)
    assert len({tuple(variations(2, draw)) for draw in range(6)}) > 2


def test_more_shots_than_there_are_is_refused(demonstrations):
    with pytest.raises(
        ValueError, match=r"has 4 demonstrations.*the 5 requested shots"
    ):
        draw_support(demonstrations, "push-ball", shots=5, draw=0)
    with pytest.raises(ValueError, match="shots is 0; give at least 1"):
        draw_support(demonstrations, "push-ball", shots=0, draw=0)


def test_an_empty_support_is_refused(demonstrations):
    none = demonstrations.select(tasks=["push-ball"]).take([])
    with pytest.raises(
        ValueError, match="support has no demonstrations; give at least 1"
    ):
        Support(demonstrations=none)


def test_a_support_of_two_tasks_is_refused(demonstrations):
    with pytest.raises(ValueError, match="reach-ball, push-ball; give .* of 1 task"):
        Support(demonstrations=demonstrations)


def changed(demonstrations, **changes):
    contents = demonstrations._contents
    return Demonstrations.of(type(contents)(**{**vars(contents), **changes}))


def test_a_failed_demonstration_is_refused(support):
    given = support.demonstrations
    failed = given.episodes._replace(success=np.array([True, False]))
    with pytest.raises(ValueError, match="1 of the 2 demonstrations of 'reach-ball'"):
        Support(demonstrations=changed(given, episodes=failed))


def test_a_support_of_another_suite_is_refused(run, support):
    other = changed(support.demonstrations, suite="metaworld/ML10")
    with pytest.raises(ValueError, match=r"trained in points/ML4.*of metaworld/ML10"):
        adapt(run, other)


@pytest.mark.parametrize("feature", ["state", "action"])
def test_a_support_of_other_sizes_is_refused(run, support, feature):
    given = support.demonstrations
    column = {"state": STATE, "action": ACTION}[feature]
    columns = {**given.columns, column: given.columns[column][:, :1]}
    short = changed(given, columns=columns)
    with pytest.raises(ValueError, match=f"expects {feature} of length"):
        adapt(run, short)


def test_goals_hidden_from_the_policy_alone_are_refused(run, support):
    trained = checkpoint.load(run)
    card = vars(trained.card) | {"suite_options": {"goals": "hidden"}}
    hidden = checkpoint.packed(trained.policy, checkpoint.Card(**card))
    shown = changed(support.demonstrations, suite_options={"goals": "observable"})
    with pytest.raises(ValueError, match="trained with goals hidden, the support was"):
        adapt(hidden, shown)


def test_a_one_hot_policy_has_no_code_for_a_new_task(run, support, tmp_path):
    data = Demonstrations(run.parent / "data")
    robomtl.train(
        data,
        out=tmp_path,
        policy_config=SMALL,
        conditioning=("one_hot",),
        config=robomtl.TrainConfig(steps=1, batch_size=8, threads=1),
    )
    with pytest.raises(ValueError, match="one-hot code of its training tasks"):
        adapt(tmp_path, support)


def test_a_run_directory_with_the_policy_of_the_same_request_is_only_read(
    run, support, tmp_path
):
    few = Budget(steps=1, batch_size=8)
    made = adapt(run, support, budget=few, out=tmp_path / "adapted")
    again = adapt(run, support, budget=few, out=tmp_path / "adapted")
    assert again.fingerprint == made.fingerprint
    with pytest.raises(
        InputError, match=r"steps is 1 in the folder and 2 now.*another folder"
    ):
        adapt(
            run, support, budget=Budget(steps=2, batch_size=8), out=tmp_path / "adapted"
        )
    lora = configure("lora", {"rank": 2})
    with pytest.raises(
        InputError, match=r"settings is None in the folder and .Lora\(.*rank=2"
    ):
        adapt(run, support, method=lora, budget=few, out=tmp_path / "adapted")
    assert checkpoint.load(tmp_path / "adapted").fingerprint == made.fingerprint


def test_the_policy_of_a_training_is_not_overwritten_by_adaptation(run, support):
    before = checkpoint.load(run).fingerprint
    with pytest.raises(InputError, match=r"already contains a policy.*another folder"):
        adapt(run, support, budget=Budget(steps=1, batch_size=8), out=run)
    assert checkpoint.load(run).fingerprint == before


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"budget has steps=0; give at least 1.*zero_shot"
    ):
        Budget(steps=0)
    with pytest.raises(ValueError, match="budget has batch_size=0; give at least 1"):
        Budget(batch_size=0)


def test_an_unknown_method_or_setting_is_refused(run, support):
    with pytest.raises(ValueError, match="finetune"):
        adapt(run, support, method="finetone")
    with pytest.raises(ValueError, match="Method 'finetune': Unknown setting 'rate'"):
        adapt(run, support, method=configure("finetune", {"rate": 1}))


def test_settings_inside_of_a_setting_are_named_with_a_dot():
    method = configure(
        "finetune", {"augmentation.translation": 0.1, "augmentation.mirror": 0.5}
    )
    assert method.augmentation == Augmentation(translation=0.1, mirror=0.5)
    with pytest.raises(ValueError, match="'steps' has no setting 'many'"):
        configure("finetune", {"steps.many": 1})
    nearest = "'augmentation.aproach'. Did you mean 'augmentation.approach'"
    with pytest.raises(ValueError, match=nearest):
        configure("finetune", {"augmentation.aproach": 1})


def test_a_method_that_diverges_says_so_and_leaves_the_policy(run, support):
    trained = checkpoint.load(run)
    before = weights(trained)
    with pytest.raises(FloatingPointError, match="Finetune diverged on 'reach-ball'"):
        adapt(
            trained,
            support,
            method=configure("finetune", {"learning_rate": 1e30}),
            budget=Budget(steps=50, batch_size=16),
        )
    assert all(before[name].equal(it) for name, it in weights(trained).items())


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Fine-tunes while something else fills a disk."""

    disk: Path

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 1

    def adapt(self, trained, support, budget, generator):
        adapted = configure("finetune", {}).adapt(trained, support, budget, generator)
        fill(self.disk)
        return adapted


def test_an_adaptation_that_is_finished_when_the_disk_is_full_is_kept(
    run, support, small_disk
):
    out, few = small_disk / "adapted", Budget(steps=1, batch_size=8)
    made = adapt(run, support, method=Filling(disk=small_disk), budget=few, out=out)
    assert checkpoint.load(out).fingerprint == made.fingerprint


def test_an_adaptation_that_a_disk_has_no_room_for_is_refused_before_it_begins(
    run, support, small_disk
):
    fill(small_disk)
    with pytest.raises(
        DiskFullError, match=f"The disk of {small_disk}/adapted is full"
    ):
        adapt(run, support, method=Filling(disk=small_disk), out=small_disk / "adapted")


@dataclass(frozen=True, kw_only=True)
class NeedsMore:
    """A method whose objective nobody trains with."""

    objective: ClassVar[str] = "dreaming"
    steps: ClassVar[int] = 0


def of_ones_own(change):
    """A method of somebody's own that returns something, or changes what it is given."""

    @dataclass(frozen=True, kw_only=True)
    class Own:
        objective: ClassVar[str | None] = None
        steps: ClassVar[int] = 0

        def adapt(self, trained, support, budget, generator):
            return change(trained)

    return Own()


def overwrite(trained):
    next(trained.policy.parameters()).data += 1
    return Adapted(trained.policy, trained.card)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda trained: trained.head,
            r"Own.adapt raised an exception: AttributeError: .*'head' \(test_adaptation.py, line",
        ),
        (
            lambda trained: None,
            r"Own.adapt returned nothing; expected .*Adapted\(policy,",
        ),
        (lambda trained: trained, "Own.adapt returned a TrainedPolicy; expected"),
        (overwrite, "Own.adapt changed .* of the policy that it was given; let it"),
    ],
)
def test_a_method_of_ones_own_that_breaks_its_contract_is_named(
    run, support, change, message
):
    trained = checkpoint.load(run)
    before = weights(trained)
    with pytest.raises(PlugInError, match=message):
        adapt(trained, support, method=of_ones_own(change))
    assert all(it.equal(before[name]) for name, it in weights(trained).items())


def test_a_method_whose_training_the_policy_lacks_is_refused(run, support):
    trained = checkpoint.load(run)
    with pytest.raises(ValueError, match=r"needs .* dreaming.*--objective dreaming"):
        adapt_by(NeedsMore(), trained, support, Budget(), 0)
