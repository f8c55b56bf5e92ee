"""Which of two agents is better, and how sure that is.

Names are loaded on first use: worker processes import this package and need little.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.experiments.compare.compare_findings import Comparison as Comparison
    from robomtl.experiments.compare.compare_findings import (
        SeedComparison as SeedComparison,
    )
    from robomtl.experiments.compare.comparison import compare as compare
    from robomtl.experiments.compare.seeds import compare_seeds as compare_seeds
    from robomtl.experiments.compare.sequential import (
        compare_sequentially as compare_sequentially,
    )
    from robomtl.experiments.compare.verdict import Verdict as Verdict

_HOMES = {
    "Comparison": "robomtl.experiments.compare.compare_findings",
    "SeedComparison": "robomtl.experiments.compare.compare_findings",
    "Verdict": "robomtl.experiments.compare.verdict",
    "compare": "robomtl.experiments.compare.comparison",
    "compare_seeds": "robomtl.experiments.compare.seeds",
    "compare_sequentially": "robomtl.experiments.compare.sequential",
}

__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


__getattr__ = loading(__name__, _HOMES)
