from .adding import add_cameras as add_cameras
from .collecting import collect as collect
from .collection_config import CollectionConfig as CollectionConfig
from .contents import Episodes as Episodes
from .dataset import Demonstrations as Demonstrations
from .mixture import Mixture as Mixture
