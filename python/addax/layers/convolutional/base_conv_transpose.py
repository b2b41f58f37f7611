"""BaseConvTranspose: what Conv1DTranspose, Conv2DTranspose and Conv3DTranspose share."""

from __future__ import annotations

from typing import Any

from addax import activations, constraints, initializers, ops, regularizers
from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple, padding_of, positive
from addax.layers.convolutional.base_conv import add_bias, channels_of, with_bias_and_activation
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseConvTranspose(Layer):
    """A transposed convolution over `rank` spatial axes, plus a bias and an activation.

    Args:
        rank: Number of spatial axes, 1 to 3.
        filters: Number of output channels.
        kernel_size: Extent of the filters along each spatial axis, or one for all.
        strides: By how much the output is larger along each spatial axis, or one for all.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input times the strides.
        output_padding: What to add to the size of the output along each spatial axis, or one for all; found from the
            other arguments if not given.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        dilation_rate: Distance of neighbouring taps along each spatial axis, or one for all.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(*kernel_size, filters, channels)`.
        bias_initializer: First value of `bias`, shape `(filters,)`.
        kernel_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is out of its domain.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.rank = rank
        self.filters = positive(filters, "filters")
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size")
        self.strides = int_tuple(strides, rank, "strides")
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = padding_of(padding)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = int_tuple(output_padding, rank, "output_padding", allow_zero=True)
            for i, (extra, stride) in enumerate(zip(self.output_padding, self.strides, strict=True)):
                if extra >= stride:
                    raise ValueError(
                        f"`output_padding` must be strictly less than `strides` for all dimensions. At dimension {i}, "
                        f"`output_padding` is {extra} but `strides` is {stride}. Received: "
                        f"output_padding={self.output_padding}, strides={self.strides}"
                    )
        self.data_format = standardize_data_format(data_format)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=rank + 2)

    def build(self, input_shape: tuple) -> None:
        """Creates `kernel` and `bias`."""
        channel_axis, channels = channels_of(self, input_shape)
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, self.filters, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = add_bias(self, self.filters)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={channel_axis: channels})

    def call(self, inputs):
        """Returns `activation(transposed convolution(inputs, kernel) + bias)`."""
        x = ops.conv_transpose(
            inputs,
            self.kernel.value,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return with_bias_and_activation(self, x)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
