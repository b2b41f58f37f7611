"""Saving and loading: the `.keras` zip and `.weights.h5` of Keras 3, read without ever running code from a file."""

from typing import TYPE_CHECKING, Any

from addax.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from addax.saving.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from addax.saving.api import load_model, load_weights, save_model, save_weights

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]


def __getattr__(name: str) -> Any:
    # zipfile and what it needs cost import time that a program without files should not pay.
    if name in ("load_model", "load_weights", "save_model", "save_weights"):
        from addax.saving import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
