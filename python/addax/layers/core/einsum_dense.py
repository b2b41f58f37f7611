"""EinsumDense."""

from __future__ import annotations

import re
from typing import Any

from addax import activations, constraints, initializers, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`: a dense layer along any axes.

    Args:
        equation: Einstein summation of the inputs and the kernel, as `"abc,cd->abd"`; inputs and outputs may begin or
            end with an ellipsis.
        output_shape: Sizes of the axes of the output without the first (or without those of a leading ellipsis);
            `None` where the axis is one of the input's. An int for one axis.
        activation: Function of the output, or its name; none if not given.
        bias_axes: The output axes along which the bias differs, by letter; no bias if not given.
        kernel_initializer: First value of `kernel`, whose shape follows from the equation.
        bias_initializer: First value of `bias`.
        kernel_regularizer: Penalty on `kernel`.
        bias_regularizer: Penalty on `bias`.
        kernel_constraint: Projection of `kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        gptq_unpacked_column_size: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If the equation does not fit the shapes, or an argument is not supported.

    Example:

    >>> layer = addax.layers.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d")
    >>> layer(addax.ops.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs,
    ):
        for key, value in {
            "lora_rank": lora_rank,
            "lora_alpha": lora_alpha,
            "gptq_unpacked_column_size": gptq_unpacked_column_size,
            "quantization_config": quantization_config,
        }.items():
            if value is not None:
                raise ValueError(f"EinsumDense: `{key}` is not supported, it must be None. Received: {key}={value}")
        super().__init__(**kwargs)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: tuple) -> None:
        """Creates `kernel` and `bias`."""
        kernel, bias, _ = _shapes(self.equation, self.bias_axes, input_shape, self.partial_output_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if bias is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=bias,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs, training=None):
        """Returns `activation(einsum(equation, inputs, kernel) + bias)`."""
        x = ops.einsum(self.equation, inputs, self.kernel.value)
        if self.bias is not None:
            x = x + self.bias.value
        if self.activation is not None:
            x = self.activation(x)
        return x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the shape of the output."""
        return _shapes(self.equation, self.bias_axes, input_shape, self.partial_output_shape)[2]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


def _shapes(equation: str, bias_axes: str | None, input_shape: tuple, given: tuple) -> tuple[tuple, Any, tuple]:
    """The shapes of the kernel, of the bias (`None` without one) and of the output."""
    match = _EQUATION.fullmatch(equation.replace(" ", ""))
    left = right = False
    if match:
        before, inputs, behind, weight, *output = match.groups()
        left, right = before is not None, behind is not None
    if not match or (left and right) or left != (output[0] is not None) or right != (output[2] is not None):
        raise ValueError(
            f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], ...[X],[Y]->...[Z], "
            "or [X]...,[Y]->[Z]...."
        )
    outputs = output[1]
    hidden = len(input_shape) - len(inputs)  # axes under the ellipsis
    if hidden < 0 or (hidden and not left and not right):
        raise ValueError(
            f"EinsumDense: equation {equation!r} names {len(inputs)} axes of the input, got an input of shape "
            f"{tuple(input_shape)}"
        )
    named = input_shape[hidden:] if left else input_shape[: len(inputs)]
    elided = tuple(input_shape[:hidden] if left else input_shape[len(inputs) :])
    size_in = dict(zip(inputs, named, strict=True))
    size_out = dict(zip(outputs, given if left else (input_shape[0], *given), strict=False))
    for name, size in size_in.items():
        other = size_out.get(name)
        if None not in (other, size) and other != size:
            raise ValueError(
                f"Input shape and output shape do not match at shared dimension '{name}'. Input shape is {size}, and "
                f"output shape is {other}."
            )
    for name in outputs:
        if name not in size_in and name not in weight:
            raise ValueError(
                f"Dimension '{name}' was specified in the output '{outputs}' but has no corresponding dim in the "
                f"input spec '{inputs}' or weight spec '{outputs}'"
            )
    for name in weight:
        if name not in size_in and name not in outputs:
            raise ValueError(
                f"Weight dimension '{name}' did not have a match in either the input spec '{inputs}' or the output "
                f"spec '{outputs}'. For this layer, the weight must be fully specified."
            )
    kernel = tuple(size_in[name] if name in size_in else size_out.get(name) for name in weight)
    if None in kernel:
        raise ValueError(
            f"EinsumDense: the sizes of the kernel '{weight}' must be known, got {kernel} from an input of shape "
            f"{tuple(input_shape)} and output_shape={given}"
        )
    shape = tuple(size_out.get(name) for name in outputs)
    shape = (*elided, *shape) if left else (*shape, *elided)
    if not bias_axes:
        return kernel, None, shape
    for name in bias_axes:
        if name not in outputs:
            raise ValueError(f"Bias dimension '{name}' was requested, but is not part of the output spec '{outputs}'")
    first = min(outputs.index(name) for name in bias_axes)
    bias = tuple((size_out.get(name) or size_in.get(name)) if name in bias_axes else 1 for name in outputs[first:])
    return kernel, (*bias, *[1] * len(elided)) if right else bias, shape
