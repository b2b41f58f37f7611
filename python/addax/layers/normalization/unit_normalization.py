"""UnitNormalization."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.layer import Layer


class UnitNormalization(Layer):
    """Divides vectors by their Euclidean lengths; zero vectors stay zero.

    Args:
        axis: The axis of the vectors, or axes over which one length is taken.
        **kwargs: Arguments of `Layer`.

    Raises:
        TypeError: If `axis` is neither an int nor a list of them.

    Example:

    >>> [round(x, 3) for x in addax.layers.UnitNormalization()(addax.ops.convert_to_tensor([[3.0, 4.0]])).tolist()[0]]
    [0.6, 0.8]
    """

    def __init__(self, axis: Any = -1, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                f"Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: axis={axis}"
            )
        self.axis = axis if isinstance(axis, int) else list(axis)
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the inputs as unit vectors."""
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def get_config(self) -> dict:
        return {**super().get_config(), "axis": self.axis}
