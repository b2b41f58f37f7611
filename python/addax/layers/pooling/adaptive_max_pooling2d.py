"""AdaptiveMaxPooling2D."""

from __future__ import annotations

from typing import Any

from addax.layers.pooling.base_adaptive_pooling import BaseAdaptivePooling


class AdaptiveMaxPooling2D(BaseAdaptivePooling):
    """Maximum of a given number of windows along two axes, whatever the size of the input.

    Args:
        output_size: Number of windows: an int or a tuple of two.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, rows, columns, channels)`; with `"channels_first"` the channels stand behind
    the batch axis.

    Raises:
        ValueError: If `output_size` is out of its domain.

    Example:

    >>> addax.layers.AdaptiveMaxPooling2D(3)(addax.ops.ones((2, 7, 9, 4))).shape
    (2, 3, 3, 4)
    """

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs):
        super().__init__(2, "max", output_size, data_format, **kwargs)
