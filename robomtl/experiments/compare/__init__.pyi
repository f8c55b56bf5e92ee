from .compare_findings import Comparison as Comparison
from .compare_findings import SeedComparison as SeedComparison
from .comparison import compare as compare
from .seeds import compare_seeds as compare_seeds
from .sequential import SequentialConfig as SequentialConfig
from .sequential import compare_sequentially as compare_sequentially
from .verdict import Verdict as Verdict
