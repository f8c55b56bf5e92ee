from .lifelong_design import LifelongRequest as LifelongRequest
from .lifelong_experiment import lifelong as lifelong
from .lifelong_findings import LifelongFindings as LifelongFindings
