from .evaluation import evaluate as evaluate
from .evaluation_report import write_report as write_report
from .experts import ExpertAgent as ExpertAgent
from .results import Results as Results
from .resuming import resume_evaluation as resume_evaluation
from .table import success_table as success_table
from .video import Film as Film
from .video import film as film
