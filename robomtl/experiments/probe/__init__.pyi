from .probe_rates import Findings as Findings
from .probing import ProbeConfig as ProbeConfig
from .probing import probe as probe
