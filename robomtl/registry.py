"""Everything that has a name: suites, policies, heads, encoders, objectives and methods.

Each catalogue is beside its contract; they are gathered here for plug-ins and scripts.
"""

from robomtl.action_head import HEADS as HEADS
from robomtl.adaptation.method import METHODS as METHODS
from robomtl.catalogue import Registry as Registry
from robomtl.continual.lifelong_method import LIFELONG as LIFELONG
from robomtl.image_encoder import ENCODERS as ENCODERS
from robomtl.policy import POLICIES as POLICIES
from robomtl.suites import SUITES as SUITES
from robomtl.suites import SuiteFactory as SuiteFactory
from robomtl.suites import suite as suite
from robomtl.training.objective import OBJECTIVES as OBJECTIVES
