"""Whether a policy listens: success by what it is told, on the same trials.

Names are loaded on first use: worker processes import this package and need little.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.probing.findings import Findings as Findings
    from robomtl.probing.probing import probe as probe
    from robomtl.probing.tables import difference_table as difference_table
    from robomtl.probing.tables import kinds_table as kinds_table

_HOMES = {
    "Findings": "robomtl.probing.findings",
    "difference_table": "robomtl.probing.tables",
    "kinds_table": "robomtl.probing.tables",
    "probe": "robomtl.probing.probing",
}

__all__ = ["Findings", "difference_table", "kinds_table", "probe"]


__getattr__ = loading(__name__, _HOMES)
