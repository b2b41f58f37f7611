"""BaseSeparableConv: what SeparableConv1D and SeparableConv2D share."""

from __future__ import annotations

from typing import Any

from addax import activations, constraints, initializers, ops, regularizers
from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple, padding_of, positive
from addax.layers.convolutional.base_conv import add_bias, channels_of, with_bias_and_activation
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseSeparableConv(Layer):
    """A convolution of each channel on its own, then a mixture of the channels, a bias and an activation.

    Args:
        rank: Number of spatial axes, 1 or 2.
        depth_multiplier: Number of filters of the first convolution for each input channel.
        filters: Number of output channels.
        kernel_size: Extent of the filters along each spatial axis, or one for all.
        strides: Step of the filters along each spatial axis, or one for all.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        dilation_rate: Distance of neighbouring taps along each spatial axis, or one for all.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        depthwise_initializer: First value of `depthwise_kernel`, shape `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: First value of `pointwise_kernel`, shape `(1..., channels * depth_multiplier, filters)`.
        bias_initializer: First value of `bias`, shape `(filters,)`.
        depthwise_regularizer: Penalty on `depthwise_kernel`.
        pointwise_regularizer: Penalty on `pointwise_kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Projection of `depthwise_kernel` after every update.
        pointwise_constraint: Projection of `pointwise_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is out of its domain.
    """

    def __init__(
        self,
        rank: int,
        depth_multiplier: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.rank = rank
        self.depth_multiplier = positive(depth_multiplier, "depth_multiplier")
        self.filters = positive(filters, "filters")
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size")
        self.strides = int_tuple(strides, rank, "strides")
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = padding_of(padding)
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=rank + 2)

    def build(self, input_shape: tuple) -> None:
        """Creates `depthwise_kernel`, `pointwise_kernel` and `bias`."""
        channel_axis, channels = channels_of(self, input_shape)
        self.depthwise_kernel = self.add_weight(
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            shape=(*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
            name="pointwise_kernel",
        )
        self.bias = add_bias(self, self.filters)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={channel_axis: channels})

    def call(self, inputs):
        """Returns `activation(separable convolution(inputs, kernels) + bias)`."""
        x = ops.separable_conv(
            inputs,
            self.depthwise_kernel.value,
            self.pointwise_kernel.value,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return with_bias_and_activation(self, x)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
            "pointwise_constraint": constraints.serialize(self.pointwise_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
