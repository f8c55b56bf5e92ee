"""Everything that has a name: suites, policies, heads, encoders, objectives and methods.

Each catalogue is beside its contract; they are gathered here for plug-ins and scripts. Names
are loaded on first use, so that a module that registers a suite does not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("robomtl", __file__)
