"""Pre-training of features, and training and adaptation that start from them."""

import copy
import itertools
import shutil
from pathlib import Path

import pytest
import torch
from broken_sets import drop_actions
from torch import Generator
from torch.nn import functional

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import Budget, adapt
from robomtl.adaptation.support import Support, draw_support
from robomtl.cli.main import main
from robomtl.cli.train import Train
from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.adaptation_problems import Problem
from robomtl.experiments.adapt.family import find_family, first_member
from robomtl.experiments.adapt.method_cells import plan
from robomtl.experiments.adapt.method_design import AdaptRequest, configured
from robomtl.layers.vision import Vision
from robomtl.pretraining import clips
from robomtl.pretraining.language_alignment import symmetric_contrast
from robomtl.pretraining.latent_actions import LatentActions, Model
from robomtl.pretraining.momentum_contrast import MomentumContrast
from robomtl.pretraining.objectives import pretrainings
from robomtl.pretraining.pretrain_run import pretrain
from robomtl.pretraining.time_contrastive import time_contrast
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.material import materials

pytestmark = pytest.mark.usefixtures("forked_workers")

NAMES = (
    "language_alignment",
    "latent_actions",
    "masked_trajectory",
    "momentum_contrast",
    "time_contrastive",
)
SMALL = {"width": 16, "blocks": 1, "task_width": 8}
SHORT = {
    "latent_actions": {"ahead": 2},
    "masked_trajectory": {"window": 3, "stride": 1, "width": 16, "blocks": 1},
    "momentum_contrast": {"crop": 2, "window": 2},
}
QUICK = TrainConfig(steps=2, batch_size=16, threads=1, validation=0.5, validate_every=2)
PICTURES = TrainConfig(
    steps=2,
    batch_size=16,
    threads=1,
    features=("top",),
    vision=Vision(encoder="strided", features=8),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Episodes with states and pictures."""
    folder = tmp_path_factory.mktemp("data")
    points = suite("points/ML4", images=16)
    read = {}
    for name, tasks in {"old": None, "new": ["reach-ball"]}.items():
        collect(
            points,
            folder / name,
            config=CollectionConfig(tasks=tasks, episodes=4, noise=0.3),
            compute=Compute(workers=1),
        )
        read[name] = folder / name
    return read


@pytest.fixture(scope="module")
def states(data):
    return Demonstrations(data["old"], observe=("state",))


@pytest.fixture(scope="module")
def pictures(data):
    return Demonstrations(data["old"], observe=("top",))


def learn(read, out, name, config=QUICK, **settings):
    return pretrain(
        read,
        objective=name,
        out=out,
        policy_config=SMALL,
        objective_config={**SHORT.get(name, {}), **settings},
        config=config,
    )


def test_the_objectives_of_pre_training_are_known_by_name():
    assert pretrainings() == list(NAMES)
    guide = (Path(__file__).parent.parent / "docs" / "pretraining.md").read_text()
    for name in NAMES:  # What it learns and from what, and how it departs from that.
        assert guide.count(f"\n| `{name}` | ") == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seen", ["states", "pictures"])
def test_training_and_adaptation_start_from_a_pre_trained_policy(
    name, seen, data, tmp_path, request
):
    read, shown = request.getfixturevalue(seen), {"states": "state", "pictures": "top"}
    config = {"states": QUICK, "pictures": PICTURES}[seen]
    made = learn(read, tmp_path / "before", name, config)
    begun = checkpoint.load(tmp_path / "before").policy.state_dict()
    still = robomtl.TrainConfig(**{**vars(config), "steps": 1, "learning_rate": 1e-30})
    going = train(read, out=tmp_path / "on", config=still, start=tmp_path / "before")
    assert going.card.objective == "cloning"
    moved = going.policy.state_dict()
    for key in (key for key in moved if key.startswith(("trunk", "stem", "observer"))):
        assert torch.allclose(moved[key], begun[key], atol=1e-6)
    new = Demonstrations(data["new"], observe=(shown[seen],))
    support = draw_support(new, "reach-ball", shots=2, draw=0).demonstrations
    budget = Budget(steps=1, batch_size=4)
    for method in ("finetune", "lora"):
        adapted = adapt(
            made,
            Support(demonstrations=support),
            method=method,
            budget=budget,
            out=tmp_path / method,
        )
        assert adapted.policy.chunk == made.policy.chunk
        assert robomtl.PolicyAgent(tmp_path / method).card.objective == "cloning"
    assert made.card.objective == name


@pytest.mark.parametrize("method", ["zero_shot", "task_embedding"])
def test_a_method_that_trains_no_head_refuses_a_pre_trained_policy(
    method, data, states, tmp_path
):
    made = learn(states, tmp_path, "time_contrastive")
    new = Demonstrations(data["new"], observe=("state",))
    message = "not train the action head, and time_contrastive has trained the features"
    with pytest.raises(InputError, match=message):
        adapt(made, new, method=method)
    request = AdaptRequest(
        methods={"mine": method}, policies={"mine": "time_contrastive"}
    )
    with pytest.raises(InputError, match=f"The method mine: .*{message}"):
        robomtl.compare_methods(
            tmp_path, suite("points/ML4"), request, out=tmp_path / "out"
        )
    assert not (tmp_path / "out" / "support").exists()  # Before any is collected.


def test_a_comparison_takes_features_where_no_policy_acts(states, tmp_path):
    run = tmp_path / "family" / "time_contrastive" / "seed-0"
    learn(states, run, "time_contrastive")
    family = find_family(tmp_path / "family")
    assert first_member(family).run == run
    request = AdaptRequest(
        methods={"finetune": "finetune"},
        policies={"finetune": "time_contrastive"},
        shots=(1,),
        supports=1,
        retained=2,
    )
    problem = Problem(task="reach-ball", variations=(0,))
    methods = configured(request)
    cells = plan(request, methods, family, (0,), (problem,), suite("points/ML4"))
    # No task that it could forget was ever solved.
    assert [(cell.method, cell.retained) for cell in cells] == [("finetune", 0)]


def test_a_policy_that_was_only_pre_trained_does_not_act(states, tmp_path):
    learn(states, tmp_path / "before", "time_contrastive", QUICK)
    message = (
        "before was pre-trained by time_contrastive, which does not train its action"
        " head. Train it first: robomtl train --start .*before --data DATA --out RUN"
    )
    with pytest.raises(ValueError, match=message):
        robomtl.PolicyAgent(tmp_path / "before")


@pytest.mark.parametrize("name", NAMES)
def test_pre_training_changes_what_makes_features_and_no_action(name, states, tmp_path):
    made = learn(states, tmp_path, name).policy.state_dict()
    torch.manual_seed(0)
    card = checkpoint.load(tmp_path).card
    before = checkpoint.build(card).state_dict()
    assert not torch.allclose(
        made["trunk.0.inner.weight"], before["trunk.0.inner.weight"]
    )
    head = made["head.linear.weight"], before["head.linear.weight"]
    assert torch.allclose(*head, rtol=1e-3)  # But for the decay of weights.


@pytest.mark.parametrize("length", [3, 4, 50])
def test_ordered_steps_are_different_and_within_the_episode(length):
    lengths = torch.full((400,), length)
    times = clips.ordered(3)(lengths, Generator().manual_seed(0))
    assert (times.diff(dim=1) > 0).all()
    assert times.min() == 0 and times.max() == length - 1
    subsets = {tuple(each) for each in times.tolist()}
    if length < 5:
        assert len(subsets) == len([*itertools.combinations(range(length), 3)])


def test_windows_and_pairs_stay_within_the_episode():
    lengths, generator = torch.arange(7, 40), Generator().manual_seed(0)
    for times in (clips.spaced(4, 2), clips.nearby(3), clips.evenly(5)):
        drawn = times(lengths, generator)
        assert (drawn >= 0).all() and (drawn < lengths[:, None]).all()
    assert (clips.spaced(4, 2)(lengths, generator).diff(dim=1) == 2).all()
    assert clips.nearby(3)(lengths, generator).diff(dim=1).max() == 3


def test_time_contrast_is_the_formula_of_r3m():
    embedded = torch.randn(4, 3, 5, generator=Generator().manual_seed(0))
    found = time_contrast(embedded)
    for i, (first, second, third) in enumerate(embedded):
        others = [embedded[j, 1] for j in range(4) if j != i]
        scores = [-(first - z).norm() for z in (second, third, *others)]
        wanted = -torch.stack(scores).log_softmax(0)[0]
        assert found[i].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_alignment_is_cross_entropy_both_ways_where_no_task_comes_twice():
    scores, order = torch.randn(5, 5), torch.arange(5)
    both = (
        functional.cross_entropy(each, order, reduction="none")
        for each in (scores, scores.mT)
    )
    wanted = sum(both) / 2
    assert torch.allclose(symmetric_contrast(scores, order), wanted, atol=1e-6)
    one = symmetric_contrast(torch.zeros(3, 3), torch.zeros(3, dtype=torch.long))
    assert torch.allclose(one, torch.tensor(3.0).log().expand(3))


def test_the_weights_of_the_keys_follow_by_the_momentum(states, tmp_path):
    made = learn(states, tmp_path, "momentum_contrast").policy
    contrast, weight = made.meta, made.stem.weight
    before = contrast.get_buffer("key/stem/weight").clone()
    assert not before.equal(weight)
    MomentumContrast(momentum=0.75).follow(made)
    wanted = 0.75 * before + 0.25 * weight
    assert torch.allclose(contrast.get_buffer("key/stem/weight"), wanted, atol=1e-6)


@pytest.mark.parametrize("similarity", ["bilinear", "cosine"])
def test_momentum_contrast_is_info_nce_with_keys_of_the_followed_weights(
    similarity, states, tmp_path
):
    settings = {**SHORT["momentum_contrast"], "similarity": similarity}
    made = pretrain(
        states,
        objective="momentum_contrast",
        out=tmp_path,
        policy_config=SMALL,
        conditioning=(),  # Frames are then conditioned alike, in any order.
        objective_config=settings,
        config=QUICK,
    )
    objective = MomentumContrast(**settings)
    part, _ = materials(states, made.card.conditioning, QUICK, chunk=1)
    batch = objective.draws(part, QUICK).batch(0, 10)
    contrast, followed = made.policy.meta, copy.deepcopy(made.policy)
    keys = {
        name.removeprefix("key/").replace("/", "."): value
        for name, value in contrast.named_buffers()
    }
    followed.load_state_dict(keys, strict=False)
    embeddings = batch.batch.task_embedding
    features, other = (
        each(batch.batch.observation, embeddings) for each in (made.policy, followed)
    )
    queries = contrast.projection(features)[::2]
    weight, bias = keys["projection.weight"], keys["projection.bias"]
    own = (other @ weight.T + bias)[1::2]

    def score(query, key):
        if similarity == "bilinear":
            return query @ contrast.form @ key
        return query @ key / (query.norm() * key.norm() * objective.temperature)

    found = objective.loss(made.policy, batch).per_sample
    for row, query in enumerate(queries):
        scores = torch.stack([score(query, key) for key in own])
        wanted = scores.logsumexp(0) - scores[row]
        assert found[row].item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-5)
    assert not own.allclose(contrast.projection(features)[1::2])


def test_what_is_masked_is_predicted_without_being_read(states, tmp_path):
    policy = learn(states, tmp_path, "masked_trajectory").policy
    features, action = torch.randn(5, 3, 16), torch.randn(5, 3, 2)
    masked = torch.rand(5, 3, 2) < 0.5
    masked[0], masked[1] = True, False
    found = policy.meta(features, action, masked)
    features[masked[..., 0]] += 1
    action[masked[..., 1]] += 1
    again = policy.meta(features, action, masked)
    assert all(a.equal(b) for a, b in zip(found, again, strict=True))
    seen = policy.meta(features + 1, action, masked)
    assert not seen[1][1].allclose(again[1][1])


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_latent_actions_take_so_many_values_and_pass_gradients(
    levels, states, tmp_path
):
    policy = learn(states, tmp_path, "latent_actions").policy
    model = Model(policy, LatentActions(levels=levels, size=2))
    frames = 9 * torch.randn(2, 500, 16, requires_grad=True)
    latent = model.latent(*frames)
    assert len(latent.detach().round(decimals=4).unique()) == levels
    assert latent.abs().max() == 1
    latent.sum().backward()
    assert model.inverse[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "time_contrastiv"}, "time_contrastiv.*time_contrastive"),
        ({"objective": "maml"}, "maml trains a policy to act.*pre-train with one of"),
        ({"policy": "replay"}, "'replay' is not trained but made by methods"),
        ({"policy": "act"}, "'act' has no features apart from its actions.*film"),
        (
            {"objective": "language_alignment", "conditioning": ("one_hot",)},
            "conditioning is one_hot; give --conditioning language",
        ),
        (
            {"objective": "masked_trajectory", "objective_config": {"stride": 400}},
            "clips of 1201 frames or more, and the longest episode has",
        ),
        (
            {"objective": "momentum_contrast", "objective_config": {"window": 0}},
            "window is 0 and no image is cropped",
        ),
        (
            {"objective": "momentum_contrast", "objective_config": {"momentum": 1.0}},
            "momentum is 1.0; give 0 to below 1",
        ),
        ({"objective_config": {"penalty": -1.0}}, "penalty is -1.0"),
        (
            {"objective": "language_alignment", "objective_config": {"steps": 1}},
            "steps is 1; give 2 or more, for the first and the last step",
        ),
        (
            {"objective": "latent_actions", "objective_config": {"levels": 1}},
            "levels is 1; give 2 or more",
        ),
        (
            {
                "objective": "masked_trajectory",
                "objective_config": {"least_masked": 2.0},
            },
            "least_masked is 2.0",
        ),
        (
            {"config": TrainConfig(steps=2, evaluate_every=1)},
            "evaluate_every is 1, and time_contrastive trains no action head",
        ),
        (
            {"config": TrainConfig(sampling="validation_loss", validate_every=10)},
            "objective 'time_contrastive' draws",
        ),
    ],
)
def test_a_pre_training_that_does_not_fit_is_refused_at_once(
    settings, message, states, tmp_path
):
    given = {"objective": "time_contrastive", "config": QUICK, **settings}
    with pytest.raises(InputError, match=message):
        pretrain(states, out=tmp_path / "run", **given)
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("name", NAMES)
def test_episodes_without_actions_suffice_but_for_masked_trajectories(
    name, states, tmp_path
):
    without = states.acting(0 * states.action)
    if name == "masked_trajectory":
        with pytest.raises(
            InputError, match="never differ; for episodes without actions"
        ):
            learn(without, tmp_path, name)
        return
    made = [
        learn(read, tmp_path / str(number), name).policy.state_dict()
        for number, read in enumerate((states, without))
    ]
    assert all(made[0][key].equal(made[1][key]) for key in made[0])


def test_a_data_set_without_the_column_of_actions_serves_what_reads_none(
    data, states, tmp_path
):
    folder = Path(shutil.copytree(data["old"], tmp_path / "videos"))
    (folder / "meta/robomtl.json").unlink()  # As another tool leaves it.
    drop_actions(folder)
    watched = Demonstrations(folder, observe=("state",))
    assert "no actions" in repr(watched)
    needs = "records no actions, and {} needs them; .* such as latent_actions"
    with pytest.raises(InputError, match=needs.format("objective 'cloning'")):
        train(watched, out=tmp_path / "run", config=QUICK)
    both = Mixture([states, watched])
    with pytest.raises(InputError, match=needs.format("objective 'masked_trajectory'")):
        learn(both, tmp_path / "run", "masked_trajectory")
    with pytest.raises(InputError, match=needs.format("adaptation")):
        draw_support(watched, watched.tasks[0], shots=1, draw=0)
    with pytest.raises(InputError, match=needs.format("the request")):
        watched.action  # noqa: B018
    assert not (tmp_path / "run").exists()

    learn(watched, tmp_path / "alone", "latent_actions")
    going = train(states, out=tmp_path / "on", config=QUICK, start=tmp_path / "alone")
    assert going.policy.spec.action == states.size("action")


def test_episodes_without_actions_are_of_the_robot_that_acts_beside_them(
    data, states, tmp_path
):
    folder = Path(shutil.copytree(data["old"], tmp_path / "videos"))
    drop_actions(folder)
    watched = Demonstrations(folder, observe=("state",))
    made = learn(Mixture([watched, states]), tmp_path / "both", "latent_actions")
    assert made.card.spec.action == states.size("action")
    new = Demonstrations(data["new"], observe=("state",))
    adapted = adapt(made, new, method="finetune", budget=Budget(steps=1, batch_size=4))
    assert adapted.policy.spec.action == states.size("action")


def test_alignment_of_one_task_is_refused(states, tmp_path):
    alone = states.select(tasks=["reach-red"])
    with pytest.raises(
        InputError, match="the data have only one, reach-red; give data of 2"
    ):
        learn(alone, tmp_path, "language_alignment")


def test_crops_larger_than_pictures_are_refused(pictures, tmp_path):
    with pytest.raises(InputError, match=r"'top' have 16 px; give less than 8"):
        learn(pictures, tmp_path, "momentum_contrast", PICTURES, crop=8)


def test_the_help_of_pretrain_says_what_it_does_and_names_the_objectives(capsys):
    with pytest.raises(SystemExit):
        main(["pretrain", "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "Trains the encoders and the trunk of a policy, from which" in shown
    assert all(name in shown for name in NAMES)
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert Train.__doc__.partition(".")[0] in capsys.readouterr().out


def test_pretrain_needs_an_objective_and_names_what_starts_from_it(
    data, tmp_path, capsys
):
    assert main(["pretrain", str(data["old"])]) == 2
    assert "Give --objective, one of language_alignment" in capsys.readouterr().err
    assert main(["pretrain", "--objective", "time_contrastive"]) == 2
    shown = capsys.readouterr()
    assert "Give the data sets to train on: robomtl pretrain DATA" in shown.err
    assert "Run directory" not in shown.out
    words = ["--objective", "time_contrastive", "--steps", "1", "--batch-size", "8"]
    small = ["--architecture.width", "16", "--meta.size", "4", "--threads", "1"]
    out = ["--observe", "state", "--out", str(tmp_path / "run")]
    assert main(["pretrain", str(data["old"]), *words, *small, *out]) == 0
    shown = capsys.readouterr().out
    assert f"robomtl train --data {data['old']} --start {tmp_path / 'run'}" in shown
    assert f"tensorboard --logdir {tmp_path / 'run' / 'tensorboard'}" in shown
    assert "robomtl evaluate" not in shown
    assert checkpoint.load(tmp_path / "run").policy.meta.out_features == 4
