"""Penalties on weights and outputs that are added to the loss."""

from addax import saving
from addax.regularizers.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer
from addax.utils import identifiers

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_OBJECTS = {
    "L1": L1,
    "L1L2": L1L2,
    "L2": L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "l1": L1,
    "l1_l2": L1L2,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def serialize(regularizer: Regularizer) -> dict:
    """Returns the config of a regularizer.

    Args:
        regularizer: The regularizer.

    Example:

    >>> addax.regularizers.serialize(addax.regularizers.L2(0.1))["config"]
    {'l2': 0.1}
    """
    return saving.serialize_keras_object(regularizer)


def deserialize(config, custom_objects: dict | None = None):
    """Makes a regularizer of its config or name.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Further classes and functions by name.

    Raises:
        ValueError: If nothing has this name.

    Example:

    >>> addax.regularizers.deserialize({"class_name": "L1", "config": {"l1": 0.5}}).l1
    0.5
    """
    return identifiers.deserialize(config, "regularizer", "keras.regularizers", _OBJECTS, custom_objects)


def get(identifier):
    """Returns the regularizer that a name, config, class or instance stands for; `None` stays `None`.

    Args:
        identifier: Any of these, or a function of a tensor.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> addax.regularizers.get("l2").l2
    0.01
    """
    return identifiers.get(identifier, "regularizer", deserialize)


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
