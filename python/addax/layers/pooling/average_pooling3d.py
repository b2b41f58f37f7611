"""AveragePooling3D."""

from __future__ import annotations

from typing import Any

from addax.layers.pooling.base_pooling import BasePooling


class AveragePooling3D(BasePooling):
    """Average over windows along three axes.

    Args:
        pool_size: Extent of the window: an int or a tuple of three.
        strides: Step of the window: an int or a tuple of three; `pool_size` if `None`.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides;
            what is padded does not count.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        name: A name, made up if not given.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, depth, rows, columns, channels)` give outputs with fewer of each but batch and channels;
    with `"channels_first"` the channels stand behind the batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.layers.AveragePooling3D(2)(addax.ops.ones((2, 4, 4, 4, 3))).shape
    (2, 2, 2, 2, 3)
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs,
    ):
        super().__init__(
            pool_size,
            strides,
            pool_dimensions=3,
            pool_mode="average",
            padding=padding,
            data_format=data_format,
            name=name,
            **kwargs,
        )
