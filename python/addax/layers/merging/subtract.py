"""Subtract, and subtract()."""

from __future__ import annotations

from addax.layers.merging.base_merge import Merge


class Subtract(Merge):
    """The first of two inputs minus the second.

    Args:
        **kwargs: Arguments of `Layer`.

    Called on a list of tensors of equal or broadcastable shapes; returns one of the broadcast shape.

    Raises:
        ValueError: If the inputs are no list, or their shapes do not fit.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.Subtract()([x, y]).tolist()
    [[-2.0, -3.0]]
    """

    def build(self, input_shape: list) -> None:
        """Checks that there are two inputs and their shapes can be combined."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"A `Subtract` layer should be called on exactly 2 inputs. Received: input_shape={input_shape}"
            )

    def _merge(self, inputs: list, masks: list):
        return inputs[0] - inputs[1]


def subtract(inputs: list, **kwargs):
    """The same as `Subtract(**kwargs)(inputs)`.

    Args:
        inputs: A list of tensors.
        **kwargs: Arguments of the layer.

    Returns:
        A tensor.

    Example:

    >>> x, y = addax.ops.convert_to_tensor([[1.0, 2.0]]), addax.ops.convert_to_tensor([[3.0, 5.0]])
    >>> addax.layers.subtract([x, y]).tolist()
    [[-2.0, -3.0]]
    """
    return Subtract(**kwargs)(inputs)
