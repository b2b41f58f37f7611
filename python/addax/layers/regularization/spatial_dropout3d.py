"""SpatialDropout3D."""

from __future__ import annotations

from typing import Any

from addax.config import standardize_data_format
from addax.layers.regularization.base_spatial_dropout import BaseSpatialDropout


class SpatialDropout3D(BaseSpatialDropout):
    """Drops whole channels: all positions in a volume at once, in training.

    Neighbours are alike, so dropping them one by one would leave most of what they say.

    Args:
        rate: The part to drop, between 0 and 1; what is left is scaled up by `1 / (1 - rate)`.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        seed: An int for reproducible masks.
        name: A name, made up if not given.
        dtype: Dtype or dtype policy.

    Inputs have shape `(batch, planes, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If `rate` is out of its domain.

    References:
        Tompson et al., Efficient Object Localization Using Convolutional Networks, https://arxiv.org/abs/1411.4280

    Example:

    >>> y = addax.layers.SpatialDropout3D(0.5, seed=1)(addax.ops.ones((1, 3, 3, 1, 4)), training=True)
    >>> set(addax.ops.sum(addax.ops.reshape(y, (9, 4)), axis=0).tolist()) <= {0.0, 18.0}
    True
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        self.data_format = standardize_data_format(data_format)
        first_axis = 1 if self.data_format == "channels_last" else 2
        super().__init__(3, first_axis, rate, seed=seed, name=name, dtype=dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format}
