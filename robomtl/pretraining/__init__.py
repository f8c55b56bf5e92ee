"""Pre-training of a policy's features, before or without learning its actions.

Names are imported on first use, since loading a policy needs its objective only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
