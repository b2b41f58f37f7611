"""LayoutMap: layouts by the paths of variables and of layers' outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping

from addax.distribution.device_mesh import DeviceMesh, TensorLayout


class LayoutMap(MutableMapping):
    """Layouts by regular expressions, each of which stands for the paths that it matches as a whole.

    A variable is looked up by its `path`, the output of a layer by the layer's path and `/output`.

    Args:
        device_mesh: The mesh of layouts that come without one.

    Example:

    >>> mesh = addax.distribution.DeviceMesh((1, 1), ("batch", "model"), devices=["cpu:0"])
    >>> layouts = addax.distribution.LayoutMap(mesh)
    >>> layouts[".*dense.*/kernel"] = (None, "model")
    >>> layouts["sequential/dense_1/kernel"].axes
    (None, 'model')
    >>> layouts["sequential/dense_1/bias"] is None
    True
    """

    def __init__(self, device_mesh: DeviceMesh | None):
        self._device_mesh = device_mesh
        self._layouts: dict[str, TensorLayout] = {}

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh of layouts that come without one."""
        return self._device_mesh

    def __getitem__(self, key: str) -> TensorLayout | None:
        """Returns the layout of a path or of a key itself; `None` if no key matches.

        Args:
            key: The path.

        Raises:
            ValueError: If several keys match.
        """
        if key in self._layouts:
            return self._layouts[key]
        found = [pattern for pattern in self._layouts if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(
                f"LayoutMap: path {key!r} matches several keys: {found}. Each path should match at most one of them."
            )
        return self._layouts[found[0]] if found else None

    def __setitem__(self, key: str, layout: TensorLayout | tuple[str | None, ...]) -> None:
        """Adds a layout.

        Args:
            key: A regular expression for whole paths.
            layout: A layout, or its axes as a tuple.

        Raises:
            ValueError: If the key is there already, or this is no layout for the mesh.
        """
        if key in self._layouts:
            raise ValueError(
                f"LayoutMap: the key {key!r} is there already, with {self._layouts[key]}. Delete it first, or take "
                "another key."
            )
        if isinstance(layout, tuple):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            raise ValueError(
                f"LayoutMap: expected a TensorLayout or a tuple of axes for {key!r}. Received: {layout!r} of type "
                f"{type(layout).__name__}"
            )
        if layout.device_mesh is None and self._device_mesh is not None:
            layout.device_mesh = self._device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)

    def __len__(self) -> int:
        return len(self._layouts)
