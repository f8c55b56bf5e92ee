"""Probes fabricated from outcomes, for tests of verdicts, tables and pages."""

from evaluations import evaluation

from robomtl.acting.actor import TaskInfo
from robomtl.conditioning import Conditioning
from robomtl.experiments.probe.probe_findings import findings_of as concluded

LANGUAGE = Conditioning(kinds=("language",), tasks=("push", "reach", "open"))
FAMILIES = {"table": ("push", "reach")}
RIGHT = {"push": "1111111110", "reach": "1111111111", "open": "1111111111"}
SHUFFLED = {"push": "0000000001", "reach": "0000010000", "open": "1111111111"}


def found(families=FAMILIES, *, margin=0.1, left_out=None, **kinds):
    """Findings from outcomes of each kind: 1 solved, 0 failed, x an error."""
    results = {
        kind.replace("_", "-"): evaluation(outcomes, instructions=kind)
        for kind, outcomes in kinds.items()
    }
    task_infos = {
        kind: [TaskInfo("open", "open it")] * len(each.records)
        if kind in ("shuffled", "wrong")
        else [TaskInfo(None, None)] * len(each.records)
        for kind, each in results.items()
    }
    return concluded(
        results, task_infos, LANGUAGE, families, left_out=left_out or {}, margin=margin
    )


def many():
    """A probe of all kinds, in two families and a single task."""
    worse = {task: letters[:-3] + "0x0" for task, letters in RIGHT.items()}
    return found(
        {**FAMILIES, "cupboard": ("reach", "open")},
        right=RIGHT,
        paraphrased=RIGHT,
        held_out=worse,
        shuffled=SHUFFLED,
        empty=dict.fromkeys(RIGHT, "0" * 10),
        wrong={**SHUFFLED, "open": "0" * 10},
    )
