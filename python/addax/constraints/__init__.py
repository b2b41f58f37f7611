"""Projections of weights, applied after every update."""

from addax import saving
from addax.constraints.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from addax.utils import identifiers

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_OBJECTS = {
    "MaxNorm": MaxNorm,
    "MinMaxNorm": MinMaxNorm,
    "NonNeg": NonNeg,
    "UnitNorm": UnitNorm,
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def serialize(constraint: Constraint) -> dict:
    """Returns the config of a constraint.

    Args:
        constraint: The constraint.

    Example:

    >>> addax.constraints.serialize(addax.constraints.UnitNorm(axis=1))["config"]
    {'axis': 1}
    """
    return saving.serialize_keras_object(constraint)


def deserialize(config, custom_objects: dict | None = None):
    """Makes a constraint of its config or name.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Further classes and functions by name.

    Raises:
        ValueError: If nothing has this name.

    Example:

    >>> addax.constraints.deserialize({"class_name": "MaxNorm", "config": {"max_value": 1.5}}).max_value
    1.5
    """
    return identifiers.deserialize(config, "constraint", "keras.constraints", _OBJECTS, custom_objects)


def get(identifier):
    """Returns the constraint that a name, config, class or instance stands for; `None` stays `None`.

    Args:
        identifier: Any of these, or a function of a tensor.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> addax.constraints.get("max_norm").max_value
    2
    """
    return identifiers.get(identifier, "constraint", deserialize)


__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]
