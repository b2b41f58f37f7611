"""BaseConv: what Conv1D, Conv2D and Conv3D share."""

from __future__ import annotations

from typing import Any

from addax import activations, constraints, initializers, ops, regularizers
from addax.config import standardize_data_format
from addax.layers.arguments import int_tuple, padding_of, positive
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class BaseConv(Layer):
    """A convolution over `rank` spatial axes, plus a bias and an activation.

    Args:
        rank: Number of spatial axes, 1 to 3.
        filters: Number of output channels.
        kernel_size: Extent of the filters along each spatial axis, or one for all.
        strides: Step of the filters along each spatial axis, or one for all.
        padding: `"valid"`: none; `"same"`: so that the output is as large as the input divided by the strides;
            `"causal"` (rank 1): before the input only.
        data_format: `"channels_last"` or `"channels_first"`; that of `addax.config` if not given.
        dilation_rate: Distance of neighbouring taps along each spatial axis, or one for all.
        groups: Number of groups of channels that are convolved separately.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(*kernel_size, channels / groups, filters)`.
        bias_initializer: First value of `bias`, shape `(filters,)`.
        kernel_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
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
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if lora_rank is not None or lora_alpha is not None:
            raise ValueError(
                f"{type(self).__name__}: LoRA is not supported. "
                f"Received: lora_rank={lora_rank}, lora_alpha={lora_alpha}"
            )
        self.rank = rank
        self.filters = positive(filters, "filters")
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size")
        self.strides = int_tuple(strides, rank, "strides")
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = padding_of(padding, allow_causal=rank == 1)
        self.data_format = standardize_data_format(data_format)
        self.groups = groups
        if not isinstance(groups, int) or groups <= 0:
            raise ValueError(f"The number of groups must be a positive integer. Received: groups={groups}.")
        if filters % groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters}."
            )
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
        if channels % self.groups:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. Received "
                f"groups={self.groups}, but the input has {channels} channels (full input shape is {input_shape})."
            )
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = add_bias(self, self.filters)
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={channel_axis: channels})

    def call(self, inputs):
        """Returns `activation(convolution(inputs, kernel) + bias)`."""
        padding = self.padding
        if padding == "causal":
            inputs = ops.pad(inputs, self._causal_padding(len(inputs.shape)))
            padding = "valid"
        x = ops.conv(
            inputs,
            self.kernel.value,
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return with_bias_and_activation(self, x)

    def _causal_padding(self, ndim: int) -> list[tuple[int, int]]:
        padding = [(0, 0)] * ndim
        axis = 1 if self.data_format == "channels_last" else 2
        padding[axis] = (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0)
        return padding

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
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


def channels_of(layer: Any, input_shape: tuple) -> tuple[int, int]:
    """The axis of the channels, from the end if it is the last, and their number.

    Raises:
        ValueError: If it is not known.
    """
    axis = -1 if layer.data_format == "channels_last" else 1
    if input_shape[axis] is None:
        raise ValueError(
            f"{type(layer).__name__}: the channel axis of the inputs must be known to create the kernel. Received: "
            f"input_shape={input_shape}, data_format={layer.data_format!r}"
        )
    return axis, input_shape[axis]


def add_bias(layer: Any, channels: int) -> Any:
    """Creates the bias of a convolutional layer, if it uses one."""
    if not layer.use_bias:
        return None
    return layer.add_weight(
        shape=(channels,),
        initializer=layer.bias_initializer,
        regularizer=layer.bias_regularizer,
        constraint=layer.bias_constraint,
        name="bias",
    )


def with_bias_and_activation(layer: Any, x: Any) -> Any:
    """What a convolutional layer does with its convolution."""
    if layer.bias is not None:
        bias = layer.bias.value
        x = x + (bias if layer.data_format == "channels_last" else bias.reshape(-1, *(1,) * layer.rank))
    return x if layer.activation is None else layer.activation(x)
