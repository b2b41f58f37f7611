"""Rescaling."""

from __future__ import annotations

from typing import Any

from addax import ops, saving
from addax.layers.layer import Layer


class Rescaling(Layer):
    """`inputs * scale + offset`, in floats.

    Args:
        scale: Number, list or array (along the last axes) to multiply by.
        offset: Number, list or array to add.
        **kwargs: Arguments of `Layer`.

    Example:

    >>> import numpy as np
    >>> addax.layers.Rescaling(1 / 127.5, offset=-1.0)(np.array([[0, 255]], "uint8")).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self._supports_masking = True

    def call(self, inputs):
        """Returns the rescaled inputs."""
        dtype = self.compute_dtype
        scale = ops.convert_to_tensor(self.scale, dtype)
        offset = ops.convert_to_tensor(self.offset, dtype)
        return ops.cast(inputs, dtype) * scale + offset

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "scale": saving.serialize_keras_object(self.scale),
            "offset": saving.serialize_keras_object(self.offset),
        }

    @classmethod
    def from_config(cls, config: dict) -> Rescaling:
        """Makes a layer of what `get_config` returned."""
        arrays = {key: saving.deserialize_keras_object(config[key]) for key in ("scale", "offset") if key in config}
        return super().from_config({**config, **arrays})
