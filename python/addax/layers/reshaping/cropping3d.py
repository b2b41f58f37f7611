"""Cropping3D."""

from __future__ import annotations

from typing import Any

from addax.config import standardize_data_format
from addax.layers.arguments import int_pairs
from addax.layers.reshaping.base_cropping import BaseCropping


class Cropping3D(BaseCropping):
    """Cuts away the ends of the three spatial axes of volumes.

    Args:
        cropping: How much to cut: an int, or for each axis an int or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, planes, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If `cropping` is out of its domain, or nothing would be left.

    Example:

    >>> addax.layers.Cropping3D(1)(addax.ops.ones((1, 4, 4, 4, 1))).shape
    (1, 2, 2, 2, 1)
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs):
        self.data_format = standardize_data_format(data_format)
        first_axis = 1 if self.data_format == "channels_last" else 2
        super().__init__(int_pairs(cropping, 3, "cropping"), first_axis, **kwargs)

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format}
