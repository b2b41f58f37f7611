"""ActivityRegularization."""

from __future__ import annotations

from addax import regularizers
from addax.layers.layer import Layer


class ActivityRegularization(Layer):
    """Returns its input and adds a penalty on it to the losses, per example.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.
        **kwargs: Arguments of `Layer`.

    Example:

    >>> layer = addax.layers.ActivityRegularization(l2=0.5)
    >>> _ = layer(addax.ops.convert_to_tensor([[1.0, 2.0]]))
    >>> [float(loss) for loss in layer.losses]
    [2.5]
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the inputs."""
        return inputs

    def get_config(self) -> dict:
        config = super().get_config()
        del config["activity_regularizer"]
        return {**config, "l1": self.l1, "l2": self.l2}
