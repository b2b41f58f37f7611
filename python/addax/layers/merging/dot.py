"""Dot, and dot()."""

from __future__ import annotations

import math
from typing import Any

from addax import ops
from addax.layers.layer import Layer


class Dot(Layer):
    """Products of vectors in two inputs, for each example of the batch.

    Args:
        axes: The axis along which both inputs hold their vectors, or a pair of axes, one for each.
        normalize: Whether to divide the vectors by their lengths, which makes the products cosines.
        **kwargs: Arguments of `Layer`.

    Called on a list of two tensors; the result has the other axes of the first, then those of the second, and at least
    one behind the batch axis.

    Raises:
        TypeError: If `axes` is neither an int nor a pair.
        ValueError: If there are not two inputs, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.Dot(axes=1)([x, y]).tolist()
    [[13.0]]
    >>> addax.layers.Dot(axes=(2, 1))([addax.ops.ones((7, 3, 4)), addax.ops.ones((7, 4, 5))]).shape
    (7, 3, 5)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={axes}"
                )
            if len(axes) != 2:
                raise ValueError(
                    f"Invalid format for argument `axes`: it should contain two elements. Received: axes={axes}"
                )
            if not all(isinstance(axis, int) for axis in axes):
                raise ValueError(
                    f"Invalid format for argument `axes`: list elements should be integers. Received: axes={axes}"
                )
        self.axes = axes
        self.normalize = normalize
        self._supports_masking = True

    def build(self, input_shape: list) -> None:
        """Checks that there are two inputs whose vectors are equally long."""
        if (
            not isinstance(input_shape, (list, tuple))
            or len(input_shape) != 2
            or not all(isinstance(shape, (list, tuple)) for shape in input_shape)
        ):
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={input_shape}"
            )
        first, second = (tuple(shape) for shape in input_shape)
        a, b = self._axes_for(len(first), len(second))
        if first[a] != second[b] and None not in (first[a], second[b]):
            raise ValueError(
                f"Incompatible input shapes: axis values {first[a]} (at axis {a}) != {second[b]} (at axis {b}). Full "
                f"input shapes: {first}, {second}"
            )

    def _axes_for(self, *ranks: int) -> tuple[int, int]:
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        for axis, rank in zip(axes, ranks, strict=True):
            if not -rank <= axis < rank or axis % rank == 0:
                raise ValueError(
                    f"Dot: axes={self.axes} must name axes behind the batch axis of the inputs, of ranks {ranks}"
                )
        return axes[0] % ranks[0], axes[1] % ranks[1]

    def call(self, inputs):
        """Returns the products."""
        x, y = inputs
        a, b = self._axes_for(len(x.shape), len(y.shape))
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, -1)
        batch, *rows, size = x.shape
        columns = y.shape[1:-1]
        left = ops.reshape(x, (batch, math.prod(rows), size))
        right = ops.reshape(y, (batch, math.prod(columns), size))
        products = ops.matmul(left, ops.swapaxes(right, 1, 2))
        return ops.reshape(products, (batch, *rows, *columns) if rows or columns else (batch, 1))

    def compute_mask(self, inputs: list, mask: Any = None) -> None:
        """Returns `None`: products have no steps."""

    def get_config(self) -> dict:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: list, axes: Any = -1, **kwargs):
    """The same as `Dot(axes, **kwargs)(inputs)`.

    Args:
        inputs: A list of two tensors.
        axes: The axis along which both hold their vectors, or a pair of axes.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> addax.layers.dot([addax.ops.ones((2, 3)), addax.ops.ones((2, 3))], axes=1).tolist()
    [[3.0], [3.0]]
    """
    return Dot(axes=axes, **kwargs)(inputs)
