import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from families import SUITE, GoalsSuite, grow

from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.methods.finetune import Finetune
from robomtl.adaptation.methods.zero_shot import ZeroShot
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.envs.points import PointsSuite
from robomtl.errors import GaveUpError, InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.adaptation_problems import Problem, draw_for, problems
from robomtl.experiments.adapt.adapting_cells import PlayCell, Shared
from robomtl.experiments.adapt.benchmark import benchmark_of, kind_of
from robomtl.experiments.adapt.controls import SupportPool, check_control, support_under
from robomtl.experiments.adapt.family import find_family, seeds_of
from robomtl.experiments.adapt.folds import all_held_out
from robomtl.experiments.adapt.method_cells import MethodCell, plan, trials_of
from robomtl.experiments.adapt.method_design import AdaptRequest

pytestmark = pytest.mark.usefixtures("forked_workers")

FINETUNE = Finetune(steps=2)
HELD_OUT = benchmark_of(SUITE, None)


@dataclass(frozen=True, kw_only=True)
class Diverging:
    """Never makes a policy."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 3

    def adapt(self, trained, support, budget, generator):
        raise FloatingPointError("The loss is not finite.")


@dataclass(frozen=True, kw_only=True)
class Needy:
    """Looks at demonstrations that were trained on."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def adapt(self, trained, support, budget, generator):
        assert support.prior is not None
        return Adapted(trained.policy, trained.card, parameters=len(support.prior))


