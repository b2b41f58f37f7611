"""Masking."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.calls import set_mask
from addax.layers.layer import Layer


class Masking(Layer):
    """Marks time steps whose features all have one value as padding, and sets them to zero.

    The output carries a mask that is false at these steps; layers that support masking leave them out.

    Args:
        mask_value: The value.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, steps, features)`, or more axes before the last.

    Example:

    >>> y = addax.layers.Masking(mask_value=5.0)(addax.ops.convert_to_tensor([[[5.0, 5.0], [5.0, 2.0]]]))
    >>> y.tolist()
    [[[0.0, 0.0], [5.0, 2.0]]]
    """

    def __init__(self, mask_value: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self._supports_masking = True
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where a feature differs from the value."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        """Returns the inputs with padding set to zero."""
        mask = self.compute_mask(inputs)
        outputs = inputs * ops.cast(ops.expand_dims(mask, axis=-1), inputs.dtype)
        set_mask(outputs, mask)
        return outputs

    def get_config(self) -> dict:
        return {**super().get_config(), "mask_value": self.mask_value}
