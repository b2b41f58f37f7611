"""SpatialDropout1D."""

from __future__ import annotations

from typing import Any

from addax.layers.regularization.base_spatial_dropout import BaseSpatialDropout


class SpatialDropout1D(BaseSpatialDropout):
    """Drops whole features: all steps of a sequence at once, in training.

    Neighbours are alike, so dropping them one by one would leave most of what they say.

    Args:
        rate: The part to drop, between 0 and 1; what is left is scaled up by `1 / (1 - rate)`.
        seed: An int for reproducible masks.
        name: A name, made up if not given.
        dtype: Dtype or dtype policy.

    Inputs have shape `(batch, steps, features)`.

    Raises:
        ValueError: If `rate` is out of its domain.

    References:
        Tompson et al., Efficient Object Localization Using Convolutional Networks, https://arxiv.org/abs/1411.4280

    Example:

    >>> y = addax.layers.SpatialDropout1D(0.5, seed=1)(addax.ops.ones((1, 9, 4)), training=True)
    >>> set(addax.ops.sum(addax.ops.reshape(y, (9, 4)), axis=0).tolist()) <= {0.0, 18.0}
    True
    """

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None):
        super().__init__(1, 1, rate, seed=seed, name=name, dtype=dtype)
