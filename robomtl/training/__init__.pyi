from .config import TrainConfig as TrainConfig
from .running import train as train
from .start import Start as Start
