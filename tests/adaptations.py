"""Fabricated findings of method comparisons: success rises with the logarithm of K."""

import dataclasses
import math

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.experiments.adapt.method_findings import (
    AdaptationFindings,
    Efficiency,
    Forgetting,
    MethodFindings,
    Under,
)
from robomtl.experiments.adapt.ranking import Ranking
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.findings import Difference, Success, TaskSuccess, Took
from robomtl.files.request import plain

SHOTS = (1, 2, 5, 10, 25)
TASKS = ("push-ball", "reach-ball", "assemble-a-thing-with-a-long-name")
ABOUT = {
    "run": "runs/family",
    "support": "runs/adapt/support",
    "prior": None,
    "options": {"horizon": 40},
    "versions": {"robomtl": "0.1.0"},
    "commit": "0123456",
    "processor": "a processor",
    "workers": 2,
    "seconds": 65.0,
}


def interval(middle, half=0.1):
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))


def success(rate, *, tasks=TASKS, errors=0):
    """Success on some tasks, of which later ones are harder."""
    rates = {name: rate * (1 - 0.2 * place) for place, name in enumerate(tasks)}
    mean = sum(rates.values()) / len(rates)
    return Success(
        task_mean=mean,
        interval=Interval(max(0.0, mean - 0.08), min(1.0, mean + 0.08)),
        trials=300 * len(tasks),
        errors=errors,
        tasks={
            name: TaskSuccess(
                success=each,
                interval=Interval(max(0.0, each - 0.12), min(1.0, each + 0.12)),
                trials=300,
                errors=0,
            )
            for name, each in rates.items()
        },
    )


def difference(value, *, worse=()):
    return Difference(
        difference=value,
        interval=interval(value),
        holm=0.01,
        tasks={name: Estimate(value, interval(value)) for name in TASKS},
        worse=worse,
        better=(),
    )


def method(name, base, slope, **fields):
    """Findings of a method that uses its support, without comparisons with scratch."""
    curve = {k: min(1.0, base + slope * math.log10(k)) for k in SHOTS}
    made = MethodFindings(
        method=name,
        config={"steps": 100, "learning_rate": 1e-3},
        objective="cloning",
        shots={k: success(rate) for k, rate in curve.items()},
        area=Estimate(base + slope / 2, interval(base + slope / 2)),
        efficiency=(),
        against_scratch={},
        steps={},
        controls={},
        forgetting=None,
        cost={
            k: Took(seconds=0.5 * k, steps=100, samples=25_600, parameters=140_804)
            for k in SHOTS
        },
        reasons={},
    )
    return dataclasses.replace(made, **fields)


def methods():
    """Findings of scratch, a method without support, and a method with all figures."""
    zero = method(
        "zero_shot",
        0.2,
        0.0,
        shots={0: success(0.25)},
        area=None,
        cost={0: Took(seconds=0.001, steps=0, samples=0, parameters=0)},
        against_scratch={
            k: difference(0.1 if k == 1 else -0.3, worse=() if k == 1 else TASKS[:1])
            for k in SHOTS
        },
    )
    finetune = method(
        "finetune",
        0.4,
        0.4,
        efficiency=(
            Efficiency(success=0.5, scratch=6.0, method=1.5, ratio=4.0),
            Efficiency(success=0.8, scratch=None, method=12.0, ratio=None),
        ),
        against_scratch={k: difference(0.2) for k in SHOTS},
        steps={1: success(0.2), 10: success(0.3), 1000: success(0.35)},
        controls={"wrong_task": Under(success=success(0.1), lost=difference(0.3))},
        forgetting=Forgetting(before=0.9, after=0.6, change=difference(-0.3)),
        reasons={"It diverged. <b>The policy is as it was.": 2},
    )
    return {"scratch": method("scratch", 0.1, 0.5), "zero_shot": zero, "head": finetune}


def findings(some=None, **fields):
    """A comparison of these methods by default."""
    made = AdaptationFindings(
        suite="points/ML4",
        benchmark="transfer",
        tasks=TASKS,
        seeds=(0, 1, 2),
        shots=SHOTS,
        supports=5,
        trials=20,
        probe=1,
        confidence=0.95,
        methods=some or methods(),
        ranking=Ranking(order=(), sentence="No ranking: fewer than 2 methods."),
    )
    return dataclasses.replace(made, **fields)


def many(number=18):
    """A comparison of more methods than there are colours."""
    first = methods()
    more = {
        f"a-method-of-a-long-name-{place}": dataclasses.replace(
            first["head"],
            shots={k: success(min(1.0, 0.04 * place + 0.02 * k)) for k in SHOTS},
        )
        for place in range(number - len(first))
    }
    return findings(first | more)


def requested(found):
    """The request for these findings, as plain data."""
    names = {label: each.method for label, each in found.methods.items()}
    return plain(
        AdaptRequest(methods=names, shots=found.shots, supports=found.supports)
    )
