from .method_design import AdaptRequest as AdaptRequest
from .method_design import Asked as Asked
from .method_experiment import compare_methods as compare_methods
from .method_findings import AdaptationFindings as AdaptationFindings
from .support_pool import Supports as Supports
from .tuning import tune as tune
