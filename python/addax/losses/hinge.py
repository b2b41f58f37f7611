"""Hinge losses, as functions of the last axis and as classes. Targets are -1 or 1; 0 and 1 are turned into these."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.engine import Tensor
from addax.losses.loss import LossFunctionWrapper, convert_pair


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `maximum(1 - y_true * y_pred, 0)` over the last axis.

    Args:
        y_true: -1 or 1 (or all of them 0 or 1), shape `(batch, ..., n)`.
        y_pred: Scores of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.hinge([[1.0, -1.0]], [[0.5, 0.5]]).numpy()
    array([1.], dtype=float32)
    """
    y_true, y_pred = convert_pair("hinge", y_true, y_pred)
    return ops.mean(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Computes the mean of `square(maximum(1 - y_true * y_pred, 0))` over the last axis.

    Args:
        y_true: -1 or 1 (or all of them 0 or 1), shape `(batch, ..., n)`.
        y_pred: Scores of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.squared_hinge([[1.0, -1.0]], [[0.5, 0.5]]).numpy()
    array([1.25], dtype=float32)
    """
    y_true, y_pred = convert_pair("squared_hinge", y_true, y_pred)
    return ops.mean(ops.square(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Computes `maximum(neg - pos + 1, 0)`: `pos` is the score of the true class, `neg` the best other one.

    Args:
        y_true: One-hot targets, shape `(batch, ..., n)`.
        y_pred: Scores of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]]).numpy()
    array([0.75], dtype=float32)
    """
    y_true, y_pred = convert_pair("categorical_hinge", y_true, y_pred)
    pos = ops.sum(y_true * y_pred, axis=-1)
    neg = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(neg - pos + 1.0, 0.0)


def _signs(y_true: Tensor) -> Tensor:
    is_binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(is_binary, 2.0 * y_true - 1.0, y_true)


class Hinge(LossFunctionWrapper):
    """The mean of `maximum(1 - y_true * y_pred, 0)`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.Hinge()([[1.0, -1.0]], [[0.5, 0.5]]))
    1.0
    """

    def __init__(self, reduction="sum_over_batch_size", name="hinge", dtype=None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The mean of `square(maximum(1 - y_true * y_pred, 0))`.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.SquaredHinge()([[1.0, -1.0]], [[0.5, 0.5]]))
    1.25
    """

    def __init__(self, reduction="sum_over_batch_size", name="squared_hinge", dtype=None):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The margin between the score of the true class and the best other one, below 1.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> float(addax.losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
    0.75
    """

    def __init__(self, reduction="sum_over_batch_size", name="categorical_hinge", dtype=None):
        super().__init__(categorical_hinge, reduction, name, dtype)
