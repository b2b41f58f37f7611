"""GaussianDropout."""

from __future__ import annotations

import math

from addax import random
from addax.layers.layer import Layer
from addax.layers.regularization.dropout import checked_fraction


class GaussianDropout(Layer):
    """Multiplies by normal noise of mean 1 in training; otherwise it returns its input.

    Args:
        rate: As for `Dropout`: the noise has the variance `rate / (1 - rate)` of its factors.
        seed: An int for reproducible noise.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `rate` is out of its domain, 0 to 1 without 1.

    References:
        Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.

    Example:

    >>> layer = addax.layers.GaussianDropout(0.5, seed=1)
    >>> x = addax.ops.ones((1, 3))
    >>> layer(x).tolist(), layer(x, training=True).tolist() == x.tolist()
    ([[1.0, 1.0, 1.0]], False)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checked_fraction(rate, "rate")
        if rate == 1:
            raise ValueError("GaussianDropout: the noise of rate=1 has no finite variance. Received: rate=1")
        self.seed = seed
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self._supports_masking = True
        self.built = True

    def call(self, inputs, training=False):
        """Returns the inputs, in training times noise."""
        if training and self.rate > 0:
            stddev = math.sqrt(self.rate / (1.0 - self.rate))
            noise = random.normal(
                inputs.shape, mean=1.0, stddev=stddev, dtype=self.compute_dtype, seed=self.seed_generator
            )
            return inputs * noise
        return inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
