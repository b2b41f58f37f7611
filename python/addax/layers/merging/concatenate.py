"""Concatenate, and concatenate()."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.layer import Layer
from addax.layers.merging.base_merge import any_of


class Concatenate(Layer):
    """Joins the inputs along an axis.

    Args:
        axis: The axis.
        **kwargs: Arguments of `Layer`.

    Called on a list of tensors whose shapes differ in that axis only.

    Raises:
        ValueError: If the inputs are no list, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.ones((2, 3)), addax.ops.zeros((2, 1))
    >>> addax.layers.Concatenate()([x, y]).tolist()
    [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self._supports_masking = True

    def build(self, input_shape: list) -> None:
        """Checks that the shapes fit."""
        if not isinstance(input_shape, (list, tuple)) or not isinstance(input_shape[0], (list, tuple)):
            raise ValueError(
                "A `Concatenate` layer should be called on a list of at least 1 input. "
                f"Received: input_shape={input_shape}"
            )
        rank = len(input_shape[0])
        if not -rank <= self.axis < rank:
            raise ValueError(f"Concatenate: axis={self.axis} is out of range for inputs of shapes {list(input_shape)}")
        along = self.axis % rank
        rests = [tuple(dim for i, dim in enumerate(shape) if i != along) for shape in input_shape]
        if any(len(shape) != rank for shape in input_shape) or any(
            len({dim for dim in dims if dim is not None}) > 1 for dims in zip(*rests, strict=True)
        ):
            raise ValueError(
                "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
                f"Received: input_shape={list(input_shape)}"
            )

    def call(self, inputs):
        """Returns the joined inputs."""
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: list, mask: list | None = None) -> Any:
        """Returns the masks joined along the axis, or their union if it is the last; inputs without a mask count."""
        if mask is None:
            return None
        if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
            raise ValueError(
                f"Concatenate: expected a list of {len(inputs)} masks, one for each input. Received: mask={mask}"
            )
        rank = len(inputs[0].shape)
        full = []
        for x, one in zip(inputs, mask, strict=True):
            everything = ops.ones_like(x[..., 0], "bool")
            for _ in range(0 if one is None else rank - 1 - len(one.shape)):
                one = ops.expand_dims(one, axis=-1)
            full.append(everything if one is None else ops.logical_and(one, everything))
        axis = self.axis % rank
        return any_of(full) if axis == rank - 1 else ops.concatenate(full, axis=axis)

    def get_config(self) -> dict:
        return {**super().get_config(), "axis": self.axis}


def concatenate(inputs: list, axis: int = -1, **kwargs):
    """The same as `Concatenate(axis, **kwargs)(inputs)`.

    Args:
        inputs: A list of tensors.
        axis: The axis.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> addax.layers.concatenate([addax.ops.ones((2, 3)), addax.ops.ones((2, 1))]).shape
    (2, 4)
    """
    return Concatenate(axis=axis, **kwargs)(inputs)
