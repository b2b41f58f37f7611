"""Minimum, and minimum()."""

from __future__ import annotations

from addax import ops
from addax.layers.merging.base_merge import Merge, choose_masked


class Minimum(Merge):
    """The smallest of the inputs, element by element; masked ones do not count unless all are.

    Args:
        **kwargs: Arguments of `Layer`.

    Called on a list of tensors of equal or broadcastable shapes; returns one of the broadcast shape.

    Raises:
        ValueError: If the inputs are no list, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.Minimum()([x, y]).tolist()
    [[1.0, 2.0]]
    """

    def _merge(self, inputs: list, masks: list):
        return choose_masked(ops.minimum, inputs, masks)


def minimum(inputs: list, **kwargs):
    """The same as `Minimum(**kwargs)(inputs)`.

    Args:
        inputs: A list of tensors.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.minimum([x, y]).tolist()
    [[1.0, 2.0]]
    """
    return Minimum(**kwargs)(inputs)
