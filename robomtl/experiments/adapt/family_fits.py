"""Checks that the policies of a family fit the suite, the methods and the supports."""

from collections.abc import Mapping, Sequence

from robomtl.adaptation.fitting import check_fit, check_training
from robomtl.adaptation.method import Method
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.experiments.adapt.family import Family
from robomtl.experiments.adapt.folds import all_held_out
from robomtl.features import robot_of
from robomtl.joint import JointSuite, options_in
from robomtl.task import Suite


def adapted_in(family: Family, suite: Suite) -> Suite:
    """The suite to adapt in; all tasks are held out if training never saw its robots.

    Raises:
        InputError: If policies were trained on another suite, and may have seen the tasks
            that this one holds out; or if it is a joint suite.
    """
    if isinstance(suite, JointSuite):
        names = " or ".join(each.name for each in suite.suites)
        raise InputError(
            f"Methods adapt to one robot at a time, but {suite.name} joins several suites;"
            f" give one of them, such as --suite {names}, or the suite of a robot never"
            " seen in training."
        )
    every = (*suite.train_tasks, *suite.held_out_tasks)
    robots = {robot_of(suite, task.name) for task in every}
    unseen = False
    for member in family.all_members:
        card = member.trained.card
        if card.suite in ("", suite.name) or suite.name in options_in(card.suite, {}):
            continue
        known = {each.name for each in card.spec.embodiments}
        if len(known) < 2 or robots & known:
            raise InputError(
                f"{member.run} was trained on {card.suite}, not on {suite.name},"
                " and may have seen held-out tasks of the latter. Give --suite"
                f" {card.suite}, or policies trained on {suite.name}."
            )
        unseen = True
    return all_held_out(suite) if unseen else suite


def check_trainings(
    family: Family,
    needed: Mapping[str, str],
    seeds: Sequence[int],
    methods: Mapping[str, Method],
) -> None:
    """Checks that policies fit the methods, before demonstrations are collected.

    Args:
        family: The policies.
        needed: Objective of the policies of each method, by label.
        seeds: Seeds of training.
        methods: Methods by label.

    Raises:
        InputError: If a method cannot adapt a policy; the message names the method.
    """
    for label, objective in needed.items():
        for seed in seeds:
            try:
                check_training(methods[label], family.of(objective)[seed].trained)
            except InputError as error:
                raise InputError(f"The method {label}: {error}") from error


def check_supports(
    family: Family,
    needed: Mapping[str, str],
    seeds: Sequence[int],
    demonstrations: Demonstrations,
) -> None:
    """Checks that policies fit the supports that methods read.

    Args:
        family: The policies.
        needed: Objective of the policies of each method, by label.
        seeds: Seeds of training.
        demonstrations: Some of those that supports are drawn from.

    Raises:
        InputError: If a policy does not fit; see ``check_fit``.
    """
    for objective in {*needed.values()}:
        for seed in seeds:
            check_fit(family.of(objective)[seed].trained.card, demonstrations)
