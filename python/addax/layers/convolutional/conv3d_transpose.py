"""Conv3DTranspose."""

from __future__ import annotations

from typing import Any

from addax.layers.convolutional.base_conv_transpose import BaseConvTranspose


class Conv3DTranspose(BaseConvTranspose):
    """Transposed convolution over three axes, such as those of a volume or a film.

    Args:
        filters: Number of output channels.
        kernel_size: Extent of the filters: an int or a tuple of three.
        strides: By how much the output is larger: an int or a tuple of three.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input times the strides.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        output_padding: What to add to the size of the output: an int or a tuple of three; found from the other
            arguments if not given.
        dilation_rate: Distance of neighbouring taps: an int or a tuple of three.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(planes, rows, columns, filters, channels)`.
        bias_initializer: First value of `bias`, shape `(filters,)`.
        kernel_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, planes, rows, columns, channels)` give outputs of shape
    `(batch, new_planes, new_rows, new_columns, filters)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.layers.Conv3DTranspose(4, 3, strides=2, padding="same")(addax.ops.ones((2, 4, 4, 4, 3))).shape
    (2, 8, 8, 8, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs,
    ):
        super().__init__(
            rank=3,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
