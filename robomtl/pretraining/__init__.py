"""Pre-training: encoders and trunks learned before, or without, any action to imitate.

Names are loaded on first use: whoever loads a policy needs its objective alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
