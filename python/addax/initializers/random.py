"""Initializers that draw: uniform, normal, scaled by the size of a layer, orthogonal."""

from __future__ import annotations

import math

import numpy as np

from addax import random
from addax.dtypes import standardize_dtype
from addax.engine import Tensor
from addax.initializers.initializer import Initializer
from addax.ops.convert import as_tensor, dims_of
from addax.random.seed_generator import SeedGenerator, make_default_seed


class RandomInitializer(Initializer):
    """Base of the initializers that draw.

    Args:
        seed: An int or a SeedGenerator; `None`: drawn once from Python's `random`. With an int (or `None`) every call
            returns the same values.

    Raises:
        ValueError: If the seed is none of these.
    """

    def __init__(self, seed: int | SeedGenerator | None = None):
        self._init_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = SeedGenerator.from_config(seed.get("config", seed))
        elif not isinstance(seed, (int, SeedGenerator)):
            raise ValueError(
                f"{type(self).__name__}: `seed` must be an int or a `SeedGenerator`. Received: seed={seed!r}"
            )
        self.seed = seed

    def get_config(self) -> dict:
        seed = self._init_seed
        if isinstance(seed, SeedGenerator):
            from addax.saving import serialize_keras_object

            seed = serialize_keras_object(seed)
        return {"seed": seed}


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: The mean.
        stddev: The standard deviation.
        seed: An int, a SeedGenerator or `None`.

    Example:

    >>> addax.initializers.RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed=None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None) -> Tensor:
        return random.normal(shape, self.mean, self.stddev, dtype, seed=self.seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution cut off at two standard deviations.

    Args:
        mean: The mean.
        stddev: The standard deviation before the cut.
        seed: An int, a SeedGenerator or `None`.

    Example:

    >>> addax.initializers.TruncatedNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed=None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None) -> Tensor:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Draws from a uniform distribution.

    Args:
        minval: The lower end.
        maxval: The upper end.
        seed: An int, a SeedGenerator or `None`.

    Example:

    >>> addax.initializers.RandomUniform(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed=None):
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None) -> Tensor:
        return random.uniform(shape, self.minval, self.maxval, dtype, seed=self.seed)

    def get_config(self) -> dict:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
# The standard deviation of a standard normal distribution cut off at two.
_TRUNCATED_STDDEV = 0.87962566103423978


class VarianceScaling(RandomInitializer):
    """Draws with a variance that follows from how many inputs or outputs a weight connects.

    The variance is `scale / n`, where n is the number of inputs, of outputs, or their mean.

    Args:
        scale: A positive number.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (or `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs; the rest are a window. Unless both are given, the last axis counts
            as outputs and the one before it as inputs.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.initializers.VarianceScaling(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        if scale <= 0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in _MODES:
            raise ValueError(f"Invalid `mode` argument: {mode!r}. Expected one of {', '.join(_MODES)}")
        distribution = str(distribution).lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"Invalid `distribution` argument: {distribution!r}. Expected one of {', '.join(_DISTRIBUTIONS)}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None) -> Tensor:
        shape = dims_of(shape, type(self).__name__)
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            return random.truncated_normal(shape, 0.0, stddev, dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, seed=self.seed)
        limit = math.sqrt(3.0 * variance)
        return random.uniform(shape, -limit, limit, dtype, seed=self.seed)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


def compute_fans(shape: tuple[int, ...], input_axes=None, output_axes=None) -> tuple[int, int]:
    """How many inputs and outputs a weight of a shape connects."""
    if input_axes is not None and output_axes is not None:
        inputs, outputs = ({a % len(shape) for a in _axes(axes)} for axes in (input_axes, output_axes))
        window = math.prod(d for a, d in enumerate(shape) if a not in inputs and a not in outputs)
        fan_in = math.prod(shape[a] for a in inputs)
        fan_out = math.prod(shape[a] for a in outputs)
        return fan_in * window, fan_out * window
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


def _axes(axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(axes)


class _Scaled(VarianceScaling):
    """A VarianceScaling of fixed scale, mode and distribution."""

    _settings: tuple[float, str, str]

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self._settings, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict:
        return {"seed": super().get_config()["seed"], "input_axes": self.input_axes, "output_axes": self.output_axes}


class GlorotUniform(_Scaled):
    """Draws uniformly within `sqrt(6 / (inputs + outputs))`. Also called Xavier.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        Glorot and Bengio, https://proceedings.mlr.press/v9/glorot10a.html

    Example:

    >>> addax.initializers.GlorotUniform(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Draws from a truncated normal distribution of variance `2 / (inputs + outputs)`.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        Glorot and Bengio, https://proceedings.mlr.press/v9/glorot10a.html

    Example:

    >>> addax.initializers.GlorotNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (1.0, "fan_avg", "truncated_normal")


class LecunUniform(_Scaled):
    """Draws uniformly within `sqrt(3 / inputs)`.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        Klambauer et al., https://arxiv.org/abs/1706.02515

    Example:

    >>> addax.initializers.LecunUniform(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Draws from a truncated normal distribution of variance `1 / inputs`.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        Klambauer et al., https://arxiv.org/abs/1706.02515

    Example:

    >>> addax.initializers.LecunNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (1.0, "fan_in", "truncated_normal")


class HeUniform(_Scaled):
    """Draws uniformly within `sqrt(6 / inputs)`.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        He et al., https://arxiv.org/abs/1502.01852

    Example:

    >>> addax.initializers.HeUniform(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Draws from a truncated normal distribution of variance `2 / inputs`.

    Args:
        seed: An int, a SeedGenerator or `None`.
        input_axes: The axes of the weight that count as inputs.
        output_axes: The axes that count as outputs.

    Reference:
        He et al., https://arxiv.org/abs/1502.01852

    Example:

    >>> addax.initializers.HeNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    _settings = (2.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """Makes a weight an orthogonal matrix: its rows or columns are of length one and perpendicular.

    A weight of more than two axes is taken as a matrix whose columns are its last axis.

    Args:
        gain: What to multiply the matrix with.
        seed: An int, a SeedGenerator or `None`.

    Reference:
        Saxe et al., https://arxiv.org/abs/1312.6120

    Example:

    >>> w = addax.initializers.Orthogonal(seed=1)((2, 2))
    >>> addax.ops.allclose(w @ w.T, addax.ops.eye(2), atol=1e-6).item()
    True
    """

    def __init__(self, gain: float = 1.0, seed=None):
        self.gain = gain
        super().__init__(seed=seed)

    def __call__(self, shape, dtype=None) -> Tensor:
        """Returns the matrix.

        Raises:
            ValueError: If the shape has fewer than two axes.
        """
        shape = dims_of(shape, "Orthogonal")
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        dtype = standardize_dtype(dtype)
        drawn = random.normal(tall, dtype=dtype, seed=self.seed)
        if drawn.is_placeholder:
            return drawn.reshape(shape)
        q, r = np.linalg.qr(drawn.astype("float64" if dtype == "float64" else "float32").numpy())
        q = q * np.sign(np.diagonal(r))  # makes the decomposition unique
        if rows < columns:
            q = q.T
        return as_tensor(np.ascontiguousarray(self.gain * q.reshape(shape)), dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "gain": self.gain}


OrthogonalInitializer = Orthogonal
