"""Evaluations fabricated from outcomes, for tests of comparisons."""

import dataclasses

from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results, Setting

SETTING = Setting(
    agent="film",
    fingerprint="abc",
    protocol="fresh",
    suite="toy/MT2",
    options={"horizon": 50, "goals": "observable"},
    split="fresh",
    episodes=10,
    repeats=1,
    instructions="canonical",
    until="horizon",
    criterion="any step",
    horizon=50,
    seed=0,
    workers=2,
    processor="a processor",
    versions={"python": "3.11", "robomtl": "0.1.0"},
    commit=None,
    seconds=4.5,
)


def record(task, variation, solved, *, repeat=0, instruction=None):
    """A trial; with an error if ``solved`` is None."""
    error = "it blew up" if solved is None else None
    return Record(
        suite=SETTING.suite,
        task=task,
        variation=variation,
        repeat=repeat,
        success=solved,
        success_at_end=solved,
        first_success_step=7 if solved else None,
        length=None if error else 50,
        error=error,
        seconds=0.125,
        instruction=instruction or f"do {task}",
    )


def evaluation(outcomes, **setting):
    """Results with these outcomes of each task: 1 solved, 0 failed, x an error."""
    meaning = {"1": True, "0": False, "x": None}
    records = tuple(
        record(task, variation, meaning[letter])
        for task, letters in outcomes.items()
        for variation, letter in enumerate(letters)
    )
    return Results(
        setting=dataclasses.replace(SETTING, **setting),
        records=records,
        task_tiers=dict.fromkeys(outcomes, ""),
    )
