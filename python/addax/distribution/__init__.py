"""Training over several devices: meshes of devices, layouts of tensors over them, and what takes which layout.

What lies where is said here; the engine moves the values (`addax/jax/distribution.py`). The native one cannot.
"""

from addax.distribution.device_mesh import DeviceMesh, TensorLayout
from addax.distribution.devices import get_device_count, initialize, list_devices
from addax.distribution.distributions import DataParallel, ModelParallel, distribution, set_distribution
from addax.distribution.layout_map import LayoutMap
from addax.distribution.placement import distribute_tensor

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
]
