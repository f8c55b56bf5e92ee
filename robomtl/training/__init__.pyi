from .config import TrainConfig as TrainConfig
from .start import Start as Start
from .train_run import train as train
