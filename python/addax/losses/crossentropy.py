"""Losses of class probabilities, as functions of one axis and as classes. The maths itself is in `ops`."""

from __future__ import annotations

from typing import Any

from addax import config, ops
from addax.engine import Tensor
from addax.losses.loss import LossFunctionWrapper, convert_pair


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """Computes the cross-entropy of independent yes/no targets, mean over one axis.

    Args:
        y_true: 0 or 1 (or probabilities), shape `(batch, ..., n)`.
        y_pred: Predictions of the same shape.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: From 0 to 1: how far targets are drawn towards one half.
        axis: The axis to average over.

    Returns:
        A tensor without that axis.

    Raises:
        ValueError: If the shapes differ.

    Example:

    >>> addax.losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    y_true, y_pred = convert_pair("binary_crossentropy", y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            "binary_crossentropy: Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={y_true.shape}, output.shape={y_pred.shape}"
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """Computes the cross-entropy of one-hot targets.

    Args:
        y_true: One-hot targets (or probabilities), shape `(batch, ..., classes)`.
        y_pred: Predictions of the same shape.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: From 0 to 1: how far targets are drawn towards equal probabilities.
        axis: The axis of the classes.

    Returns:
        A tensor without that axis.

    Raises:
        ValueError: If the shapes differ; class numbers go to `sparse_categorical_crossentropy`.

    Example:

    >>> addax.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            "categorical_crossentropy: Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={y_true.shape}, output.shape={y_pred.shape}{_sparse_hint(y_true, y_pred)}"
        )
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[axis]
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """Computes the cross-entropy of targets that are class numbers.

    Args:
        y_true: Integers below the number of classes, shape `(batch, ...)`; a last axis of size 1 is dropped.
        y_pred: Predictions, shape `(batch, ..., classes)`.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: A class number whose samples have loss 0.
        axis: The axis of the classes.

    Returns:
        A tensor of the shape of `y_pred` without that axis.

    Raises:
        ValueError: If the shapes differ; one-hot targets go to `categorical_crossentropy`.

    Example:

    >>> addax.losses.sparse_categorical_crossentropy([1, 0], [[0.5, 0.5], [0.75, 0.25]]).numpy().round(4)
    array([0.6931, 0.2877], dtype=float32)
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    classes_axis = axis % len(y_pred.shape)
    expected = y_pred.shape[:classes_axis] + y_pred.shape[classes_axis + 1 :]
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if y_true.shape != expected:
        raise ValueError(
            "sparse_categorical_crossentropy: Arguments `target` and `output` must have the same shape up until the "
            f"last dimension: target.shape={y_true.shape}, output.shape={y_pred.shape}{_one_hot_hint(y_true, y_pred)}"
        )
    y_true = ops.cast(y_true, "int32")
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    counted = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(counted, y_true, 0)
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    values = ops.where(counted, values, 0.0)
    # Means are over the samples that count.
    values._keras_mask = counted
    return values


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Computes `sum(y_true * log(y_true / y_pred))` over the last axis.

    Args:
        y_true: Probabilities, shape `(batch, ..., classes)`.
        y_pred: Probabilities of the same shape.

    Returns:
        A tensor of shape `(batch, ...)`.

    Example:

    >>> addax.losses.kl_divergence([[0.0, 1.0]], [[0.5, 0.5]]).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    y_true, y_pred = convert_pair("kl_divergence", y_true, y_pred)
    y_true = ops.clip(y_true, config.epsilon(), 1.0)
    y_pred = ops.clip(y_pred, config.epsilon(), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def _sparse_hint(y_true: Tensor, y_pred: Tensor) -> str:
    if y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1)):
        return (
            ". The targets look like class numbers: use the loss 'sparse_categorical_crossentropy', "
            f"or one-hot encode them with addax.utils.to_categorical(y, {y_pred.shape[-1]})"
        )
    if y_true.shape[:-1] == y_pred.shape[:-1]:
        return f". The last layer of the model should have {y_true.shape[-1]} units, one for each class"
    return ""


def _one_hot_hint(y_true: Tensor, y_pred: Tensor) -> str:
    if y_true.shape == y_pred.shape:
        return ". The targets look one-hot: use the loss 'categorical_crossentropy', or pass their argmax"
    return ""


class BinaryCrossentropy(LossFunctionWrapper):
    """The cross-entropy of independent yes/no targets.

    Args:
        from_logits: Whether predictions are logits rather than probabilities. Logits are more exact.
        label_smoothing: From 0 to 1: how far targets are drawn towards one half.
        axis: The axis to average over before weights apply.
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> loss = addax.losses.BinaryCrossentropy(from_logits=True)
    >>> round(float(loss([[0.0], [1.0]], [[0.0], [0.0]])), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy of one-hot targets. For class numbers there is `SparseCategoricalCrossentropy`.

    Args:
        from_logits: Whether predictions are logits rather than probabilities. Logits are more exact.
        label_smoothing: From 0 to 1: how far targets are drawn towards equal probabilities.
        axis: The axis of the classes.
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> loss = addax.losses.CategoricalCrossentropy()
    >>> round(float(loss([[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]])), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy of targets that are class numbers.

    Args:
        from_logits: Whether predictions are logits rather than probabilities. Logits are more exact.
        ignore_class: A class number whose samples do not count.
        reduction: As for `Loss`.
        axis: The axis of the classes.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> loss = addax.losses.SparseCategoricalCrossentropy()
    >>> round(float(loss(np.array([1, 0]), np.array([[0.5, 0.5], [0.5, 0.5]]))), 4)
    0.6931
    """

    _keeps_integer_targets = True

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        config = super().get_config()
        # Earlier Keras versions read configs of this class without the argument.
        if config["axis"] == -1:
            del config["axis"]
        return config


class KLDivergence(LossFunctionWrapper):
    """The Kullback-Leibler divergence of predicted from true probabilities.

    Args:
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.

    Example:

    >>> round(float(addax.losses.KLDivergence()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    def __init__(self, reduction="sum_over_batch_size", name="kl_divergence", dtype=None):
        super().__init__(kl_divergence, reduction, name, dtype)
