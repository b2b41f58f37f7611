"""Accuracy in its variants, as functions of the last axis and as classes."""

from __future__ import annotations

from typing import Any

from addax import config, ops
from addax.engine import Tensor
from addax.losses.loss import squeeze_or_expand_to_same_rank
from addax.metrics.reduction_metrics import MeanMetricWrapper


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 where prediction and target are equal and 0 elsewhere.

    Args:
        y_true: Targets of any shape.
        y_pred: Predictions of the same shape.

    Example:

    >>> accuracy([1, 2], [1, 3]).numpy()
    array([1., 0.], dtype=float32)
    """
    y_true, y_pred = _pair("accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), config.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """Returns 1 where a probability lies on the side of the threshold that the target says.

    Args:
        y_true: 0 or 1, shape `(batch, ...)`.
        y_pred: Probabilities of the same shape.
        threshold: Probabilities above it mean 1.

    Example:

    >>> addax.metrics.binary_accuracy([1, 0], [0.6, 0.7]).numpy()
    array([1., 0.], dtype=float32)
    """
    y_true, y_pred = _pair("binary_accuracy", y_true, y_pred)
    predicted = ops.cast(y_pred > threshold, y_true.dtype)
    return ops.cast(ops.equal(y_true, predicted), config.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 where the largest prediction is that of the one-hot target.

    Args:
        y_true: One-hot targets, shape `(batch, ..., classes)`.
        y_pred: Predictions of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]).numpy()
    array([1., 0.], dtype=float32)
    """
    y_true = ops.argmax(ops.convert_to_tensor(y_true), axis=-1)
    return _same_class("categorical_accuracy", y_true, ops.convert_to_tensor(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 where the largest prediction is that of the target's class number.

    Args:
        y_true: Class numbers, shape `(batch, ...)`; a last axis of size 1 is dropped.
        y_pred: Predictions, shape `(batch, ..., classes)`.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.metrics.sparse_categorical_accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]]).numpy()
    array([1., 0.], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    return _same_class("sparse_categorical_accuracy", y_true, y_pred)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Returns 1 where the class of the one-hot target is among the `k` largest predictions.

    Args:
        y_true: One-hot targets, shape `(batch, ..., classes)`.
        y_pred: Predictions of the same shape.
        k: How many predictions count.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.metrics.top_k_categorical_accuracy([[0, 0, 1]], [[0.1, 0.7, 0.2]], k=2).numpy()
    array([1.], dtype=float32)
    """
    return sparse_top_k_categorical_accuracy(ops.argmax(ops.convert_to_tensor(y_true), axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """Returns 1 where the target's class number is among the `k` largest predictions.

    Args:
        y_true: Class numbers, shape `(batch, ...)`.
        y_pred: Predictions, shape `(batch, ..., classes)`.
        k: How many predictions count.
        from_sorted_ids: Whether `y_pred` holds class numbers already sorted by falling score.

    Returns:
        A tensor of shape `(batch, ...)`. Classes with the same score as the `k`-th count as among them.

    Example:

    >>> addax.metrics.sparse_top_k_categorical_accuracy([2], [[0.1, 0.7, 0.2]], k=2).numpy()
    array([1.], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise _mismatch("sparse_top_k_categorical_accuracy", y_true, y_pred)
    if from_sorted_ids:
        matches = ops.any(ops.equal(ops.expand_dims(y_true, -1), ops.cast(y_pred[..., :k], y_true.dtype)), axis=-1)
    else:
        matches = ops.in_top_k(ops.cast(y_true, "int32"), y_pred, k=k)
    return ops.cast(matches, config.floatx())


def _pair(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    for a, b in zip(y_true.shape[::-1], y_pred.shape[::-1], strict=False):
        if a != b and a != 1 and b != 1:
            raise _mismatch(name, y_true, y_pred)
    return y_true, y_pred


def _same_class(name: str, y_true: Tensor, y_pred: Tensor) -> Tensor:
    if y_true.shape != y_pred.shape[:-1]:
        raise _mismatch(name, y_true, y_pred)
    predicted = ops.argmax(y_pred, axis=-1)
    if y_true.dtype != predicted.dtype:
        predicted = ops.cast(predicted, y_true.dtype)
    return ops.cast(ops.equal(y_true, predicted), config.floatx())


def _mismatch(name: str, y_true: Tensor, y_pred: Tensor) -> ValueError:
    hint = ""
    if len(y_true.shape) == len(y_pred.shape) - 1 and name in ("accuracy", "binary_accuracy"):
        hint = ". For class numbers and one prediction a class, use 'sparse_categorical_accuracy'"
    return ValueError(
        f"{name}: shapes do not go together. Received: y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}{hint}"
    )


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.Accuracy()
    >>> float(metric([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    _direction = "up"

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name=name, dtype=dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often probabilities lie on the side of a threshold that 0/1 targets say.

    Args:
        name: A name.
        dtype: As for `Metric`.
        threshold: Probabilities above it mean 1; from 0 to 1.

    Raises:
        ValueError: If `threshold` is not from 0 to 1.

    Example:

    >>> metric = addax.metrics.BinaryAccuracy()
    >>> float(metric([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]))
    0.75
    """

    _direction = "up"

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(
                "Invalid value for argument `threshold`. Expected a value in interval [0, 1]. "
                f"Received: threshold={threshold}"
            )
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is that of the one-hot target.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.CategoricalAccuracy()
    >>> float(metric([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    _direction = "up"

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(categorical_accuracy, name=name, dtype=dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is that of the target's class number.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.SparseCategoricalAccuracy()
    >>> float(metric([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    _direction = "up"

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(sparse_categorical_accuracy, name=name, dtype=dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of the one-hot target is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> metric = addax.metrics.TopKCategoricalAccuracy(k=2)
    >>> float(metric([[0, 0, 1], [1, 0, 0]], [[0.1, 0.7, 0.2], [0.1, 0.7, 0.2]]))
    0.5
    """

    _direction = "up"

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name=name, dtype=dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target's class number is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: A name.
        dtype: As for `Metric`.
        from_sorted_ids: Whether predictions are class numbers already sorted by falling score.

    Example:

    >>> metric = addax.metrics.SparseTopKCategoricalAccuracy(k=2)
    >>> float(metric([2, 0], [[0.1, 0.7, 0.2], [0.1, 0.7, 0.2]]))
    0.5
    """

    _direction = "up"

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(
            sparse_top_k_categorical_accuracy, name=name, dtype=dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = k
        self.from_sorted_ids = from_sorted_ids

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        config = super().get_config()
        # Earlier Keras versions read configs of this class without the argument.
        if not self.from_sorted_ids:
            del config["from_sorted_ids"]
        return config
