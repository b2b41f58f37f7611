"""ZeroPadding2D."""

from __future__ import annotations

from typing import Any

from addax.layers.arguments import int_pairs
from addax.layers.reshaping.base_zero_padding import BaseZeroPadding


class ZeroPadding2D(BaseZeroPadding):
    """Puts zeros around the rows and columns of images.

    Args:
        padding: How many zeros: an int, or for each axis an int or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If `padding` is out of its domain.

    Example:

    >>> addax.layers.ZeroPadding2D(((0, 2), 2))(addax.ops.ones((2, 3, 4, 1))).shape
    (2, 5, 8, 1)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs):
        super().__init__(int_pairs(padding, 2, "padding"), data_format, **kwargs)
