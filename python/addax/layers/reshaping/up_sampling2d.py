"""UpSampling2D."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.config import standardize_data_format
from addax.dtypes import FLOAT_DTYPES
from addax.layers.arguments import int_tuple
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer
from addax.layers.reshaping.base_up_sampling import METHODS, interpolated, repeated


class UpSampling2D(Layer):
    """Enlarges the rows and columns of images.

    Args:
        size: By which factors: an int or a tuple of two.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        interpolation: `"nearest"` (repeats every pixel), `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, rows, columns, channels)` give outputs with more rows and columns; with `"channels_first"`
    the channels stand behind the batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> x = addax.ops.reshape(addax.ops.convert_to_tensor([1.0, 2.0]), (1, 1, 2, 1))
    >>> addax.layers.UpSampling2D((1, 2))(x).reshape(-1).tolist()
    [1.0, 1.0, 2.0, 2.0]
    >>> addax.layers.UpSampling2D((1, 2), interpolation="bilinear")(x).reshape(-1).tolist()
    [1.0, 1.25, 1.75, 2.0]
    """

    def __init__(self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size = int_tuple(size, 2, "size")
        self.interpolation = interpolation.lower()
        if self.interpolation not in METHODS:
            raise ValueError(f"UpSampling2D: expected one of {METHODS} as `interpolation`. Received: {interpolation!r}")
        self.input_spec = InputSpec(ndim=4)
        first = 1 if self.data_format == "channels_last" else 2
        self._sizes = {first: self.size[0], first + 1: self.size[1]}

    def call(self, inputs):
        """Returns the enlarged inputs."""
        if self.interpolation == "nearest":
            return repeated(inputs, self._sizes)
        dtype = inputs.dtype
        x = inputs if dtype in FLOAT_DTYPES else ops.cast(inputs, "float32")
        for axis, size in self._sizes.items():
            x = interpolated(x, axis, size, self.interpolation)
        return x if dtype in FLOAT_DTYPES else ops.cast(ops.round(x), dtype)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }
