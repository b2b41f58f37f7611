"""Random tensors of given distributions: Keras's `random` namespace, number for number as on JAX.

`seed` is an int (the same numbers at every call), a SeedGenerator (new ones each time), or `None` for the global
generator.
"""

from __future__ import annotations

import math
from typing import Any

from addax.dtypes import FLOAT_DTYPES, INT_DTYPES, standardize_dtype
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, cast, dims_of, scalar_like, to_float
from addax.random import bits
from addax.random.seed_generator import draw_seed


def _float_dtype(dtype: Any, name: str) -> str:
    dtype = standardize_dtype(dtype)
    if dtype not in FLOAT_DTYPES:
        raise ValueError(f"`addax.random.{name}` requires a floating point `dtype`. Received: dtype={dtype}")
    return dtype


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Draws from a normal distribution.

    Args:
        shape: Shape of the result.
        mean: The mean.
        stddev: The standard deviation.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor.

    Example:

    >>> addax.random.normal((2, 3), seed=1).shape
    (2, 3)
    """
    dtype = _float_dtype(dtype, "normal")
    return bits.normal(draw_seed(seed), dims_of(shape, "normal"), dtype) * stddev + mean


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Draws from a normal distribution cut off at two standard deviations from the mean.

    Args:
        shape: Shape of the result.
        mean: The mean.
        stddev: The standard deviation before the cut.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor.

    Example:

    >>> x = addax.random.truncated_normal((1000,), seed=1)
    >>> bool(addax.ops.max(addax.ops.abs(x)) <= 2)
    True
    """
    dtype = _float_dtype(dtype, "truncated_normal")
    return bits.truncated_normal(draw_seed(seed), dims_of(shape, "truncated_normal"), dtype) * stddev + mean


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None) -> Tensor:
    """Draws from a uniform distribution.

    Args:
        shape: Shape of the result.
        minval: The lower end, included.
        maxval: The upper end, not included.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor.

    Raises:
        ValueError: If the dtype is not floating; use `randint` for integers.

    Example:

    >>> addax.random.uniform((2,), seed=1).tolist()
    [0.13620758056640625, 0.6826207637786865]
    """
    dtype = _float_dtype(dtype, "uniform")
    return bits.uniform(draw_seed(seed), dims_of(shape, "uniform"), dtype, minval, maxval)


def randint(shape, minval, maxval, dtype="int32", seed=None) -> Tensor:
    """Draws integers from a range.

    Args:
        shape: Shape of the result.
        minval: The lower end, included.
        maxval: The upper end, not included.
        dtype: An integer dtype.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor.

    Raises:
        ValueError: If the dtype is not an integer one; use `uniform` for floats.

    Example:

    >>> addax.random.randint((3,), 0, 10, seed=1).tolist()
    [4, 5, 3]
    """
    dtype = standardize_dtype(dtype)
    if dtype not in INT_DTYPES:
        raise ValueError(f"`addax.random.randint` requires an integer `dtype`. Received: dtype={dtype}")
    return bits.randint(draw_seed(seed), dims_of(shape, "randint"), int(minval), int(maxval), dtype)


def dropout(inputs, rate, noise_shape=None, seed=None) -> Tensor:
    """Sets a random part of the elements to 0 and scales up the rest, so that the expected sum stays.

    Args:
        inputs: A floating tensor.
        rate: The part to drop, from 0 to 1.
        noise_shape: Shape of the mask; where it has size 1 whole rows are dropped together, and `None` stands for the
            size of the input.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor of the same shape and dtype.

    Raises:
        ValueError: If `rate` is not between 0 and 1, or `noise_shape` has not a size for each axis.

    Example:

    >>> addax.random.dropout(addax.ops.ones((6,)), 0.5, seed=3).tolist()
    [0.0, 2.0, 0.0, 0.0, 2.0, 2.0]
    """
    if not 0 <= rate <= 1:
        raise ValueError(
            f"Invalid value received for argument `rate`. Expected a float value between 0 and 1. Received: rate={rate}"
        )
    x = to_float(inputs)
    key = draw_seed(seed)
    keep = 1.0 - rate
    if keep == 0:
        return apply("broadcast_to", scalar_like(0.0, x.dtype), shape=x.shape)
    shape = x.shape
    if noise_shape is not None:
        noise_shape = tuple(noise_shape)
        if len(noise_shape) != x.ndim:
            raise ValueError(
                f"dropout: noise_shape must have a size for each of the {x.ndim} axes. Received: {noise_shape}"
            )
        shape = tuple([d if n is None else int(n) for n, d in zip(noise_shape, x.shape, strict=True)])
    if shape == x.shape:
        return apply("dropout", x, key, rate=float(rate))
    mask = bits.bernoulli(key, keep, shape)
    return apply("where", mask, x / keep, scalar_like(0.0, x.dtype))


def shuffle(x, axis=0, seed=None) -> Tensor:
    """Puts elements into random order along an axis.

    Args:
        x: Input tensor.
        axis: The axis. Each vector along it gets an order of its own.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> addax.random.shuffle([0, 1, 2, 3, 4], seed=1).tolist()
    [4, 0, 1, 2, 3]
    """
    x = as_tensor(x)
    return bits.shuffled(draw_seed(seed), x, axis_of(axis, x.ndim, "shuffle"))


def categorical(logits, num_samples, dtype="int32", seed=None) -> Tensor:
    """Draws class numbers by their log-probabilities.

    Args:
        logits: A matrix with a row of unnormalized log-probabilities for each distribution.
        num_samples: How many to draw of each.
        dtype: An integer dtype.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor of shape `(rows, num_samples)`.

    Raises:
        ValueError: If `logits` is not a matrix.

    Example:

    >>> addax.random.categorical([[0.0, -1e9]], 3, seed=1).tolist()
    [[0, 0, 0]]
    """
    logits = to_float(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received shape: {logits.shape}"
        )
    rows, classes = logits.shape
    # The largest of the logits with Gumbel noise is a draw (Gumbel, 1954).
    noise = bits.gumbel(draw_seed(seed), (rows, classes, num_samples), logits.dtype)
    scores = noise + apply("reshape", logits, shape=(rows, classes, 1))
    return cast(apply("argmax", scores, axis=1), standardize_dtype(dtype))


# Rounds of rejection in `gamma`: each keeps more than 95 of 100, so a draw is left over once in 10**15.
_GAMMA_ROUNDS = 12


def gamma(shape, alpha, dtype=None, seed=None) -> Tensor:
    """Draws from a gamma distribution of scale 1.

    The distribution is Keras's; the numbers of a seed are not those of JAX.

    Args:
        shape: Shape of the result.
        alpha: The shape parameter, positive; a number or a tensor that broadcasts to `shape`.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor.

    Reference:
        Marsaglia and Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000).

    Example:

    >>> bool(addax.ops.all(addax.random.gamma((5,), 0.5, seed=1) >= 0))
    True
    """
    dtype = _float_dtype(dtype, "gamma")
    return cast(_gamma(draw_seed(seed), dims_of(shape, "gamma"), alpha, _compute(dtype)), dtype)


def _compute(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _gamma(key: Tensor, shape: tuple[int, ...], alpha: Any, dtype: str) -> Tensor:
    alpha = apply("broadcast_to", as_tensor(alpha, dtype), shape=shape)
    one = scalar_like(1.0, dtype)
    small = alpha < 1  # drawn with alpha + 1 and shrunk
    d = apply("where", small, alpha + 1, alpha) - 1 / 3
    c = apply("rsqrt", d * 9)
    result = d
    missing = apply("broadcast_to", as_tensor(True), shape=shape)
    keys = bits.split(key, 2 * _GAMMA_ROUNDS + 1)
    for i in range(_GAMMA_ROUNDS):
        x = bits.normal(keys[2 * i], shape, dtype)
        u = 1 - bits.unit_floats(keys[2 * i + 1], shape, dtype)
        v = 1 + c * x
        positive = v > 0
        cube = apply("where", positive, v, one)
        cube = cube * cube * cube
        bound = x * x * 0.5 + d * (1 - cube + apply("log", cube))
        take = apply("logical_and", positive, apply("log", u) < bound)
        result = apply("where", apply("logical_and", missing, take), d * cube, result)
        missing = apply("logical_and", missing, apply("logical_not", take))
    u = 1 - bits.unit_floats(keys[-1], shape, dtype)
    shrink = apply("power", u, 1 / apply("where", small, alpha, one))
    return apply("where", small, result * shrink, result)


def beta(shape, alpha, beta, dtype=None, seed=None) -> Tensor:
    """Draws from a beta distribution.

    The distribution is Keras's; the numbers of a seed are not those of JAX.

    Args:
        shape: Shape of the result.
        alpha: The first parameter, positive; a number or a tensor that broadcasts to `shape`.
        beta: The second one.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor of numbers between 0 and 1.

    Example:

    >>> x = addax.random.beta((5,), 2.0, 3.0, seed=1)
    >>> bool(addax.ops.all((x > 0) & (x < 1)))
    True
    """
    dtype = _float_dtype(dtype, "beta")
    shape = dims_of(shape, "beta")
    first, second = bits.split(draw_seed(seed))
    a = _gamma(first, shape, alpha, _compute(dtype))
    b = _gamma(second, shape, beta, _compute(dtype))
    return cast(a / (a + b), dtype)


# The most trials that `binomial` counts one by one.
_MOST_TRIALS = 4096


def binomial(shape, counts, probabilities, dtype=None, seed=None) -> Tensor:
    """Draws from a binomial distribution: how many of some trials succeed.

    The distribution is Keras's; the numbers of a seed are not those of JAX. Trials are drawn one by one.

    Args:
        shape: Shape of the result.
        counts: How many trials, a number or a tensor that broadcasts to `shape`; its values must be known.
        probabilities: The probability of success, likewise.
        dtype: A floating dtype; `None`: `floatx()`.
        seed: An int, a SeedGenerator or `None`.

    Returns:
        A tensor of whole numbers.

    Raises:
        ValueError: If there are more than 4096 trials.

    Example:

    >>> addax.random.binomial((3,), 10.0, 1.0, seed=1).tolist()
    [10.0, 10.0, 10.0]
    """
    dtype = _float_dtype(dtype, "binomial")
    shape = dims_of(shape, "binomial")
    counts = apply("broadcast_to", as_tensor(counts, "float32"), shape=shape)
    probabilities = apply("broadcast_to", as_tensor(probabilities, "float32"), shape=shape)
    most = math.ceil(apply("max", counts).item()) if counts.size else 0
    if most > _MOST_TRIALS:
        raise ValueError(f"binomial: at most {_MOST_TRIALS} trials are supported. Received: counts up to {most}")
    keys = bits.split(draw_seed(seed), max(most, 1))
    total = apply("broadcast_to", scalar_like(0.0, "float32"), shape=shape)
    for i in range(most):
        success = bits.unit_floats(keys[i], shape, "float32") < probabilities
        total = total + cast(apply("logical_and", success, counts > i), "float32")
    return cast(total, dtype)
