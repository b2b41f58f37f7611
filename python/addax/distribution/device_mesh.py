"""DeviceMesh and TensorLayout: devices in a grid with named axes, and which axes cut which dimensions of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from addax.distribution.devices import list_devices, placing


class DeviceMesh:
    """Devices in a grid.

    Args:
        shape: The sizes of the grid, such as `(2, 4)`.
        axis_names: A name for each of its axes, such as `("batch", "model")`.
        devices: The devices by name, as many as the grid has places; `None`: all of `list_devices()`.

    Raises:
        ValueError: If the sizes, names and devices do not fit together.

    Example:

    >>> addax.distribution.DeviceMesh((1, 2), ("batch", "model"), devices=["cpu:0", "cpu:1"])
    <DeviceMesh shape=(1, 2), axis_names=('batch', 'model')>
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None):
        if not shape or not axis_names:
            raise ValueError(
                "DeviceMesh: `shape` and `axis_names` cannot be empty. "
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        if len(shape) != len(axis_names) or len(set(axis_names)) != len(axis_names):
            raise ValueError(
                "DeviceMesh: `axis_names` should have a name of its own for each axis of `shape`. "
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        found = np.array(list_devices() if devices is None else devices)
        if math.prod(shape) != found.size:
            raise ValueError(
                "DeviceMesh: `shape` does not match the number of devices. "
                f"Received: shape={shape}, which has {math.prod(shape)} places, for {found.size} devices"
            )
        self._shape = shape
        self._axis_names = axis_names
        self._devices = found.reshape(shape)

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of the grid."""
        return self._shape

    @property
    def axis_names(self) -> Sequence[str]:
        """The names of its axes."""
        return self._axis_names

    @property
    def devices(self) -> np.ndarray:
        """The devices, an array of the grid's shape."""
        return self._devices

    @property
    def backend_mesh(self) -> Any:
        """The `jax.sharding.Mesh` of it. Raises a RuntimeError if the engine computes on one device."""
        return placing("DeviceMesh.backend_mesh").mesh(self)

    def size_of(self, axis: str) -> int:
        """The size of an axis.

        Args:
            axis: Its name.
        """
        return self._shape[list(self._axis_names).index(axis)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """Says how a tensor lies over the devices of a mesh.

    Args:
        axes: For each dimension of the tensor the axis of the mesh along which it is cut, or `None` for one that each
            device has whole. Axes that cut nothing hold copies.
        device_mesh: The mesh; it may be set later, once.

    Raises:
        ValueError: If an axis is not one of the mesh, or cuts two dimensions.

    Example:

    >>> mesh = addax.distribution.DeviceMesh((1,), ("model",), devices=["cpu:0"])
    >>> addax.distribution.TensorLayout((None, "model"), mesh).axes
    (None, 'model')
    """

    def __init__(self, axes: Iterable[str | None], device_mesh: DeviceMesh | None = None):
        self._axes = tuple(axes)
        self._device_mesh: DeviceMesh | None = None
        if device_mesh is not None:
            self.device_mesh = device_mesh

    @property
    def axes(self) -> tuple[str | None, ...]:
        """The axis that cuts each dimension."""
        return self._axes

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, device_mesh: DeviceMesh) -> None:
        if self._device_mesh is not None:
            raise ValueError(f"TensorLayout: the device mesh cannot be changed. It is {self._device_mesh}")
        cutting = [axis for axis in self._axes if axis is not None]
        if not set(cutting) <= set(device_mesh.axis_names) or len(set(cutting)) < len(cutting):
            raise ValueError(
                "TensorLayout: invalid axis names. Expected each to be one of "
                f"{list(device_mesh.axis_names)}, at most once, or None. Received: axes={self._axes}"
            )
        self._device_mesh = device_mesh

    @property
    def backend_layout(self) -> Any:
        """The `jax.sharding.NamedSharding` of it. Raises a ValueError if there is no mesh yet, a RuntimeError if the
        engine computes on one device."""
        if self._device_mesh is None:
            raise ValueError("TensorLayout.backend_layout: the device mesh of the layout is not set")
        return placing("TensorLayout.backend_layout").sharding(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} axes={self.axes}, device_mesh={self.device_mesh}>"
