"""Losses: classes, functions, and the names that `compile(loss=...)` knows them by."""

from __future__ import annotations

from typing import Any

from addax.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from addax.losses.hinge import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from addax.losses.loss import Loss, LossFunctionWrapper
from addax.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from addax.utils import identifiers

_CLASSES = (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    LossFunctionWrapper,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
_FUNCTIONS = (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
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
_ALIASES = {
    "bce": binary_crossentropy,
    "kld": kl_divergence,
    "mae": mean_absolute_error,
    "mape": mean_absolute_percentage_error,
    "mse": mean_squared_error,
    "msle": mean_squared_logarithmic_error,
}
_OBJECTS = {x.__name__: x for x in _CLASSES + _FUNCTIONS}
_OBJECTS |= _ALIASES | {name.upper(): fn for name, fn in _ALIASES.items()}

__all__ = [
    *sorted({x.__name__ for x in _CLASSES + _FUNCTIONS} - {"LossFunctionWrapper"}),
    "deserialize",
    "get",
    "serialize",
]


def serialize(loss: Any) -> dict[str, Any]:
    """Returns the config of a loss, from which `deserialize` makes an equal one.

    Args:
        loss: A `Loss` or loss function.

    Example:

    >>> addax.losses.serialize(addax.losses.Huber(delta=2.0))["config"]["delta"]
    2.0
    """
    from addax import saving

    return saving.serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Returns the loss that a name or config stands for.

    Args:
        name: A name such as `"mse"`, or what `serialize` returned.
        custom_objects: Further classes and functions by name.

    Returns:
        A `Loss` for a config; for a name the class or function itself.

    Raises:
        ValueError: If nothing has this name.

    Example:

    >>> addax.losses.deserialize("mse") is addax.losses.mean_squared_error
    True
    """
    return identifiers.deserialize(name, "loss", "keras.losses", _OBJECTS, custom_objects)


def get(identifier: Any) -> Any:
    """Returns the loss that an argument such as `compile(loss=...)` stands for.

    Args:
        identifier: A name, a config, a `Loss`, a function `fn(y_true, y_pred)`, or `None`.

    Returns:
        A `Loss`, a function, or `None`.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> addax.losses.get("MeanSquaredError").name
    'mean_squared_error'
    """
    return identifiers.get(identifier, "loss", deserialize)
