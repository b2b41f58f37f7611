"""Losses of real-valued targets, as functions of the last axis and as classes. Probabilities: `crossentropy.py`."""

from __future__ import annotations

import math
from typing import Any

from addax import config, ops
from addax.engine import Tensor
from addax.losses.loss import LossFunctionWrapper, convert_pair


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `square(y_true - y_pred)` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ..., n)`.
        y_pred: Predictions of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.mean_squared_error([[0.0, 1.0]], [[2.0, 1.0]]).numpy()
    array([2.], dtype=float32)
    """
    y_true, y_pred = convert_pair("mean_squared_error", y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `abs(y_true - y_pred)` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ..., n)`.
        y_pred: Predictions of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]]).numpy()
    array([1.], dtype=float32)
    """
    y_true, y_pred = convert_pair("mean_absolute_error", y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """Computes `100 * mean(abs((y_true - y_pred) / y_true))` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ..., n)`; those closer to 0 than `epsilon()` count as `epsilon()`.
        y_pred: Predictions of the same shape.

    Returns:
        Percentages of shape `(batch, ...)`.

    Example:

    >>> addax.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]).numpy()
    array([25.], dtype=float32)
    """
    y_true, y_pred = convert_pair("mean_absolute_percentage_error", y_true, y_pred)
    relative = (y_true - y_pred) / ops.maximum(ops.abs(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.abs(relative), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `square(log(1 + y_true) - log(1 + y_pred))` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ..., n)`, not negative.
        y_pred: Predictions of the same shape, not negative.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.mean_squared_logarithmic_error([[1.0, 3.0]], [[1.0, 1.0]]).numpy().round(4)
    array([0.2402], dtype=float32)
    """
    y_true, y_pred = convert_pair("mean_squared_logarithmic_error", y_true, y_pred)
    epsilon = config.epsilon()
    log_true = ops.log(ops.maximum(y_true, epsilon) + 1.0)
    log_pred = ops.log(ops.maximum(y_pred, epsilon) + 1.0)
    return ops.mean(ops.square(log_true - log_pred), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Computes half the squared error where it is small and a linear one where it is large, mean over the last axis.

    Args:
        y_true: Targets, shape `(batch, ..., n)`.
        y_pred: Predictions of the same shape.
        delta: The error at which it turns from square to linear.

    Returns:
        A tensor of shape `(batch, ...)`.

    Reference: Huber, Robust Estimation of a Location Parameter (1964).

    Example:

    >>> addax.losses.huber([[0.0, 0.0]], [[1.0, 3.0]]).numpy()
    array([1.5], dtype=float32)
    """
    y_true, y_pred = convert_pair("huber", y_true, y_pred)
    error = ops.abs(y_pred - y_true)
    values = ops.where(error <= delta, 0.5 * ops.square(error), delta * error - 0.5 * delta * delta)
    return ops.mean(values, axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `log(cosh(y_pred - y_true))` over the last axis.

    Nearly half the squared error where it is small and the absolute error less `log(2)` where it is large.

    Args:
        y_true: Targets, shape `(batch, ..., n)`.
        y_pred: Predictions of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.log_cosh([[0.0, 0.0]], [[1.0, 0.0]]).numpy().round(4)
    array([0.2169], dtype=float32)
    """
    y_true, y_pred = convert_pair("log_cosh", y_true, y_pred)
    error = y_pred - y_true
    # cosh itself would overflow at 89.
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `y_pred - y_true * log(y_pred)` over the last axis.

    Args:
        y_true: Counts, shape `(batch, ..., n)`.
        y_pred: Predicted rates of the same shape, not negative.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.poisson([[1.0, 2.0]], [[1.0, 1.0]]).numpy().round(4)
    array([1.], dtype=float32)
    """
    y_true, y_pred = convert_pair("poisson", y_true, y_pred)
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Computes the cosine of the angle between targets and predictions, negated.

    Args:
        y_true: Vectors, shape `(batch, ..., n)`.
        y_pred: Vectors of the same shape.
        axis: The axis along which a vector lies.

    Returns:
        A tensor without that axis: -1 for the same direction, 1 for the opposite one. The metric of this name has the
        opposite sign.

    Example:

    >>> addax.losses.cosine_similarity([[3.0, 4.0]], [[6.0, 8.0]]).numpy().round(4)
    array([-1.], dtype=float32)
    """
    y_true, y_pred = convert_pair("cosine_similarity", y_true, y_pred)
    return -ops.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    squared = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squared, 1e-12))


class MeanSquaredError(LossFunctionWrapper):
    """The mean of `square(y_true - y_pred)`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]]))
    1.0
    """

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_error", dtype=None):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of `abs(y_true - y_pred)`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.MeanAbsoluteError()([[0.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]]))
    0.5
    """

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_error", dtype=None):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of `abs((y_true - y_pred) / y_true)` in percent.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]]))
    25.0
    """

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_percentage_error", dtype=None):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of `square(log(1 + y_true) - log(1 + y_pred))`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> round(float(addax.losses.MeanSquaredLogarithmicError()([[1.0, 3.0]], [[1.0, 1.0]])), 4)
    0.2402
    """

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """Half the squared error where it is below `delta`, linear above.

    Args:
        delta: The error at which it turns from square to linear.
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
    1.5
    """

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss", dtype=None):
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """The mean of `log(cosh(y_pred - y_true))`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> round(float(addax.losses.LogCosh()([[0.0, 0.0]], [[1.0, 0.0]])), 4)
    0.2169
    """

    def __init__(self, reduction="sum_over_batch_size", name="log_cosh", dtype=None):
        super().__init__(log_cosh, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """The mean of `y_pred - y_true * log(y_pred)`, for counts.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> round(float(addax.losses.Poisson()([[1.0, 2.0]], [[1.0, 1.0]])), 4)
    1.0
    """

    def __init__(self, reduction="sum_over_batch_size", name="poisson", dtype=None):
        super().__init__(poisson, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """The cosine of the angle between targets and predictions, negated: -1 for the same direction.

    Args:
        axis: The axis along which a vector lies.
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> round(float(addax.losses.CosineSimilarity()([[3.0, 4.0]], [[6.0, 8.0]])), 4)
    -1.0
    """

    def __init__(self, axis=-1, reduction="sum_over_batch_size", name="cosine_similarity", dtype=None):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
