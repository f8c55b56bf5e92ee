from .adapting import Cost as Cost
from .adapting import adapt as adapt
from .adapting import adapt_by as adapt_by
from .method import Adapted as Adapted
from .method import Budget as Budget
from .method import Method as Method
from .support import Support as Support
from .support import draw_support as draw_support
