from .shift_experiment import shift as shift
from .shift_findings import Findings as Findings
from .shift_plan import ShiftConfig as ShiftConfig
