"""Fabricated findings of a multi-task experiment: sharing helps with few demonstrations."""

import dataclasses
import math

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success, TaskSuccess, Took
from robomtl.experiments.multitask.affinities import Measured, affinity_of
from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arm_findings import Definition, MultitaskFindings
from robomtl.experiments.multitask.crossover import crossover
from robomtl.files.request import plain

COUNTS = (2, 5, 10, 25, 50)
TASKS = ("reach-v3", "push-v3", "peg-insert-side-v3", "button-press-topdown-wall-v3")
ABOUT = {
    "demonstrations": ["runs/mt10/demonstrations-50"],
    "options": {"horizon": 500},
    "versions": {"robomtl": "0.1.0"},
    "commit": "0123456",
    "processor": "a processor",
    "workers": 2,
    "seconds": 2065.0,
}


def success(rate, tasks=TASKS):
    """Success on some tasks, of which later ones are harder."""
    rates = {task: rate * (1 - 0.15 * place) for place, task in enumerate(tasks)}
    mean = sum(rates.values()) / len(rates)
    return Success(
        task_mean=mean,
        interval=Interval(max(0.0, mean - 0.04), min(1.0, mean + 0.04)),
        trials=50 * len(tasks),
        errors=0,
        tasks={
            task: TaskSuccess(
                success=each,
                interval=Interval(max(0.0, each - 0.12), min(1.0, each + 0.12)),
                trials=50,
                errors=0,
            )
            for task, each in rates.items()
        },
    )


def difference(value, half=0.05, worse=(), better=()):
    tasks = {
        task: Estimate(
            value - 0.2 * (task in worse),
            Interval(value - 0.2 * (task in worse) - 0.1, value + 0.1),
        )
        for task in TASKS
    }
    return Difference(
        difference=value,
        interval=Interval(value - half, value + half),
        holm=0.01 if abs(value) > half else 0.5,
        tasks=tasks,
        worse=tuple(worse),
        better=tuple(better),
    )


def definition(base="together", **changes):
    together = base == "together"
    made = Definition(
        base=base,
        learned="together" if together else "alone",
        policy="film",
        policy_config={},
        conditioning=("language",),
        training={"learning_rate": 1e-3},
        networks=1 if together else len(TASKS),
        parameters=1_251_460,
        parameters_total=1_251_460 * (1 if together else len(TASKS)),
        steps=4000,
        batch=32 * (len(TASKS) if together else 1),
        samples_per_task=128_000,
    )
    return dataclasses.replace(made, **changes)


def affinity():
    """Affinity of tasks, of which the first two help each other, and the last is harmed."""
    mean = [
        [0.05, 0.02, 0.001, -0.004],
        [0.018, 0.06, 0.002, -0.003],
        [0.002, 0.001, 0.04, -0.01],
        [-0.003, -0.002, -0.012, 0.05],
    ]
    found = affinity_of([Measured(tasks=TASKS, affinity=mean, count=20)])
    assert found is not None
    return found


def findings(**changes):
    """Findings of four arms; one helps up to 5 demonstrations and is worse in a task."""
    rates = {
        "together": (0.67, 0.84, 0.88, 0.9, 0.9),
        "alone": (0.44, 0.76, 0.88, 0.93, 0.95),
        "alone_divided": (0.4, 0.7, 0.8, 0.86, 0.9),
        "wide": (0.7, 0.86, 0.91, 0.95, 0.96),
    }
    differences = {
        label: {
            count: difference(
                rate - alone,
                worse=TASKS[2:3] if label == "together" and count >= 25 else (),
                better=TASKS[:2] if rate > alone + 0.05 else (),
            )
            for count, rate, alone in zip(COUNTS, some, rates["alone"], strict=True)
        }
        for label, some in rates.items()
        if label != "alone"
    }
    steps = {"together": 4000, "wide": 4000}
    made = MultitaskFindings(
        suite="metaworld/MT10",
        tasks=TASKS,
        seeds=(0,),
        demonstrations=COUNTS,
        trials=50,
        confidence=0.95,
        baseline="alone",
        arms={
            label: dict(zip(COUNTS, map(success, some), strict=True))
            for label, some in rates.items()
        },
        definitions={
            "together": definition(),
            "alone": definition("alone"),
            "alone_divided": definition("alone_divided", parameters=300_000),
            "wide": definition(policy_config={"width": 512}),
        },
        area={label: Estimate(0.8, Interval(0.7, 0.9)) for label in rates},
        differences=differences,
        gains={"together": {TASKS[0]: (2, 5), TASKS[1]: (2,)}},
        losses={"together": {TASKS[2]: (25, 50)}},
        crossover={label: crossover(some) for label, some in differences.items()},
        affinity={"together": affinity()},
        cost={
            label: {
                count: Took(
                    seconds=100.0 * math.sqrt(count),
                    steps=steps.get(label, 16000),
                    samples=512_000,
                    parameters=1_251_460,
                )
                for count in COUNTS
            }
            for label in rates
        },
        reasons={label: {} for label in rates},
        data={count: {task: f"{count:064x}" for task in TASKS} for count in COUNTS},
    )
    return dataclasses.replace(made, **changes)


def requested(found):
    """The request for these findings, as plain data."""
    arms = {label: each.base for label, each in found.definitions.items()}
    return plain(MultitaskRequest(arms=arms, demonstrations=found.demonstrations))