@dataclass(frozen=True, kw_only=True)
class Fussy:
    """Cannot work with any policy."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def adapt(self, trained, support, budget, generator):
        raise InputError("The policy has no head.")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("family"), seeds=(0, 1))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    names = [task.name for task in SUITE.held_out_tasks]
    return collect(
        SUITE,
        tmp_path_factory.mktemp("pool"),
        config=CollectionConfig(episodes=6, tasks=names),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def shared(family, pool):
    return Shared(
        suite=SUITE,
        methods={
            "finetune": FINETUNE,
            "zero_shot": ZeroShot(),
            "diverging": Diverging(),
            "needy": Needy(),
            "fussy": Fussy(),
        },
        problems=problems(HELD_OUT, pool, shots=3, trials=4, goals=1),
        pool=pool.path,
        prior=family / "demonstrations",
        budget=Budget(batch_size=16),
    )


def cell(shared, family, **changes):
    base = MethodCell(
        trials=(),
        run=str(family / "cloning" / "seed-0"),
        objective="cloning",
        seed=0,
        method="finetune",
        problem=shared.problems[0],
        shots=2,
        draw=0,
    )
    made = dataclasses.replace(base, **changes)
    return dataclasses.replace(made, trials=trials_of(SUITE, made))


def untimed(outcomes):
    return [dataclasses.replace(outcome, seconds=0.0) for outcome in outcomes]


def test_a_cell_plays_its_problem_and_says_what_adaptation_took(shared, family):
    done = PlayCell(shared)(cell(shared, family))
    assert len(done.outcomes) == 4
    assert all(outcome.error is None for outcome in done.outcomes)
    assert done.cost.steps == 2
    assert done.cost.samples == 32
    assert done.cost.parameters > 0


def test_a_cell_depends_on_itself_alone_not_on_what_was_played_before(shared, family):
    one, other = cell(shared, family), cell(shared, family, draw=1)
    player = PlayCell(shared)
    player(other)
    assert untimed(player(one).outcomes) == untimed(PlayCell(shared)(one).outcomes)


def test_cells_of_other_names_draw_otherwise(shared, family):
    one = cell(shared, family)
    others = [cell(shared, family, draw=1), cell(shared, family, seed=1)]
    assert len({one.random_seed, *(other.random_seed for other in others)}) == 3


def test_a_method_that_diverges_or_cannot_run_leaves_its_error_to_the_framework(
    shared, family
):
    play = PlayCell(shared)
    with pytest.raises(FloatingPointError, match="Diverging diverged on 'reach-ball'"):
        play(cell(shared, family, method="diverging"))
    with pytest.raises(GaveUpError, match="The policy has no head."):
        play(cell(shared, family, method="fussy"))


def test_demonstrations_that_are_gone_are_tried_again(shared, family, tmp_path):
    gone = dataclasses.replace(shared, pool=tmp_path / "gone")
    done = PlayCell(gone)(cell(shared, family))
    assert "gone" in done.reason and done.retry
    assert done.outcomes[0].error == done.reason


def test_what_was_trained_on_is_given_to_methods_that_look_at_it_again(shared, family):
    done = PlayCell(shared)(cell(shared, family, method="needy"))
    assert done.cost.parameters == len(Demonstrations(family / "demonstrations"))


def test_training_tasks_are_played_after_the_problem(shared, family):
    some = cell(shared, family, retained=2)
    trials = some.trials
    assert [trial.task for trial in trials[:4]] == ["reach-ball"] * 4
    assert [trial.task for trial in trials[4:6]] == ["reach-red"] * 2
    assert len(trials) == 4 + 2 * 4
    assert len(PlayCell(shared)(some).outcomes) == 12


def test_zero_shot_retains_exactly_what_the_policy_did_before(shared, family):
    before = cell(shared, family, method="", problem=None, retained=2)
    after = cell(shared, family, method="zero_shot", retained=2)
    player = PlayCell(shared)
    assert untimed(player(before).outcomes) == untimed(player(after).outcomes[4:])


def test_supports_share_no_variation_with_trials(shared, pool):
    for problem in shared.problems:
        support = draw_for(pool, SUITE, problem, shots=6, draw=0)
        shown = {*support.demonstrations.episodes.variation.tolist()}
        assert not shown & {*problem.variations}


def test_demonstrations_of_the_trials_are_refused(tmp_path):
    shown = collect(
        SUITE,
        tmp_path,
        config=CollectionConfig(episodes=2, tasks=["reach-ball"], split="fresh"),
        compute=Compute(workers=1),
    )
    with pytest.raises(ValueError, match="contains variation 1000000 of 'reach-ball'"):
        first = benchmark_of(SUITE, ["reach-ball"])
        problems(first, shown, shots=1, trials=2, goals=1)


def drawn_from(pool, shared):
    return SupportPool(demonstrations=pool, suite=SUITE, problems=shared.problems)


def test_the_wrong_task_is_shown_under_the_name_of_the_right_one(shared, pool):
    first, second = shared.problems
    wrong, right = (
        support_under(
            control, drawn_from(pool, shared), problem, shots=2, draw=1
        ).demonstrations
        for control, problem in (("wrong_task", first), ("none", second))
    )
    assert wrong.tasks == ("reach-ball",)
    assert right.tasks == ("push-ball",)
    np.testing.assert_array_equal(wrong.action, right.action)
    assert wrong.instructions == {"reach-ball": "reach the ball"}


def test_shuffled_actions_are_the_same_actions_elsewhere(shared, pool):
    first = shared.problems[0]
    right, shuffled = (
        support_under(
            control, drawn_from(pool, shared), first, shots=2, draw=0
        ).demonstrations
        for control in ("none", "shuffled_actions")
    )
    np.testing.assert_array_equal(right.state, shuffled.state)
    assert not np.array_equal(right.action, shuffled.action)
    np.testing.assert_array_equal(
        np.sort(right.action, axis=0), np.sort(shuffled.action, axis=0)
    )


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ("wrong_task", "needs at least 2 tasks to adapt to"),
        ("wrong_variation", "is for hidden goals"),
    ],
)
def test_controls_a_benchmark_does_not_have_are_refused(shared, control, message):
    with pytest.raises(ValueError, match=message):
        check_control(control, shared.problems[:1])


def test_a_suite_that_holds_nothing_out_is_refused():
    with pytest.raises(ValueError, match="points/MT4 has no held-out task to adapt to"):
        benchmark_of(PointsSuite(variant="MT4"), None)


def test_a_task_that_was_trained_on_is_refused():
    with pytest.raises(
        ValueError, match="reach-red was trained on; adapt to held-out tasks"
    ):
        benchmark_of(SUITE, ["reach-red"])


def test_fewer_demonstrations_than_shots_are_refused(pool):
    with pytest.raises(ValueError, match="has 6 demonstrations in .* fewer than the 7"):
        problems(HELD_OUT, pool, shots=7, trials=2, goals=1)


def test_a_method_that_looks_at_no_support_has_one_cell_a_seed_and_problem(family):
    request = AdaptRequest(
        methods={"zero_shot": "zero_shot", "f": "finetune"}, shots=(1, 2)
    )
    cells = plan(
        request,
        {"zero_shot": ZeroShot(), "f": FINETUNE},
        find_family(family),
        (0, 1),
        (Problem(task="reach-ball", variations=(1_000_000,)),),
        SUITE,
    )
    assert [each.shots for each in cells if each.method == "zero_shot"] == [0, 0]
    assert sum(each.method == "f" for each in cells) == 2 * 2 * 3


def test_steps_controls_and_forgetting_are_looked_at_at_one_number_of_shots(family):
    request = AdaptRequest(
        methods={"zero_shot": "zero_shot", "f": "finetune"},
        shots=(1, 2),
        supports=1,
        steps=(1, 10),
        controls=("shuffled_actions",),
        retained=3,
        probe=2,
    )
    cells = plan(
        request,
        {"zero_shot": ZeroShot(), "f": FINETUNE},
        find_family(family),
        (0,),
        (Problem(task="reach-ball", variations=(1_000_000,)),),
        SUITE,
    )
    given = [(c.method, c.shots, c.steps, c.control, c.retained) for c in cells]
    assert given == [
        ("zero_shot", 0, None, "none", 3),
        ("f", 1, None, "none", 0),
        ("f", 2, None, "none", 3),
        ("f", 2, 1, "none", 0),
        ("f", 2, 10, "none", 0),
        ("f", 2, None, "shuffled_actions", 0),
        ("", 0, None, "none", 3),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": (0,)}, "shots contains 0; give at least 1"),
        ({"shots": ()}, "No number of shots was given"),
        ({"shots": (1, 1)}, "names a number twice"),
        ({"steps": (0,)}, "steps=0; give at least 1, or choose the method"),
        ({"supports": 0}, "supports is 0; give at least 1"),
        (
            {"supports": 10**12},
            "supports is 1000000000000; give the number of .*at most 1000",
        ),
        (
            {"seeds": 2**62},
            "seeds is 4611686018427387904; give the number of .*at most 1000",
        ),
        ({"retained": -1}, "retained is -1"),
        ({"probe": 3}, "probe is 3, which is not among the shots 1, 2"),
        ({"controls": ("wrong_tsk",)}, "Unknown controls 'wrong_tsk'. Did you mean"),
        ({"methods": {}}, "No method was named"),
        ({"settings": {"finetun": {}}}, "Did you mean 'finetune'"),
        ({"batch_size": 0}, "batch_size=0; give at least 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, message):
    request = {"methods": {"finetune": "finetune"}, "shots": (1, 2)}
    with pytest.raises(ValueError, match=message):
        AdaptRequest(**{**request, **changes})


def test_a_family_is_found_by_objective_and_seed(family):
    found = find_family(family)
    assert {name: sorted(some) for name, some in found.members.items()} == {
        "cloning": [0, 1]
    }
    assert found.prior == family / "demonstrations"
    assert seeds_of(found, {"finetune": "cloning"}, None) == (0, 1)
    assert seeds_of(found, {"finetune": "cloning"}, 1) == (0,)


def test_a_run_directory_is_a_family_of_one(family):
    found = find_family(family / "cloning" / "seed-1")
    assert {name: sorted(some) for name, some in found.members.items()} == {
        "cloning": [1]
    }


def test_a_missing_policy_is_refused_with_the_command_that_trains_it(family):
    found = find_family(family)
    with pytest.raises(
        ValueError, match="needs a policy trained with the objective mam"
    ):
        seeds_of(found, {"finetune": "cloning", "maml": "maml"}, 1)
    with pytest.raises(ValueError, match="--seed 2 --out .*cloning/seed-2"):
        seeds_of(found, {"finetune": "cloning"}, 3)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="contains no policy: neither a policy.json nor"
    ):
        find_family(tmp_path)


GOALS = GoalsSuite(variant="reach-flag", horizon=40)
HIDDEN = benchmark_of(GOALS, None)


@pytest.fixture(scope="module")
def goals_pool(tmp_path_factory):
    there = PointsSuite(variant="reach-flag", horizon=40)
    return collect(
        there,
        tmp_path_factory.mktemp("goals"),
        config=CollectionConfig(episodes=260, split="fresh"),
    )


def test_hidden_goals_are_shared_by_support_and_trials_and_nothing_else(goals_pool):
    found = problems(HIDDEN, goals_pool, shots=2, trials=6, goals=2)
    assert len(found) == 2
    for problem in found:
        assert len(problem.variations) == 3
        support = draw_for(goals_pool, GOALS, problem, shots=2, draw=0)
        shown = support.demonstrations.episodes.variation.tolist()
        every = {GOALS.goal_number("", each) for each in (*shown, *problem.variations)}
        assert every == {problem.goal}
        assert not {*shown} & {*problem.variations}


def test_the_wrong_variation_shows_another_goal(goals_pool):
    found = problems(HIDDEN, goals_pool, shots=2, trials=2, goals=2)
    check_control("wrong_variation", found)
    shown = SupportPool(demonstrations=goals_pool, suite=GOALS, problems=found)
    wrong = support_under("wrong_variation", shown, found[0], shots=2, draw=0)
    shown = wrong.demonstrations.episodes.variation.tolist()
    assert {GOALS.goal_number("", each) for each in shown} == {found[1].goal}


def test_trials_that_goals_do_not_divide_are_refused(goals_pool):
    with pytest.raises(ValueError, match="give a multiple of 3"):
        problems(HIDDEN, goals_pool, shots=1, trials=5, goals=3)


def test_more_goals_than_have_demonstrations_are_refused(goals_pool):
    with pytest.raises(ValueError, match="goals of 'reach-flag' have 9 demonstrations"):
        problems(HIDDEN, goals_pool, shots=9, trials=2, goals=2)


def test_an_empty_list_of_tasks_is_refused():
    for suite in (SUITE, GOALS):
        with pytest.raises(InputError, match="No task was named; name at least 1"):
            benchmark_of(suite, ())


def test_hidden_goals_that_are_not_numbered_are_refused():
    class Hiding(PointsSuite):
        goal = None
        expert_suite = PointsSuite()

    with pytest.raises(
        ValueError, match="does not define which variations share a goal"
    ):
        benchmark_of(Hiding(variant="reach-flag"), None)


def test_a_suite_that_knows_of_no_goal_hides_none():
    class NoGoal(PointsSuite):
        goal = None

    class Hiding(NoGoal):
        expert_suite = PointsSuite()

    assert kind_of(NoGoal()) == kind_of(PointsSuite()) == "transfer"
    assert kind_of(Hiding()) == kind_of(GOALS) == "infer"
    found = benchmark_of(NoGoal(variant="ML4"), None)
    assert [task.name for task in found.tasks] == ["reach-ball", "push-ball"]
    assert found.hiding is None


def test_hidden_goals_may_all_be_held_out():
    found = benchmark_of(all_held_out(GOALS), None)
    assert [task.name for task in found.tasks] == ["reach-flag"]
    assert found.split == "fresh"


def test_goals_that_start_in_one_way_only_are_refused():
    class Fixed(GoalsSuite):
        def variations_of_goal(self, task, goal):
            return range(goal, goal + 1)

    with pytest.raises(ValueError, match="has only one start per goal"):
        benchmark_of(Fixed(variant="reach-flag"), None)
