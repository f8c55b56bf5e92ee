from .arm_design import Asked as Asked
from .arm_experiment import multitask as multitask
from .arm_findings import Findings as Findings
