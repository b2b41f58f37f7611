"""DepthwiseConv1D."""

from __future__ import annotations

from typing import Any

from addax.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv


class DepthwiseConv1D(BaseDepthwiseConv):
    """Convolution of each channel on its own over one axis, such as the steps of a sequence.

    Args:
        kernel_size: Extent of the filters: an int.
        strides: Step of the filters: an int.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides.
        depth_multiplier: Number of filters, and of output channels, for each input channel.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        dilation_rate: Distance of neighbouring taps: an int.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        depthwise_initializer: First value of `kernel`, shape `(kernel_size, channels, depth_multiplier)`.
        bias_initializer: First value of `bias`, shape `(channels * depth_multiplier,)`.
        depthwise_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, steps, channels)` give outputs of shape
    `(batch, new_steps, channels * depth_multiplier)`; with `"channels_first"` the channels stand behind the
    batch axis.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.layers.DepthwiseConv1D(3, depth_multiplier=2)(addax.ops.ones((2, 8, 3))).shape
    (2, 6, 6)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs,
    ):
        super().__init__(
            rank=1,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
