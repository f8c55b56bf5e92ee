from .evaluation_config import EvaluationConfig as EvaluationConfig
from .experts import ExpertAgent as ExpertAgent
from .results import Results as Results
from .table import success_table as success_table
from .video import Film as Film
from .video import film as film
