"""ELU."""

from __future__ import annotations

from addax import ops
from addax.layers.layer import Layer


class ELU(Layer):
    """`x` where that is positive and `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: Minus the limit for negative inputs.
        **kwargs: Arguments of `Layer`.

    References:
        Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units,
        https://arxiv.org/abs/1511.07289

    Example:

    >>> addax.layers.ELU()(addax.ops.convert_to_tensor([-1000.0, 3.0])).tolist()
    [-1.0, 3.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha
        self._supports_masking = True
        self.built = True

    def call(self, inputs):
        """Returns the function's value."""
        return ops.elu(inputs, alpha=self.alpha)

    def get_config(self) -> dict:
        return {"name": self.name, "alpha": self.alpha, **super().get_config()}
