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

_HOMES = {
    "ExpertAgent": "robomtl.evaluation.experts",
    "Results": "robomtl.evaluation.results",
    "evaluate": "robomtl.evaluation.evaluation",
    "resume_evaluation": "robomtl.evaluation.resuming",
    "success_table": "robomtl.evaluation.table",
    "write_report": "robomtl.evaluation.report",
}

__all__ = [
    "ExpertAgent",
    "Results",
    "evaluate",
    "resume_evaluation",
    "success_table",
    "write_report",
]


__getattr__ = loading(__name__, _HOMES)
