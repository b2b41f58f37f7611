"""Losses, metrics, optimizers and schedules by name or config: one look-up for all four packages.

Names found in a file go through `addax.saving`, whose table of constructors is closed; this only adds each package's
aliases (`"mse"`, `"adam"`) and the Keras form without a module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from addax import saving


def deserialize(config: Any, kind: str, module: str, objects: Mapping[str, Any], custom_objects: dict | None = None):
    """Returns the object that a name or config stands for.

    Args:
        config: A name in `objects` or registered, or a dict with a `"class_name"`.
        kind: What is looked for, for the error message: `"loss"`.
        module: Keras's public module of the package, used if the config names none: `"keras.losses"`.
        objects: Name -> class or function.
        custom_objects: Further classes and functions by name.

    Raises:
        ValueError: If nothing has this name.
    """
    if isinstance(config, str):
        found = saving.get_registered_object(config, custom_objects=custom_objects, module_objects=dict(objects))
        if found is None:
            raise ValueError(f"Could not interpret {kind} identifier: {config!r}. Known names: {_names(objects)}")
        return found
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(
            f"Could not interpret {kind} identifier: expected a name or a config with the key 'class_name'. "
            f"Received: {config!r}"
        )
    if config["class_name"] == "function":
        return deserialize(config["config"], kind, module, objects, custom_objects)
    if "module" not in config:
        found = objects.get(config["class_name"])
        if inspect.isclass(found):
            config = {"registered_name": None, **config, "module": module, "class_name": found.__name__}
        else:
            config = {"module": None, "registered_name": config["class_name"], **config}
    return saving.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any, kind: str, from_config: Callable[[Any], Any]) -> Any:
    """Returns the instance or function that a user's argument stands for.

    Args:
        identifier: `None`, a name, a config, a class, or anything callable, which is returned as it is.
        kind: What is looked for, for the error message.
        from_config: The package's `deserialize`.

    Raises:
        ValueError: If it is none of these.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (dict, str)):
        identifier = from_config(identifier)
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret {kind} identifier: {identifier!r} (of type {type(identifier).__name__})")


def _names(objects: Mapping[str, Any]) -> str:
    return ", ".join(sorted(name for name, value in objects.items() if inspect.isclass(value)))
