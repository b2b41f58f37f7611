"""Metrics: classes, functions, and the names that `compile(metrics=...)` knows them by."""

from __future__ import annotations

from typing import Any

from addax.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from addax.metrics.accuracy_metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from addax.metrics.loss_metrics import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from addax.metrics.metric import Metric
from addax.metrics.reduction_metrics import Mean, MeanMetricWrapper, Sum
from addax.utils import identifiers
from addax.utils.naming import to_snake_case

_CLASSES = (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanMetricWrapper,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Metric,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
)
_FUNCTIONS = (
    binary_accuracy,
    binary_crossentropy,
    categorical_accuracy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
    sparse_top_k_categorical_accuracy,
    squared_hinge,
    top_k_categorical_accuracy,
)
_ALIASES = {
    "bce": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
# A name in snake_case is the class, so that compile(metrics=["mean_squared_error"]) logs the mean over the epoch.
_OBJECTS = {x.__name__: x for x in _FUNCTIONS + _CLASSES}
_OBJECTS |= {to_snake_case(cls.__name__): cls for cls in _CLASSES}
_OBJECTS |= _ALIASES | {name.upper(): cls for name, cls in _ALIASES.items()}

__all__ = [*sorted(x.__name__ for x in _CLASSES + _FUNCTIONS), "deserialize", "get", "serialize"]


def serialize(metric: Any) -> dict[str, Any]:
    """Returns the config of a metric, from which `deserialize` makes an equal one.

    Args:
        metric: A `Metric` or function.

    Example:

    >>> addax.metrics.serialize(addax.metrics.BinaryAccuracy(threshold=0.25))["config"]["threshold"]
    0.25
    """
    from addax import saving

    return saving.serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Returns the metric that a name or config stands for.

    Args:
        config: A name such as `"mse"`, or what `serialize` returned.
        custom_objects: Further classes and functions by name.

    Returns:
        A `Metric` for a config; for a name the class or function itself.

    Raises:
        ValueError: If nothing has this name.

    Example:

    >>> addax.metrics.deserialize("mse") is addax.metrics.MeanSquaredError
    True
    """
    return identifiers.deserialize(config, "metric", "keras.metrics", _OBJECTS, custom_objects)


def get(identifier: Any) -> Any:
    """Returns the metric that an argument such as one of `compile(metrics=[...])` stands for.

    There, `"accuracy"` and `"acc"` mean the accuracy that fits the shapes of targets and predictions; here `"accuracy"`
    is `Accuracy`.

    Args:
        identifier: A name, a config, a `Metric`, a function `fn(y_true, y_pred)`, or `None`.

    Returns:
        A `Metric`, a function, or `None`.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> addax.metrics.get("mse")
    <MeanSquaredError name=mean_squared_error>
    """
    return identifiers.get(identifier, "metric", deserialize)
