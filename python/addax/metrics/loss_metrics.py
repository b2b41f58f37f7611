"""Losses as metrics: the mean over all samples of an epoch, rather than of one batch."""

from __future__ import annotations

from typing import Any

from addax import losses, ops
from addax.engine import Tensor
from addax.losses.loss import convert_pair
from addax.metrics.reduction_metrics import Mean, MeanMetricWrapper


class MeanSquaredError(MeanMetricWrapper):
    """The mean of `square(y_true - y_pred)`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.MeanSquaredError()
    >>> round(float(metric([[0.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]])), 4)
    1.0
    """

    _direction = "down"

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(losses.mean_squared_error, name=name, dtype=dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of `abs(y_true - y_pred)`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.MeanAbsoluteError()
    >>> round(float(metric([[0.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]])), 4)
    0.5
    """

    _direction = "down"

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(losses.mean_absolute_error, name=name, dtype=dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of `abs((y_true - y_pred) / y_true)` in percent.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.MeanAbsolutePercentageError()
    >>> round(float(metric([[2.0, 4.0]], [[1.0, 4.0]])), 4)
    25.0
    """

    _direction = "down"

    def __init__(self, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(losses.mean_absolute_percentage_error, name=name, dtype=dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of `square(log(1 + y_true) - log(1 + y_pred))`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.MeanSquaredLogarithmicError()
    >>> round(float(metric([[1.0, 3.0]], [[1.0, 1.0]])), 4)
    0.2402
    """

    _direction = "down"

    def __init__(self, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(losses.mean_squared_logarithmic_error, name=name, dtype=dtype)


class LogCoshError(MeanMetricWrapper):
    """The mean of `log(cosh(y_pred - y_true))`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.LogCoshError()
    >>> round(float(metric([[0.0, 0.0]], [[1.0, 0.0]])), 4)
    0.2169
    """

    _direction = "down"

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(losses.log_cosh, name=name, dtype=dtype)


class Poisson(MeanMetricWrapper):
    """The mean of `y_pred - y_true * log(y_pred)`, for counts.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.Poisson()
    >>> round(float(metric([[1.0, 2.0]], [[1.0, 1.0]])), 4)
    1.0
    """

    _direction = "down"

    def __init__(self, name="poisson", dtype=None):
        super().__init__(losses.poisson, name=name, dtype=dtype)


class KLDivergence(MeanMetricWrapper):
    """The mean of the Kullback-Leibler divergence of predicted from true probabilities.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.KLDivergence()
    >>> round(float(metric([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(losses.kl_divergence, name=name, dtype=dtype)


class Hinge(MeanMetricWrapper):
    """The mean of `maximum(1 - y_true * y_pred, 0)`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.Hinge()
    >>> round(float(metric([[1.0, -1.0]], [[0.5, 0.5]])), 4)
    1.0
    """

    _direction = "down"

    def __init__(self, name="hinge", dtype=None):
        super().__init__(losses.hinge, name=name, dtype=dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of `square(maximum(1 - y_true * y_pred, 0))`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.SquaredHinge()
    >>> round(float(metric([[1.0, -1.0]], [[0.5, 0.5]])), 4)
    1.25
    """

    _direction = "down"

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(losses.squared_hinge, name=name, dtype=dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of the margin between the true class and the best other one, below 1.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.CategoricalHinge()
    >>> round(float(metric([[0.0, 1.0]], [[0.5, 0.75]])), 4)
    0.75
    """

    _direction = "down"

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(losses.categorical_hinge, name=name, dtype=dtype)


class RootMeanSquaredError(Mean):
    """The square root of the mean of `square(y_true - y_pred)`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.RootMeanSquaredError()
    >>> float(metric([[0.0, 0.0]], [[2.0, 2.0]]))
    2.0
    """

    _direction = "down"

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions of the same shape.
            sample_weight: Weights of the samples.
        """
        y_true, y_pred = convert_pair("root_mean_squared_error", y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight=sample_weight)

    def result(self) -> Tensor:
        """Returns the root of the mean; 0 if nothing was added."""
        return ops.sqrt(super().result())


class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosine of the angle between targets and predictions: 1 for the same direction.

    Args:
        name: A name.
        dtype: As for `Metric`.
        axis: The axis along which a vector lies.

    Example:

    >>> metric = addax.metrics.CosineSimilarity()
    >>> round(float(metric([[3.0, 4.0]], [[6.0, 8.0]])), 4)
    1.0
    """

    _direction = "up"

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(_cosine, name=name, dtype=dtype, axis=axis)


def _cosine(y_true: Any, y_pred: Any, axis: int) -> Tensor:
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


class BinaryCrossentropy(MeanMetricWrapper):
    """The cross-entropy of independent yes/no targets.

    Args:
        name: A name.
        dtype: As for `Metric`.
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: From 0 to 1: how far targets are drawn towards one half.

    Example:

    >>> metric = addax.metrics.BinaryCrossentropy()
    >>> round(float(metric([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The cross-entropy of one-hot targets.

    Args:
        name: A name.
        dtype: As for `Metric`.
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: From 0 to 1: how far targets are drawn towards equal probabilities.
        axis: The axis of the classes.

    Example:

    >>> metric = addax.metrics.CategoricalCrossentropy()
    >>> round(float(metric([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1):
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The cross-entropy of targets that are class numbers.

    Args:
        name: A name.
        dtype: As for `Metric`.
        from_logits: Whether predictions are logits rather than probabilities.
        ignore_class: A class number whose samples have loss 0.
        axis: The axis of the classes.

    Example:

    >>> metric = addax.metrics.SparseCategoricalCrossentropy()
    >>> round(float(metric([1], [[0.5, 0.5]])), 4)
    0.6931
    """

    _direction = "down"

    def __init__(
        self, name="sparse_categorical_crossentropy", dtype=None, from_logits=False, ignore_class=None, axis=-1
    ):
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
