from .shift_experiment import shift as shift
from .shift_findings import ShiftFindings as ShiftFindings
from .shift_plan import ShiftConfig as ShiftConfig
