"""How values lie over JAX's devices, and which devices there are. addax.distribution says what lies where."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from addax._core import Tensor, array_of, tensor_of

if TYPE_CHECKING:
    from addax.distribution.device_mesh import DeviceMesh, TensorLayout

_shardings: list[NamedSharding] = []  # those that rows `shard` name by number, from 1


def devices(kind: str | None = None) -> list[str]:
    """The names of JAX's devices of a kind, such as `"cpu:0"`; of all processes."""
    return list(_devices(kind and kind.lower()))


def device_info(name: str) -> dict[str, Any]:
    """What a device is, its bytes of memory and how many of them are free; zero where JAX does not tell."""
    device = _device(name)
    stats = device.memory_stats() or {}
    memory = stats.get("bytes_limit", 0)
    return {
        "name": device.device_kind,
        "memory": memory,
        "free": memory - stats.get("bytes_in_use", 0),
        "libraries": {},
    }


def connect(address: str | None, processes: int | None, process: int | None, seed: int) -> int:
    """Makes this process one of a job; what is `None` the environment of the job tells JAX.

    Returns:
        The seed that the first process gave.
    """
    jax.distributed.initialize(address, processes, process)
    return int(multihost_utils.broadcast_one_to_all(np.uint32(seed)))


def mesh(device_mesh: DeviceMesh) -> Mesh:
    """JAX's mesh of the same devices."""
    return _mesh(tuple(device_mesh.devices.flatten().tolist()), tuple(device_mesh.shape), tuple(device_mesh.axis_names))


def sharding(layout: TensorLayout) -> NamedSharding:
    """JAX's word for a layout that has a mesh."""
    return NamedSharding(mesh(layout.device_mesh), PartitionSpec(*layout.axes))


def put(tensor: Tensor, sharding: NamedSharding) -> Tensor:
    """The same values laid out so, known to no tape."""
    return tensor_of(place(array_of(tensor), sharding), tensor.shape, tensor.dtype)


def put_batch(tensor: Tensor, sharding: NamedSharding, is_whole: bool) -> Tensor:
    """A batch laid out so; dimensions that do not divide by the mesh are not cut.

    Args:
        tensor: The batch.
        sharding: How it shall lie.
        is_whole: Whether each process of the job has all of the batch. If not, it has the part for its own devices.

    Raises:
        ValueError: If such a part does not divide by the devices.
    """
    if is_whole or jax.process_count() == 1:
        return put(tensor, _fitting(sharding, tensor.shape))
    try:
        array = jax.make_array_from_process_local_data(sharding, np.asarray(array_of(tensor)))
    except ValueError as error:
        raise ValueError(
            f"A process's own part of a batch, of shape {tensor.shape}, does not divide by its devices. Give all "
            "processes parts of a size that does, or all data with auto_shard_dataset=True"
        ) from error
    return tensor_of(array, array.shape, tensor.dtype)


def place(array: Any, sharding: NamedSharding) -> jax.Array:
    """An array of JAX or NumPy laid out so, which shares no memory with it, unless it lies so already."""
    if isinstance(array, jax.Array):
        if array.sharding.is_equivalent_to(sharding, array.ndim):
            return array
        if sharding.is_fully_addressable or not array.is_fully_addressable:
            return jax.device_put(jnp.copy(array), sharding)  # which shares what is on the right device already
    array = np.array(array)
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def fetch(array: jax.Array) -> np.ndarray:
    """The values as NumPy's. Those that lie in parts over several processes are read by all of these together."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    return multihost_utils.process_allgather(array, tiled=True)


def sharding_of(array: Any) -> NamedSharding | None:
    """How an array lies on a mesh, `None` if it lies on none."""
    found = getattr(array, "sharding", None)
    return found if isinstance(found, NamedSharding) else None


def number_of(sharding: NamedSharding) -> int:
    """The number by which rows `shard` name a sharding."""
    if sharding not in _shardings:
        _shardings.append(sharding)
    return _shardings.index(sharding) + 1


def constrained(x: jax.Array, number: int) -> jax.Array:
    """The array, laid out as the sharding of that number says; 0: as it is."""
    return x if number == 0 else jax.lax.with_sharding_constraint(x, _fitting(_shardings[number - 1], x.shape))


def _fitting(sharding: NamedSharding, shape: tuple[int, ...]) -> NamedSharding:
    """The sharding without the axes by which dimensions of that shape do not divide."""
    sizes, cuts = sharding.mesh.shape, zip(sharding.spec, shape, strict=False)
    cuts = (axis if axis is None or n % sizes[axis] == 0 else None for axis, n in cuts)
    return NamedSharding(sharding.mesh, PartitionSpec(*cuts))


@functools.lru_cache(64)
def _mesh(devices: tuple, shape: tuple[int, ...], axis_names: tuple[str, ...]) -> Mesh:
    return Mesh(np.array([_device(d) for d in devices]).reshape(shape), axis_names)


def _devices(kind: str | None) -> dict[str, jax.Device]:
    return {f"{d.platform}:{d.id}": d for d in jax.devices(kind)}


def _device(name: Any) -> jax.Device:
    if not isinstance(name, str):
        return name
    found = _devices(name.partition(":")[0])
    if name not in found:
        raise ValueError(f"There is no device {name!r}. There are: {', '.join(found)}")
    return found[name]
