"""Multiply, and multiply()."""

from __future__ import annotations

import functools
import operator

from addax import ops
from addax.layers.merging.base_merge import Merge, any_of, like


class Multiply(Merge):
    """The product of the inputs; a masked factor counts as 1, and where all are masked the result is 0.

    Args:
        **kwargs: Arguments of `Layer`.

    Called on a list of tensors of equal or broadcastable shapes; returns one of the broadcast shape.

    Raises:
        ValueError: If the inputs are no list, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.Multiply()([x, y]).tolist()
    [[3.0, 10.0]]
    """

    def _merge(self, inputs: list, masks: list):
        factors = [x if m is None else ops.where(like(m, x), x, 1) for x, m in zip(inputs, masks, strict=True)]
        product = functools.reduce(operator.mul, factors)
        if any(mask is None for mask in masks):
            return product
        return product * ops.cast(like(any_of(masks), product), product.dtype)


def multiply(inputs: list, **kwargs):
    """The same as `Multiply(**kwargs)(inputs)`.

    Args:
        inputs: A list of tensors.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.multiply([x, y]).tolist()
    [[3.0, 10.0]]
    """
    return Multiply(**kwargs)(inputs)
