"""SeparableConv2D."""

from __future__ import annotations

from typing import Any

from addax.layers.convolutional.base_separable_conv import BaseSeparableConv


class SeparableConv2D(BaseSeparableConv):
    """Convolution of each channel on its own over two axes, then a mixture of the channels.

    Args:
        filters: Number of output channels.
        kernel_size: Extent of the filters: an int or a tuple of two.
        strides: Step of the filters: an int or a tuple of two.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        dilation_rate: Distance of neighbouring taps: an int or a tuple of two.
        depth_multiplier: Number of filters of the first convolution for each input channel.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        depthwise_initializer: First value of `depthwise_kernel`, shape `(rows, columns, channels, depth_multiplier)`.
        pointwise_initializer: First value of `pointwise_kernel`, shape `(1, 1, channels * depth_multiplier, filters)`.
        bias_initializer: First value of `bias`, shape `(filters,)`.
        depthwise_regularizer: Penalty on `depthwise_kernel`.
        pointwise_regularizer: Penalty on `pointwise_kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Projection of `depthwise_kernel` after every update.
        pointwise_constraint: Projection of `pointwise_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, rows, columns, channels)` give outputs of shape
    `(batch, new_rows, new_columns, filters)`; with `"channels_first"` the channels stand behind the batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.layers.SeparableConv2D(4, 3)(addax.ops.ones((2, 8, 8, 3))).shape
    (2, 6, 6, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs,
    ):
        super().__init__(
            rank=2,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
