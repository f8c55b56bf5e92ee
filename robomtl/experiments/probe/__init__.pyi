from .feature_findings import FeatureFindings as FeatureFindings
from .feature_probe import FeatureConfig as FeatureConfig
from .feature_probe import probe_features as probe_features
from .probe_rates import InstructionFindings as InstructionFindings
from .probing import ProbeConfig as ProbeConfig
from .probing import probe as probe
