"""ZeroPadding3D."""

from __future__ import annotations

from typing import Any

from addax.layers.arguments import int_pairs
from addax.layers.reshaping.base_zero_padding import BaseZeroPadding


class ZeroPadding3D(BaseZeroPadding):
    """Puts zeros around the three spatial axes of volumes.

    Args:
        padding: How many zeros: an int, or for each axis an int or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, planes, rows, columns, channels)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If `padding` is out of its domain.

    Example:

    >>> addax.layers.ZeroPadding3D(1)(addax.ops.ones((1, 2, 2, 2, 1))).shape
    (1, 4, 4, 4, 1)
    """

    def __init__(self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs):
        super().__init__(int_pairs(padding, 3, "padding"), data_format, **kwargs)
