"""Average, and average()."""

from __future__ import annotations

import functools
import operator

from addax.layers.merging.base_merge import Merge


class Average(Merge):
    """The mean of the inputs.

    Args:
        **kwargs: Arguments of `Layer`.

    Called on a list of tensors of equal or broadcastable shapes; returns one of the broadcast shape.

    Raises:
        ValueError: If the inputs are no list, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.Average()([x, y]).tolist()
    [[2.0, 3.5]]
    """

    def _merge(self, inputs: list, masks: list):
        return functools.reduce(operator.add, inputs) / len(inputs)


def average(inputs: list, **kwargs):
    """The same as `Average(**kwargs)(inputs)`.

    Args:
        inputs: A list of tensors.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.average([x, y]).tolist()
    [[2.0, 3.5]]
    """
    return Average(**kwargs)(inputs)
