"""LayerNormalization."""

from __future__ import annotations

import warnings
from typing import Any

from addax import constraints, initializers, ops, regularizers
from addax.layers.layer import Layer


class LayerNormalization(Layer):
    """Normalizes each example to zero mean and unit variance over axes, then scales and shifts it.

    Args:
        axis: The axis or axes; usually those of the features.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        beta_initializer: First value of `beta`, whose shape is that of the axes.
        gamma_initializer: First value of `gamma`, whose shape is that of the axes.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after every update.
        gamma_constraint: Projection of `gamma` after every update.
        **kwargs: Arguments of `Layer`; and `rms_scaling`, as older files have it: divide by the standard deviation and
            multiply by `gamma` without subtracting the mean.

    Statistics of float16 and bfloat16 are computed in float32.

    Raises:
        TypeError: If `axis` is neither an int nor a list of them.
        ValueError: If the inputs do not have the axes.

    References:
        Ba et al., Layer Normalization, https://arxiv.org/abs/1607.06450

    Example:

    >>> addax.layers.LayerNormalization(epsilon=0.0)(addax.ops.convert_to_tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs,
    ):
        rms_scaling = kwargs.pop("rms_scaling", False)
        if rms_scaling:
            warnings.warn(
                "You passed `rms_scaling=True`, which is deprecated: it divides by the standard deviation, not by the "
                "root mean square. Use `addax.layers.RMSNormalization`.",
                stacklevel=2,
            )
        super().__init__(**kwargs)
        self.rms_scaling = rms_scaling
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self._supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates `gamma` and `beta`."""
        ndim = len(input_shape)
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        if any(not -ndim <= axis < ndim for axis in axes):
            raise ValueError(f"LayerNormalization: axis={self.axis} is out of range for inputs of shape {input_shape}")
        # In the order of the given numbers, as in Keras's files.
        self.axis = sorted(axes)
        shape = tuple(input_shape[axis] for axis in self.axis)
        self._axes = tuple(sorted(axis % ndim for axis in axes))
        self.gamma = self.beta = None
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(
                shape=shape,
                name="gamma",
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(
                shape=shape,
                name="beta",
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def call(self, inputs):
        """Returns the normalized inputs."""
        x = ops.cast(inputs, self.compute_dtype)
        gamma, beta = (None if v is None else self._along_axes(v.value, x) for v in (self.gamma, self.beta))
        if not self.rms_scaling:
            return ops.layer_normalization(x, gamma, beta, axis=self._axes, epsilon=self.epsilon)
        wide = ops.cast(x, gamma.dtype)
        deviation = ops.sqrt(ops.var(wide, axis=self._axes, keepdims=True) + self.epsilon)
        shape = tuple(dim if axis in self._axes else 1 for axis, dim in enumerate(x.shape))
        return ops.cast(wide / deviation * ops.reshape(gamma, shape), x.dtype)

    def _along_axes(self, weight, x):
        """The weight in the shape of the axes, which differs from its own if they were given in another order."""
        shape = tuple(x.shape[axis] for axis in self._axes)
        return weight if weight.shape == shape else ops.reshape(weight, shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }

    @classmethod
    def from_config(cls, config: dict) -> LayerNormalization:
        """Makes a layer of what `get_config` returned, also with `rms_scaling`, which is no named argument."""
        return super().from_config(config)
