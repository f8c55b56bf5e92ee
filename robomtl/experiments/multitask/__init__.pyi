from .arm_design import Asked as Asked
from .arm_design import MultitaskRequest as MultitaskRequest
from .arm_experiment import multitask as multitask
from .arm_findings import MultitaskFindings as MultitaskFindings
