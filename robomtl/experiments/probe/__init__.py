"""Whether a policy listens: success by what it is told, on the same trials.

Names are loaded on first use: worker processes import this package and need little.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.experiments.probe.probe_rates import Findings as Findings
    from robomtl.experiments.probe.probing import ProbeConfig as ProbeConfig
    from robomtl.experiments.probe.probing import probe as probe

_HOMES = {
    "Findings": "robomtl.experiments.probe.probe_rates",
    "ProbeConfig": "robomtl.experiments.probe.probing",
    "probe": "robomtl.experiments.probe.probing",
}

__all__ = ["Findings", "ProbeConfig", "probe"]


__getattr__ = loading(__name__, _HOMES)
