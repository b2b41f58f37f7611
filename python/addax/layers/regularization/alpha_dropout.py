"""AlphaDropout."""

from __future__ import annotations

from typing import Any

from addax import ops, random
from addax.layers.regularization.dropout import Dropout

# Where SELU goes for very negative inputs: minus its scale times its alpha.
_LOWEST = -1.7580993408473766


class AlphaDropout(Dropout):
    """Sets a random part of the inputs to the lowest value of SELU in training, and keeps mean and variance.

    It goes with `selu` activations. Outside of training it returns its input.

    Args:
        rate: The part of the inputs to drop, between 0 and 1.
        noise_shape: Shape of the random mask, broadcast to the inputs; `None` in it stands for the input's dim.
        seed: An int for reproducible masks.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `rate` or `noise_shape` is out of its domain.

    References:
        Klambauer et al., Self-Normalizing Neural Networks, https://arxiv.org/abs/1706.02515

    Example:

    >>> layer = addax.layers.AlphaDropout(0.5, seed=1)
    >>> len(set(layer(addax.ops.ones((1, 50)), training=True).tolist()[0]))
    2
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs):
        super().__init__(rate, noise_shape, seed, **kwargs)

    def call(self, inputs, training=False):
        """Returns the inputs, in training with a part of them dropped."""
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:  # the limit: everything is dropped, and what is left of mean and variance are zeros
            return ops.zeros_like(inputs)
        shape = self._noise_shape_for(inputs) or inputs.shape
        kept = random.uniform(shape, seed=self.seed_generator) >= self.rate
        factor = ((1 - self.rate) * (1 + self.rate * _LOWEST**2)) ** -0.5
        offset = -factor * _LOWEST * self.rate
        return ops.where(kept, inputs, _LOWEST) * factor + offset
