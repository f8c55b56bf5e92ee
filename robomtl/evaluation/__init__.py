"""Trials of an agent on a suite, and what they say: success per task.

Names are loaded on first use: worker processes import this package and need little.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.evaluation.evaluation import evaluate as evaluate
    from robomtl.evaluation.experts import ExpertAgent as ExpertAgent
    from robomtl.evaluation.report import write_report as write_report
    from robomtl.evaluation.results import Results as Results
    from robomtl.evaluation.resuming import resume_evaluation as resume_evaluation
    from robomtl.evaluation.table import success_table as success_table
    from robomtl.evaluation.video import Film as Film
    from robomtl.evaluation.video import film as film

_HOMES = {
    "ExpertAgent": "robomtl.evaluation.experts",
    "Film": "robomtl.evaluation.video",
    "Results": "robomtl.evaluation.results",
    "evaluate": "robomtl.evaluation.evaluation",
    "film": "robomtl.evaluation.video",
    "resume_evaluation": "robomtl.evaluation.resuming",
    "success_table": "robomtl.evaluation.table",
    "write_report": "robomtl.evaluation.report",
}

__all__ = [
    "ExpertAgent",
    "Film",
    "Results",
    "evaluate",
    "film",
    "resume_evaluation",
    "success_table",
    "write_report",
]


__getattr__ = loading(__name__, _HOMES)
