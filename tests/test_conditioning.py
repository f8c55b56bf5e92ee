import pytest
import torch

from robomtl.acting.actor import TaskInfo
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.conditioning.embeddings import embed
from robomtl.suites import suite

TASKS = suite("points/MT4").train_tasks
NAMES = tuple(task.name for task in TASKS)


def task_info(task):
    return TaskInfo(task.name, task.instruction)


def test_kinds_stand_side_by_side_in_a_fixed_order():
    conditioning = Conditioning(
        kinds=("goal", "one_hot", "language"), tasks=NAMES, goal=(2, 4)
    )
    fixed = conditioning.fixed([task_info(TASKS[1])])
    state = torch.arange(6.0)[None]
    embedding = conditioning.embedding(fixed, state)
    assert embedding.shape == (1, conditioning.size)
    assert torch.equal(embedding[0, :384], embed([TASKS[1].instruction])[0])
    assert embedding[0, 384:].tolist() == [0.0, 1.0, 0.0, 0.0, 2.0, 3.0]


def test_what_is_withheld_is_zero():
    conditioning = Conditioning(kinds=("language", "one_hot"), tasks=NAMES)
    assert not conditioning.fixed([TaskInfo(None, None)]).any()


def test_no_kind_is_an_empty_embedding():
    conditioning = Conditioning(kinds=(), tasks=NAMES)
    assert conditioning.size == 0
    assert conditioning.fixed([task_info(TASKS[0])] * 3).shape == (3, 0)


def test_none_is_the_name_of_no_kind():
    conditioning = Conditioning(kinds=("none",), tasks=NAMES)
    assert conditioning == Conditioning(kinds=(), tasks=NAMES)
    inferred = Conditioning(
        kinds=("none", "demonstration"), tasks=NAMES, demonstration=3
    )
    assert inferred.kinds == ("demonstration",)


def test_none_beside_another_kind_is_refused():
    with pytest.raises(
        ValueError, match="none cannot be combined with goal; leave one"
    ):
        Conditioning(kinds=("goal", "none"), tasks=NAMES, goal=(2, 4))


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'language'"):
        Conditioning(kinds=("langage",), tasks=NAMES)


def test_a_kind_named_twice_is_refused():
    with pytest.raises(ValueError, match="repeats a kind"):
        Conditioning(kinds=("language", "language"), tasks=NAMES)


def test_conditioning_on_a_hidden_goal_is_refused():
    with pytest.raises(ValueError, match="Conditioning on the goal needs a suite"):
        Conditioning(kinds=("goal",), tasks=NAMES)


def test_a_one_hot_policy_refuses_a_task_it_was_not_trained_on():
    conditioning = Conditioning(kinds=("one_hot",), tasks=NAMES)
    with pytest.raises(ValueError, match="Unknown task of a one-hot policy 'fly'"):
        conditioning.fixed([TaskInfo("fly", "fly")])


def wordings(**instruction_augmentation):
    return InstructionEmbeddings(
        Conditioning(kinds=("language", "one_hot"), tasks=NAMES),
        [task.instructions for task in TASKS],
        InstructionAugmentation(**instruction_augmentation),
    )


def sample(table, task, seed=0):
    return table.sample(torch.tensor(task), torch.Generator().manual_seed(seed))


def test_without_augmentation_a_sample_is_one_of_the_task_s_wordings():
    drawn = sample(wordings(mixing=0.0, noise=0.0, swap=0.0), [2] * 200)
    known = embed(TASKS[2].instructions)
    nearest = torch.cdist(drawn[:, :384], known).min(1)
    assert nearest.values.max() < 1e-2  # cdist cancels; distinct wordings are 0.3 apart
    assert set(nearest.indices.tolist()) == set(range(len(known)))
    assert torch.equal(drawn[:, 384:], torch.eye(4)[[2] * 200])


def test_augmented_samples_stay_on_the_unit_sphere():
    drawn = sample(wordings(mixing=1.0, noise=1.0), [0, 1, 2, 3] * 10)
    assert torch.allclose(drawn[:, :384].norm(dim=1), torch.ones(40), atol=1e-5)


def test_equal_generators_draw_equal_samples():
    table = wordings(mixing=0.5, noise=0.5)
    assert torch.equal(sample(table, [0, 1, 1], 3), sample(table, [0, 1, 1], 3))
    assert not torch.equal(sample(table, [0, 1, 1], 3), sample(table, [0, 1, 1], 4))


def test_swapped_samples_are_told_another_task_s_wording():
    drawn = sample(wordings(mixing=0.0, noise=0.0, swap=0.4), [2] * 4000)
    known = embed(TASKS[2].instructions)
    own = torch.cdist(drawn[:, :384], known).min(1).values < 1e-2
    assert own.float().mean() == pytest.approx(0.6 + 0.4 / 4, abs=0.03)
    assert torch.equal(drawn[:, 384:], torch.eye(4)[[2] * 4000])


@pytest.mark.parametrize("wrong", [{"mixing": 1.5}, {"noise": -0.1}, {"swap": 2.0}])
def test_an_augmentation_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=r"(mixing|noise|swap) is .*; give 0"):
        InstructionAugmentation(**wrong)


def test_what_is_inferred_of_a_task_is_told_in_its_place():
    conditioning = Conditioning(
        kinds=("goal", "demonstration", "one_hot"),
        tasks=("a", "b"),
        goal=(2, 4),
        demonstration=3,
    ).inferring("b", torch.tensor([1.0, 2.0, 3.0]))
    assert conditioning.size == 7
    assert conditioning.slice_of("demonstration") == slice(2, 5)
    assert conditioning.slice_of("goal") == slice(5, 7)
    fixed = conditioning.fixed(
        [TaskInfo("a", None), TaskInfo("b", None), TaskInfo(None, None)]
    )
    assert fixed[:, 2:].tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0]]


def test_a_place_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="goal"):
        Conditioning(kinds=("language",), tasks=("a",)).slice_of("goal")


def test_demonstrations_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match="an objective that trains their encoder"):
        Conditioning(kinds=("demonstration",), tasks=("a",))
