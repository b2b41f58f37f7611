"""Identity."""

from __future__ import annotations

from addax.layers.layer import Layer


class Identity(Layer):
    """Returns its input.

    Args:
        **kwargs: Arguments of `Layer`.

    Example:

    >>> addax.layers.Identity()(addax.ops.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the inputs."""
        return inputs
