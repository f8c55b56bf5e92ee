"""Which of two agents is better, and how sure that is.

Names are loaded on first use: worker processes import this package and need little.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.comparison.comparison import compare as compare
    from robomtl.comparison.findings import Comparison as Comparison
    from robomtl.comparison.findings import SeedComparison as SeedComparison
    from robomtl.comparison.seeds import compare_seeds as compare_seeds
    from robomtl.comparison.sequential import (
        compare_sequentially as compare_sequentially,
    )
    from robomtl.comparison.tables import comparison_table as comparison_table
    from robomtl.comparison.tables import seeds_table as seeds_table
    from robomtl.comparison.tables import verdict_table as verdict_table
    from robomtl.comparison.verdict import Verdict as Verdict

_HOMES = {
    "Comparison": "robomtl.comparison.findings",
    "SeedComparison": "robomtl.comparison.findings",
    "Verdict": "robomtl.comparison.verdict",
    "compare": "robomtl.comparison.comparison",
    "compare_seeds": "robomtl.comparison.seeds",
    "compare_sequentially": "robomtl.comparison.sequential",
    "comparison_table": "robomtl.comparison.tables",
    "seeds_table": "robomtl.comparison.tables",
    "verdict_table": "robomtl.comparison.tables",
}

__all__ = [
    "Comparison",
    "SeedComparison",
    "Verdict",
    "compare",
    "compare_seeds",
    "compare_sequentially",
    "comparison_table",
    "seeds_table",
    "verdict_table",
]


__getattr__ = loading(__name__, _HOMES)
