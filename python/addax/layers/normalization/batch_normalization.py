"""BatchNormalization."""

from __future__ import annotations

from typing import Any

from addax import constraints, engine, initializers, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer

_CLIPPING = ("rmax", "rmin", "dmax")


class BatchNormalization(Layer):
    """`gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, per channel.

    In training (`training=True`), mean and variance are those of the batch, and moving averages of them are kept:
    `moving = moving * momentum + batch * (1 - momentum)`. Otherwise, and if `trainable` is false, the moving averages
    are used.

    Args:
        axis: The channel axis.
        momentum: Momentum of the moving averages.
        epsilon: Added to the variance.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        beta_initializer: First value of `beta`, shape `(channels,)`.
        gamma_initializer: First value of `gamma`, shape `(channels,)`.
        moving_mean_initializer: First value of `moving_mean`, shape `(channels,)`.
        moving_variance_initializer: First value of `moving_variance`, shape `(channels,)`.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after every update.
        gamma_constraint: Projection of `gamma` after every update.
        renorm: Whether to correct the batch's statistics towards the moving ones in training (batch renormalization).
        renorm_clipping: Dict with any of `"rmax"`, `"rmin"`, `"dmax"`, the limits of that correction.
        renorm_momentum: Momentum of the moving averages of the correction.
        synchronized: Not supported; must be false.
        **kwargs: Arguments of `Layer`.

    Call arguments: `inputs` of any rank, `training`, and `mask`, shape of the inputs' first axes: only what it keeps
    counts for the statistics.

    Raises:
        ValueError: If an argument is out of its domain.

    References:
        Ioffe and Szegedy, Batch Normalization, arXiv:1502.03167; Ioffe, Batch Renormalization, arXiv:1702.03275.

    Example:

    >>> layer = addax.layers.BatchNormalization()
    >>> x = addax.ops.convert_to_tensor([[1.0], [3.0]])
    >>> addax.ops.round(layer(x, training=True), 2).tolist()
    [[-1.0], [1.0]]
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if synchronized:
            raise ValueError("BatchNormalization: synchronized=True is not supported, there is one device")
        if not isinstance(axis, int):
            raise TypeError(f"BatchNormalization: expected an int as `axis`. Received: axis={axis}")
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.renorm = renorm
        self.renorm_clipping = _checked_clipping(renorm_clipping or {}) if renorm else None
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        self._supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates `gamma`, `beta` and the moving averages."""
        ndim = len(input_shape)
        if not -ndim <= self.axis < ndim:
            raise ValueError(
                f"BatchNormalization: axis={self.axis} is out of range for inputs of shape {tuple(input_shape)}"
            )
        self._axis = self.axis % ndim
        channels = input_shape[self._axis]
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
        self.moving_mean = self._add_statistic("moving_mean", channels, self.moving_mean_initializer)
        self.moving_variance = self._add_statistic("moving_variance", channels, self.moving_variance_initializer)
        if self.renorm:

            def stddev(shape, dtype=None):
                return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

            self.moving_stddev = self._add_statistic("moving_stddev", channels, stddev)
            self.renorm_mean = self._add_statistic("renorm_mean", channels, self.moving_mean_initializer)
            self.renorm_stddev = self._add_statistic("renorm_stddev", channels, stddev)

    def _add_statistic(self, name: str, channels: int, initializer: Any):
        return self.add_weight(shape=(channels,), name=name, initializer=initializer, trainable=False, autocast=False)

    def call(self, inputs, training=None, mask=None):
        """Returns the normalized inputs."""
        x = ops.cast(inputs, self.compute_dtype)
        gamma = self._ones() if self.gamma is None else self.gamma.value
        beta = self._zeros() if self.beta is None else self.beta.value
        settings = {"axis": self._axis, "epsilon": self.epsilon}
        if not (training and self.trainable):
            mean, variance = self.moving_mean.value, self.moving_variance.value
            return engine.apply("batch_norm_inference", x, mean, variance, gamma, beta, **settings)
        if self.renorm:
            gamma, beta = self._renormalized(x, mask, gamma, beta)
        if mask is None:
            y, mean, variance = engine.apply("batch_norm", x, gamma, beta, **settings)
        else:
            mean, variance = self._masked_moments(x, mask)
            y = self._normalized(x, mean, variance, gamma, beta)
        with engine.stop_recording():
            self._keep_average(self.moving_mean, mean, self.momentum)
            if not self.renorm:
                self._keep_average(self.moving_variance, variance, self.momentum)
        return y

    def _ones(self):
        return ops.ones(self.moving_mean.shape, self.moving_mean.dtype)

    def _zeros(self):
        return ops.zeros(self.moving_mean.shape, self.moving_mean.dtype)

    def _keep_average(self, variable, value, momentum: float) -> None:
        variable.assign(variable.value * momentum + value * (1.0 - momentum))

    def _per_channel(self, x, ndim: int):
        return ops.reshape(x, [-1 if axis == self._axis else 1 for axis in range(ndim)])

    def _moments(self, x, mask):
        if mask is not None:
            return self._masked_moments(x, mask)
        x = ops.cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
        return ops.moments(x, axes=[axis for axis in range(len(x.shape)) if axis != self._axis])

    def _masked_moments(self, x, mask):
        """Mean and variance, in float32 or more, of what the mask keeps."""
        axes = [axis for axis in range(len(x.shape)) if axis != self._axis]
        x = ops.cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
        mask = ops.cast(mask, x.dtype)
        weights = ops.broadcast_to(ops.reshape(mask, (*mask.shape, *(1,) * (len(x.shape) - len(mask.shape)))), x.shape)
        count = ops.maximum(ops.sum(weights, axis=axes), 1.0)
        mean = ops.sum(weights * x, axis=axes) / count
        squares = ops.square(x - self._per_channel(mean, len(x.shape)))
        return mean, ops.sum(weights * squares, axis=axes) / count

    def _normalized(self, x, mean, variance, gamma, beta):
        factor = ops.rsqrt(variance + self.epsilon) * gamma
        offset = beta - mean * factor
        y = ops.cast(x, factor.dtype) * self._per_channel(factor, len(x.shape)) + self._per_channel(
            offset, len(x.shape)
        )
        return ops.cast(y, x.dtype)

    def _renormalized(self, x, mask, gamma, beta):
        """Gamma and beta with the correction `r * normalized + d` of batch renormalization in them."""
        with engine.stop_recording():
            mean, variance = self._moments(x, mask)
            stddev = ops.sqrt(variance + self.epsilon)
            r = stddev / self.renorm_stddev.value
            d = (mean - self.renorm_mean.value) / self.renorm_stddev.value
            limits = self.renorm_clipping
            if "rmin" in limits:
                r = ops.maximum(r, limits["rmin"])
            if "rmax" in limits:
                r = ops.minimum(r, limits["rmax"])
            if "dmax" in limits:
                d = ops.clip(d, -limits["dmax"], limits["dmax"])
            self._keep_average(self.renorm_mean, mean, self.renorm_momentum)
            self._keep_average(self.renorm_stddev, stddev, self.renorm_momentum)
            self._keep_average(self.moving_stddev, stddev, self.momentum)
            self.moving_variance.assign(ops.maximum(ops.square(self.moving_stddev.value) - self.epsilon, 0.0))
        return gamma * r, beta + gamma * d

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


def _checked_clipping(clipping: dict) -> dict:
    if not set(clipping) <= set(_CLIPPING):
        raise ValueError(
            f"Received invalid keys for `renorm_clipping` argument: {clipping}. Supported values: {list(_CLIPPING)}."
        )
    rmin, rmax = clipping.get("rmin"), clipping.get("rmax")
    if rmin is not None and rmax is not None and rmax <= rmin:
        raise ValueError(
            f"rmax should be greater than rmin in the `renorm_clipping` argument. Received: rmax={rmax}, rmin={rmin}."
        )
    if clipping.get("dmax", 0) < 0:
        raise ValueError(
            f"dmax should be non-negative in the `renorm_clipping` argument. Received: dmax={clipping['dmax']}."
        )
    return clipping
