"""Registries of suites, policies, heads, encoders, objectives and methods.

Each registry is defined beside the contract of its items, and exported here for plug-ins and
scripts. Registries are loaded on first use, so that a module that registers a suite does not
import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("robomtl", __file__)
