"""UpSampling3D."""

from __future__ import annotations

from typing import Any

from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer
from addax.layers.reshaping.base_up_sampling import repeated


class UpSampling3D(Layer):
    """Repeats every element along the three spatial axes of volumes.

    Args:
        size: How many times: an int or a tuple of three.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, planes, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.layers.UpSampling3D((1, 2, 3))(addax.ops.ones((1, 2, 2, 2, 4))).shape
    (1, 2, 4, 6, 4)
    """

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size = int_tuple(size, 3, "size")
        self.input_spec = InputSpec(ndim=5)
        first = 1 if self.data_format == "channels_last" else 2
        self._sizes = {first + i: size for i, size in enumerate(self.size)}

    def call(self, inputs):
        """Returns the enlarged inputs."""
        return repeated(inputs, self._sizes)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}
