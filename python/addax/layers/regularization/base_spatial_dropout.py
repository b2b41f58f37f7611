"""BaseSpatialDropout: what SpatialDropout1D, SpatialDropout2D and SpatialDropout3D share."""

from __future__ import annotations

from typing import Any

from addax.layers.input_spec import InputSpec
from addax.layers.regularization.dropout import Dropout


class BaseSpatialDropout(Dropout):
    """Drops whole channels: all positions along the spatial axes at once.

    Args:
        rank: Number of spatial axes, 1 to 3.
        first_axis: The first of them.
        rate: The part of the channels to drop, between 0 and 1.
        seed: An int for reproducible masks.
        name: A name, made up if not given.
        dtype: Dtype or dtype policy.
    """

    def __init__(
        self,
        rank: int,
        first_axis: int,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=rank + 2)
        self._spatial = range(first_axis, first_axis + rank)

    def _noise_shape_for(self, inputs) -> tuple:
        return tuple(1 if axis in self._spatial else dim for axis, dim in enumerate(inputs.shape))

    def get_config(self) -> dict:
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype_policy.name}
