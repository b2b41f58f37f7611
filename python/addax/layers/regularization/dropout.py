"""Dropout."""

from __future__ import annotations

from typing import Any

from addax import random
from addax.layers.layer import Layer


class Dropout(Layer):
    """Sets a random part of the inputs to zero in training and scales the others up by `1 / (1 - rate)`.

    Outside of training (`training=False`, the default) it returns its input.

    Args:
        rate: The part of the inputs to drop, between 0 and 1.
        noise_shape: Shape of the random mask, broadcast to the inputs; `None` in it stands for the input's dim.
        seed: An int for reproducible masks.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `rate` or `noise_shape` is out of its domain.

    References:
        Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.

    Example:

    >>> layer = addax.layers.Dropout(0.5, seed=1)
    >>> x = addax.ops.ones((1, 4))
    >>> layer(x).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    >>> set(layer(x, training=True).tolist()[0]) <= {0.0, 2.0}
    True
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate = checked_fraction(rate, "rate")
        self.seed = seed
        self.noise_shape = _checked_noise_shape(noise_shape)
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self._supports_masking = True
        self.built = True

    def call(self, inputs, training=False):
        """Returns the inputs, in training with a part of them dropped."""
        if training and self.rate > 0:
            return random.dropout(inputs, self.rate, self._noise_shape_for(inputs), seed=self.seed_generator)
        return inputs

    def _noise_shape_for(self, inputs) -> tuple | None:
        if self.noise_shape is None:
            return None
        return tuple(own if dim is None else dim for dim, own in zip(self.noise_shape, inputs.shape, strict=False))

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


def _checked_noise_shape(noise_shape: Any) -> tuple | None:
    if noise_shape is None:
        return None
    if not isinstance(noise_shape, (list, tuple)):
        raise ValueError(
            "Invalid value received for argument `noise_shape`. Expected an iterable of integers (e.g., a tuple or "
            f"list). Received: noise_shape={noise_shape}"
        )
    for i, dim in enumerate(noise_shape):
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                "Invalid value received for argument `noise_shape`. Expected all elements to be integers or None. "
                f"Received element at index {i}: {dim} (type: {type(dim).__name__})"
            )
        if dim is not None and dim <= 0:
            raise ValueError(
                "Invalid value received for argument `noise_shape`. Expected all dimensions to be positive. "
                f"Received negative or zero value at index {i}: {dim}"
            )
    return tuple(noise_shape)


def checked_fraction(value: Any, name: str) -> float:
    """The number, which must lie between 0 and 1."""
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float value between 0 and 1. "
            f"Received: {name}={value}"
        )
    return value
