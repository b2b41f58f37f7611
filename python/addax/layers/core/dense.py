"""Dense."""

from __future__ import annotations

from typing import Any

from addax import activations, constraints, initializers, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class Dense(Layer):
    """`activation(inputs @ kernel + bias)` along the last axis.

    Args:
        units: Size of the last axis of the output.
        activation: Function of the output, or its name; none if not given.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(last axis of the input, units)`.
        bias_initializer: First value of `bias`, shape `(units,)`.
        kernel_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, ..., n)` give outputs of shape `(batch, ..., units)`.

    Raises:
        ValueError: If `units` is not a positive integer, or an argument is not supported.

    Example:

    >>> layer = addax.layers.Dense(2, activation="relu", kernel_initializer="ones")
    >>> layer(addax.ops.ones((1, 3))).tolist()
    [[3.0, 3.0]]
    """

    def __init__(
        self,
        units: int,
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
        quantization_config: Any = None,
        **kwargs,
    ):
        if not isinstance(units, int) or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={units}"
            )
        for key, value in {
            "lora_rank": lora_rank,
            "lora_alpha": lora_alpha,
            "quantization_config": quantization_config,
        }.items():
            if value is not None:
                raise ValueError(f"Dense: `{key}` is not supported, it must be None. Received: {key}={value}")
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self._supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates `kernel` and `bias`."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs, training=None):
        """Returns `activation(inputs @ kernel + bias)`."""
        x = ops.matmul(inputs, self.kernel.value)
        if self.bias is not None:
            x = x + self.bias.value
        if self.activation is not None:
            x = self.activation(x)
        return x

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }
