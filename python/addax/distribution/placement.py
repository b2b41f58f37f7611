"""Values to their places: tensors, variables, batches, and the outputs of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from addax import engine, tree
from addax.distribution.device_mesh import TensorLayout
from addax.distribution.devices import placing
from addax.engine import Tensor
from addax.ops.convert import as_tensor
from addax.variables import scopes


def distribute_tensor(tensor: Any, layout: TensorLayout | None) -> Tensor:
    """Lays a tensor over the devices of a mesh.

    Within a compiled function, it tells the compiler so; dimensions that do not divide by the mesh stay whole there.

    Args:
        tensor: Anything convertible to a tensor.
        layout: The layout; `None`: as it is.

    Returns:
        The same values.

    Raises:
        ValueError: If the layout is none, has no mesh, or does not fit the shape.
        RuntimeError: If the engine computes on one device.

    Example:

    >>> addax.distribution.distribute_tensor([1.0, 2.0], None).tolist()
    [1.0, 2.0]
    """
    if layout is None:
        return as_tensor(tensor)
    with engine.on_host():  # so that no device has to hold all of it
        tensor = as_tensor(tensor)
    if tensor.is_placeholder or engine.is_watched(tensor):
        return _shard(tensor, layout, "distribute_tensor")
    return lay_out(tensor, layout, "distribute_tensor")


def lay_out(tensor: Tensor, layout: TensorLayout, what: str) -> Tensor:
    """The same values laid out so, known to no tape.

    Args:
        tensor: The values.
        layout: The layout.
        what: Whose they are, for messages.

    Raises:
        ValueError: If the layout does not fit the shape.
    """
    _check(tensor.shape, layout, what)
    for i, (n, axis) in enumerate(zip(tensor.shape, layout.axes, strict=False)):
        if axis is not None and n % layout.device_mesh.size_of(axis):
            raise ValueError(
                f"{what}: dimension {i} of shape {tensor.shape} does not divide by {layout.device_mesh.size_of(axis)}, "
                f"the size of axis {axis!r} of {layout.device_mesh}. Choose another layout, or a size that does."
            )
    return placing(what).put(tensor, layout.backend_layout)


def lay_out_batch(batch: Any) -> Any:
    """A batch as the distribution in use wants it; dimensions that do not divide by the mesh stay whole.

    Args:
        batch: A nested structure of tensors.
    """
    distribution = scopes.distribution
    if distribution is None:
        return batch

    def lay_out_one(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        sharding = distribution.get_data_layout(x.shape).backend_layout
        return engine.distribution.put_batch(x, sharding, distribution.auto_shard_dataset)

    return tree.map_structure(lay_out_one, batch)


def lay_out_outputs(outputs: Any, names: Sequence[str]) -> Any:
    """A layer's outputs as the distribution in use wants them.

    Args:
        outputs: A nested structure of tensors.
        names: The path of the layer, name by name.

    Raises:
        ValueError: If a layout has more dimensions than the output.
    """
    path = "/".join((*names, "output"))
    layout = scopes.distribution.get_tensor_layout(path)
    if layout is None:
        return outputs
    return tree.map_structure(lambda x: _shard(x, layout, path) if isinstance(x, Tensor) else x, outputs)


def _shard(tensor: Tensor, layout: TensorLayout, what: str) -> Tensor:
    _check(tensor.shape, layout, what)
    return engine.apply("shard", tensor, sharding=placing(what).number_of(layout.backend_layout))


def _check(shape: tuple[int, ...], layout: Any, what: str) -> None:
    if not isinstance(layout, TensorLayout) or layout.device_mesh is None:
        raise ValueError(f"{what}: expected a TensorLayout with a device mesh. Received: layout={layout!r}")
    if len(layout.axes) > len(shape):
        raise ValueError(
            f"{what}: the layout has {len(layout.axes)} dimensions, {layout.axes}, and the tensor {len(shape)}, {shape}"
        )
