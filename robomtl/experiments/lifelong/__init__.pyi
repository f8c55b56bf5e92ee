from .lifelong_design import Asked as Asked
from .lifelong_experiment import lifelong as lifelong
from .lifelong_findings import Findings as Findings
