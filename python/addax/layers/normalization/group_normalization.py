"""GroupNormalization."""

from __future__ import annotations

from typing import Any

from addax import constraints, initializers, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class GroupNormalization(Layer):
    """Normalizes groups of channels of each example to zero mean and unit variance, then scales and shifts channels.

    Args:
        groups: Number of groups; as many as there are channels (instance normalization) if -1.
        axis: The axis of the channels.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        beta_initializer: First value of `beta`, shape `(channels,)`.
        gamma_initializer: First value of `gamma`, shape `(channels,)`.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after every update.
        gamma_constraint: Projection of `gamma` after every update.
        **kwargs: Arguments of `Layer`.

    Statistics of float16 and bfloat16 are computed in float32.

    Raises:
        ValueError: If the channels cannot be split into the groups.

    References:
        Wu and He, Group Normalization, https://arxiv.org/abs/1803.08494

    Example:

    >>> layer = addax.layers.GroupNormalization(groups=2, epsilon=0.0)
    >>> layer(addax.ops.convert_to_tensor([[1.0, 3.0, 10.0, 30.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        super().__init__(**kwargs)
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                "Received an invalid value for argument `groups`, expected a positive integer (or `-1` for instance "
                f"normalization). Received: groups={groups}"
            )
        if not isinstance(axis, int):
            raise TypeError(f"GroupNormalization: expected an int as `axis`. Received: axis={axis}")
        self.groups = groups
        self.axis = axis
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
        if not -ndim <= self.axis < ndim or self.axis % ndim == 0:
            raise ValueError(
                f"GroupNormalization: axis={self.axis} is no axis of channels of inputs of shape {input_shape}"
            )
        self._axis = self.axis % ndim
        channels = input_shape[self._axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input "
                f"with shape {input_shape}."
            )
        if self.groups == -1:
            self.groups = channels
        if channels < self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels ({channels})."
            )
        if channels % self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) must be a multiple of the number of channels ({channels})."
            )
        self.input_spec = InputSpec(ndim=ndim, axes={self.axis: channels})
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                shape=(channels,),
                name="gamma",
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                shape=(channels,),
                name="beta",
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def call(self, inputs):
        """Returns the normalized inputs."""
        x = ops.cast(inputs, self.compute_dtype)
        wide = ops.cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
        axis, shape = self._axis, x.shape
        split = (*shape[:axis], self.groups, shape[axis] // self.groups, *shape[axis + 1 :])
        grouped = ops.reshape(wide, split)
        within = [a for a in range(1, len(split)) if a != axis]
        mean, variance = ops.moments(grouped, axes=within, keepdims=True)
        y = ops.reshape((grouped - mean) * ops.rsqrt(variance + self.epsilon), shape)
        per_channel = (-1, *(1,) * (len(shape) - axis - 1))
        if self.gamma is not None:
            y = y * ops.reshape(self.gamma.value, per_channel)
        if self.beta is not None:
            y = y + ops.reshape(self.beta.value, per_channel)
        return ops.cast(y, x.dtype)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }
