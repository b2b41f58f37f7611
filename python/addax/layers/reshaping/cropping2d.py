"""Cropping2D."""

from __future__ import annotations

from typing import Any

from addax.config import standardize_data_format
from addax.layers.arguments import int_pairs
from addax.layers.reshaping.base_cropping import BaseCropping


class Cropping2D(BaseCropping):
    """Cuts away the ends of the rows and columns of images.

    Args:
        cropping: How much to cut: an int, or for each axis an int or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If `cropping` is out of its domain, or nothing would be left.

    Example:

    >>> addax.layers.Cropping2D(((1, 2), 1))(addax.ops.ones((2, 5, 6, 1))).shape
    (2, 2, 4, 1)
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs):
        self.data_format = standardize_data_format(data_format)
        first_axis = 1 if self.data_format == "channels_last" else 2
        super().__init__(int_pairs(cropping, 2, "cropping"), first_axis, **kwargs)

    def get_config(self) -> dict:
        return {**super().get_config(), "data_format": self.data_format}
