"""GaussianNoise."""

from __future__ import annotations

from addax import random
from addax.layers.layer import Layer
from addax.layers.regularization.dropout import checked_fraction


class GaussianNoise(Layer):
    """Adds normal noise of mean 0 in training; otherwise it returns its input.

    Args:
        stddev: Standard deviation of the noise, between 0 and 1.
        seed: An int for reproducible noise.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `stddev` is out of its domain.

    Example:

    >>> layer = addax.layers.GaussianNoise(0.5, seed=1)
    >>> x = addax.ops.ones((1, 3))
    >>> layer(x).tolist(), layer(x, training=True).tolist() == x.tolist()
    ([[1.0, 1.0, 1.0]], False)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.stddev = checked_fraction(stddev, "stddev")
        self.seed = seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self._supports_masking = True
        self.built = True

    def call(self, inputs, training=False):
        """Returns the inputs, in training with noise."""
        if training and self.stddev > 0:
            noise = random.normal(
                inputs.shape, mean=0.0, stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
            )
            return inputs + noise
        return inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
