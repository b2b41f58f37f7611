"""ZeroPadding1D."""

from __future__ import annotations

from typing import Any

from addax.layers.arguments import int_tuple
from addax.layers.reshaping.base_zero_padding import BaseZeroPadding


class ZeroPadding1D(BaseZeroPadding):
    """Puts zeros around the steps of a sequence.

    Args:
        padding: How many zeros before and after: an int for both, or a pair.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, steps, features)`; with `"channels_first"` the channels stand behind the batch axis.

    Raises:
        ValueError: If `padding` is out of its domain.

    Example:

    >>> addax.layers.ZeroPadding1D((1, 2))(addax.ops.ones((2, 3, 4))).shape
    (2, 6, 4)
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs):
        super().__init__((int_tuple(padding, 2, "padding", allow_zero=True),), data_format, **kwargs)
