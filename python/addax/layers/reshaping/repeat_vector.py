"""RepeatVector."""

from __future__ import annotations

from addax import ops
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class RepeatVector(Layer):
    """Repeats each vector as the steps of a sequence.

    Args:
        n: How many times.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, features)` give outputs of shape `(batch, n, features)`.

    Raises:
        TypeError: If `n` is not an integer.
        ValueError: If `n` is not positive.

    Example:

    >>> addax.layers.RepeatVector(2)(addax.ops.convert_to_tensor([[1.0, 2.0]])).tolist()
    [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        if n <= 0:
            raise ValueError(f"Argument `n` should be a positive integer. Received: n={n}")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        """Returns the repeated inputs."""
        batch, features = inputs.shape
        return ops.broadcast_to(ops.expand_dims(inputs, axis=1), (batch, self.n, features))

    def get_config(self) -> dict:
        return {**super().get_config(), "n": self.n}
