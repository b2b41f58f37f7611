"""Initializers: the first values of weights. `get` finds them by name.

To add one: write its class in constant.py or random.py and list it here.
"""

from __future__ import annotations

from typing import Any

from addax.initializers.constant import (
    STFT,
    Constant,
    Identity,
    IdentityInitializer,
    Ones,
    STFTInitializer,
    Zeros,
)
from addax.initializers.initializer import Initializer
from addax.initializers.random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    OrthogonalInitializer,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from addax.utils.naming import to_snake_case

_CLASSES = (
    STFT,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
_NAMES = {cls.__name__: cls for cls in _CLASSES}
_NAMES.update({to_snake_case(cls.__name__): cls for cls in _CLASSES})
_NAMES.update(
    uniform=RandomUniform,
    normal=RandomNormal,
    one=Ones,
    zero=Zeros,
    IdentityInitializer=Identity,
    OrthogonalInitializer=Orthogonal,
    STFTInitializer=STFT,
)

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros


def get(identifier: Any):
    """Returns an initializer by its name or config.

    Args:
        identifier: A name such as `"glorot_uniform"`, a config, an initializer or its class, a function
            `(shape, dtype) -> tensor`, an array that holds the values, or `None`.

    Returns:
        Something to call with a shape and a dtype, or `None`.

    Raises:
        ValueError: If there is no such initializer.

    Example:

    >>> type(addax.initializers.get("he_normal")).__name__
    'HeNormal'
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        cls = _NAMES.get(identifier)
        if cls is not None:
            return cls()
        return _deserialize(identifier, None)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return identifier
    if hasattr(identifier, "shape") and hasattr(identifier, "dtype"):
        return lambda shape, dtype=None: Constant(identifier)(shape, dtype)
    raise ValueError(f"Could not interpret initializer identifier: {identifier!r}")


def serialize(initializer: Any) -> dict | str:
    """Returns the config of an initializer, from which `deserialize` makes an equal one.

    Args:
        initializer: An initializer.

    Example:

    >>> addax.initializers.serialize(addax.initializers.Zeros())["class_name"]
    'Zeros'
    """
    from addax.saving import serialize_keras_object

    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict | None = None):
    """Makes an initializer of its config.

    Args:
        config: What `serialize` returned.
        custom_objects: Classes and functions of your own, by name.

    Example:

    >>> addax.initializers.deserialize({"class_name": "Constant", "config": {"value": 2.0}}).value
    2.0
    """
    if isinstance(config, dict) and config.get("class_name") in _NAMES and not custom_objects:
        inner = config.get("config", {})
        if not any(isinstance(value, dict) for value in inner.values()):
            return _NAMES[config["class_name"]].from_config(inner)
    return _deserialize(config, custom_objects)


def _deserialize(config: Any, custom_objects: dict | None):
    """What is not in the table of this file: custom objects, nested configs."""
    from addax.saving import deserialize_keras_object, get_registered_object

    if isinstance(config, str):
        found = (custom_objects or {}).get(config) or get_registered_object(config)
        if found is None:
            raise ValueError(
                f"Could not interpret initializer identifier: {config!r}. Expected one of "
                f"{', '.join(sorted(n for n in _NAMES if n.islower()))}, or a class registered with "
                "addax.saving.register_keras_serializable"
            )
        return found() if isinstance(found, type) else found
    return deserialize_keras_object(config, custom_objects=custom_objects)


__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
