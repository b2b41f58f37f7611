"""Distributions: which layout a variable, a batch and a layer's output have; and the one in use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from addax.distribution.device_mesh import DeviceMesh, TensorLayout
from addax.distribution.devices import list_devices, placing
from addax.distribution.layout_map import LayoutMap
from addax.variables import Variable, scopes


class Distribution:
    """Base of distributions: batches are cut along one axis of a mesh.

    Args:
        device_mesh: The mesh.
        batch_dim_name: The axis that cuts batches; `None`: the first one.
        auto_shard_dataset: With several processes, whether each of them is given all data, of which it takes its part.
            If not, it is given its own part of each batch.
    """

    def __init__(self, device_mesh: DeviceMesh, batch_dim_name: str | None = None, auto_shard_dataset: bool = True):
        batch_dim_name = device_mesh.axis_names[0] if batch_dim_name is None else batch_dim_name
        if batch_dim_name not in device_mesh.axis_names:
            raise ValueError(
                f"{type(self).__name__}: expected an axis of {device_mesh}. Received: batch_dim_name={batch_dim_name!r}"
            )
        self.device_mesh = device_mesh
        self.batch_dim_name = batch_dim_name
        self.auto_shard_dataset = auto_shard_dataset

    @property
    def num_model_replicas(self) -> int:
        """How many parts a batch is cut into, each for a copy of the model."""
        return self.device_mesh.size_of(self.batch_dim_name)

    def get_data_layout(self, data_shape: Sequence[int | None]) -> TensorLayout:
        """Returns the layout of a batch: its first dimension is cut.

        Args:
            data_shape: The batch's shape.
        """
        axes = [self.batch_dim_name, *[None] * (len(data_shape) - 1)] if data_shape else []
        return TensorLayout(axes, self.device_mesh)

    def get_variable_layout(self, variable: Variable) -> TensorLayout:
        """Returns the layout of a variable: its own if it was created with one, else the one of its path, else copies.

        Args:
            variable: The variable.
        """
        layout = variable._layout or self.get_tensor_layout(variable.path)
        return layout or TensorLayout([None] * len(variable.shape), self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Returns the layout that a path has, `None` if nothing is said about it.

        Args:
            path: The path of a variable, or that of a layer and `/output`.
        """
        return None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Makes it the one in use, inside a `with`."""
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(Distribution):
    """Each device has all variables and takes its part of each batch.

    Args:
        device_mesh: A mesh with one axis.
        devices: The devices, instead of a mesh; `None`: all of them.
        auto_shard_dataset: With several processes, whether each of them is given all data, of which it takes its part.
            If not, it is given its own part of each batch.

    Raises:
        ValueError: If that is no mesh.

    Example:

    >>> addax.distribution.DataParallel(devices=["cpu:0", "cpu:1"]).num_model_replicas
    2
    """

    def __init__(self, device_mesh: DeviceMesh | None = None, devices: Any = None, auto_shard_dataset: bool = True):
        if device_mesh is None:
            found = np.array([] if devices is None else devices)
            found = found if found.size else np.array(list_devices())
            device_mesh = DeviceMesh(found.shape, ["batch"], found)
        if not isinstance(device_mesh, DeviceMesh):
            raise ValueError(
                f"DataParallel: expected `device_mesh` to be a DeviceMesh. Received: {device_mesh!r} of type "
                f"{type(device_mesh).__name__}"
            )
        if len(device_mesh.shape) > 1:
            warnings.warn(
                f"DataParallel cuts batches along the first axis of {device_mesh}; the others hold copies.",
                stacklevel=2,
            )
        super().__init__(device_mesh, None, auto_shard_dataset)


class ModelParallel(Distribution):
    """Variables are cut as a map of layouts says, and batches along one axis of its mesh.

    Args:
        layout_map: The layouts. Variables without one are copied to each device.
        batch_dim_name: The axis that cuts batches; `None`: the first one.
        auto_shard_dataset: With several processes, whether each of them is given all data, of which it takes its part.
            If not, it is given its own part of each batch.
        **kwargs: Only `device_mesh`, the mesh of the map.

    Raises:
        ValueError: If that is no map with a mesh, or no axis of it.

    Example:

    >>> mesh = addax.distribution.DeviceMesh((2, 2), ("batch", "model"), [f"cpu:{i}" for i in range(4)])
    >>> layouts = addax.distribution.LayoutMap(mesh)
    >>> layouts[".*kernel"] = (None, "model")
    >>> addax.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch").num_model_replicas
    2
    """

    def __init__(
        self,
        *,
        layout_map: LayoutMap | None = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
        **kwargs: Any,
    ):
        if not isinstance(layout_map, LayoutMap) or layout_map.device_mesh is None:
            raise ValueError(
                f"ModelParallel: expected `layout_map` to be a LayoutMap with a device mesh. Received: {layout_map!r}"
            )
        if kwargs.pop("device_mesh", layout_map.device_mesh) is not layout_map.device_mesh:
            raise ValueError("ModelParallel: expected `device_mesh` to be the one of `layout_map`; leave it out")
        if kwargs:
            raise TypeError(f"ModelParallel: unknown arguments {sorted(kwargs)}")
        super().__init__(layout_map.device_mesh, batch_dim_name, auto_shard_dataset)
        self._layout_map = layout_map

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Returns the layout that the map has for a path, `None` if it has none.

        Args:
            path: The path of a variable, or that of a layer and `/output`.

        Raises:
            ValueError: If several keys of the map match.
        """
        return self._layout_map[path]


def distribution() -> Distribution | None:
    """Returns the distribution that this thread uses, `None` if there is none.

    Example:

    >>> addax.distribution.distribution() is None
    True
    """
    return scopes.distribution


def set_distribution(value: Distribution | None) -> None:
    """Lets variables that this thread creates from now on, and the batches it trains on, lie as a distribution says.

    Args:
        value: A `DataParallel`, a `ModelParallel`, or `None` for one device.

    Raises:
        ValueError: If it is no distribution.
        RuntimeError: If the engine computes on one device; the message says what to set.

    Example:

    >>> addax.distribution.set_distribution(None)
    """
    if value is not None:
        if not isinstance(value, Distribution):
            raise ValueError(
                "set_distribution: expected a DataParallel, a ModelParallel or None. "
                f"Received: {value!r} of type {type(value).__name__}"
            )
        placing("set_distribution").mesh(value.device_mesh)
    scopes.distribution = value
