"""Optimizers, and the names that `compile(optimizer=...)` knows them by."""

from __future__ import annotations

from typing import Any

from addax.optimizers import schedules
from addax.optimizers.adam import Adam
from addax.optimizers.adamw import AdamW
from addax.optimizers.optimizer import Optimizer
from addax.optimizers.rmsprop import RMSprop
from addax.optimizers.sgd import SGD
from addax.utils import identifiers

_CLASSES = (Adam, AdamW, Optimizer, RMSprop, SGD)
_OBJECTS = {cls.__name__: cls for cls in _CLASSES}
_OBJECTS |= {cls.__name__.lower(): cls for cls in _CLASSES}

__all__ = [*sorted(cls.__name__ for cls in _CLASSES), "deserialize", "get", "schedules", "serialize"]


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Returns the config of an optimizer, from which `deserialize` makes an equal one.

    Args:
        optimizer: An optimizer.

    Example:

    >>> addax.optimizers.serialize(addax.optimizers.SGD(momentum=0.5))["config"]["momentum"]
    0.5
    """
    from addax import saving

    return saving.serialize_keras_object(optimizer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """Returns the optimizer that a config describes.

    Args:
        config: What `serialize` returned.
        custom_objects: Further classes by name.

    Raises:
        ValueError: If there is no such class.

    Example:

    >>> addax.optimizers.deserialize({"class_name": "SGD", "config": {"momentum": 0.5}}).momentum
    0.5
    """
    return identifiers.deserialize(config, "optimizer", "keras.optimizers", _OBJECTS, custom_objects)


def get(identifier: Any) -> Optimizer | None:
    """Returns the optimizer that an argument such as `compile(optimizer=...)` stands for.

    Args:
        identifier: A name (of any case), a config, an optimizer, or `None`.

    Returns:
        An optimizer, or `None`.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> type(addax.optimizers.get("adam")).__name__
    'Adam'
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        known = identifier if identifier in _OBJECTS else identifier.lower()
        identifier = deserialize(known if known in _OBJECTS else identifier)()
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if not isinstance(identifier, Optimizer):
        raise ValueError(
            f"Could not interpret optimizer identifier: {identifier!r} (of type {type(identifier).__name__}). "
            "Expected a name such as 'adam', an instance of addax.optimizers.Optimizer or its config."
        )
    return identifier
