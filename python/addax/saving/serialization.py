"""Objects as plain configs and back, in Keras's form: module, class_name, config, registered_name and so on.

A config can only choose from `registry.py`; there is no unsafe mode. Files and weights are in `api.py` and below.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from addax.dtypes import DTYPES
from addax.saving import registry

_MAX_DEPTH = 64  # objects inside objects; real models stay below ten

_sharing = threading.local()  # .writer, .reader: objects seen in the file being written or read; .custom: see below
_location = threading.local()  # .path: the objects being read, outermost first


class DeserializationError(TypeError):
    """A config that cannot become an object; the message says which object, where it sits and what to do."""


class StoredCodeError(DeserializationError, ValueError):
    """A config that holds code, which is never run."""


def serialize_keras_object(obj: Any) -> Any:
    """Returns a config of plain Python values (what JSON can hold) that describes an object.

    Args:
        obj: a layer, model, optimizer, loss, metric or any object with `get_config`; a named function; an array or
            tensor; or lists, tuples and dicts of these.

    Returns:
        A dict with `module`, `class_name`, `config` and `registered_name` for an object; plain values unchanged.

    Raises:
        TypeError: the object has no `get_config` method.
        ValueError: a lambda, which has no name to be found by.

    Example:
        >>> import addax
        >>> config = addax.saving.serialize_keras_object(addax.initializers.Zeros())
        >>> config["module"], config["class_name"]
        ('keras.initializers', 'Zeros')
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, slice):
        return {"class_name": "__slice__", "config": {"start": obj.start, "stop": obj.stop, "step": obj.step}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, types.FunctionType):
        if obj.__name__ == "<lambda>" and getattr(_sharing, "custom", None) is None:
            raise ValueError(
                "serialize_keras_object: a lambda has no name that a file could give. Use a named function and "
                "decorate it with @addax.saving.register_keras_serializable()."
            )
        name = _name_in_file(obj)
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        return _serialize_instance(obj)
    tensor = _serialize_tensor(obj)
    if tensor is not None:
        return tensor
    raise TypeError(
        f"serialize_keras_object: cannot write {obj!r} of type {type(obj).__name__}. "
        "Give its class a get_config() method that returns the arguments of __init__ as a dict."
    )


def _serialize_tensor(obj: Any) -> dict | None:
    from addax import engine
    from addax.ops import KerasTensor

    if isinstance(obj, engine.Tensor):
        return {"class_name": "__tensor__", "config": {"value": obj.tolist(), "dtype": obj.dtype}}
    if isinstance(obj, KerasTensor):
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": tuple(obj.shape), "dtype": obj.dtype, "keras_history": None},
        }
    return None


def _serialize_instance(obj: Any) -> dict:
    cls = type(obj)
    module = registry.keras_module(cls)
    if module:
        registered_name = cls.__name__ if module.startswith("keras.src.") else None
    else:
        module = None if cls.__module__ in ("__main__", "builtins") else cls.__module__
        registered_name = _name_in_file(cls)
    config = {
        "module": module,
        "class_name": registry.keras_name(cls),
        "config": serialize_keras_object(obj.get_config()),
        "registered_name": registered_name,
    }
    writer = getattr(_sharing, "writer", None)
    if writer is not None:
        writer.note(obj, config)
    if getattr(obj, "built", False) and hasattr(obj, "get_build_config"):
        build_config = obj.get_build_config()
        if build_config is not None:
            config["build_config"] = serialize_keras_object(build_config)
    if hasattr(obj, "get_compile_config"):
        config["compile_config"] = serialize_keras_object(obj.get_compile_config() or {})
    return config


def _name_in_file(obj: Any) -> str:
    name = registry.get_registered_name(obj)
    custom = getattr(_sharing, "custom", None)
    if custom is None or registry.builtin_function(name) is obj:
        return name
    unique = next(key for key in _numbered(name) if custom.get(key, obj) is obj)
    custom[unique] = obj
    return unique


def _numbered(name: str) -> Iterator[str]:
    yield name
    for i in itertools.count(1):
        yield f"{name}#{i}"


@contextmanager
def custom_objects_written() -> Iterator[dict[str, Any]]:
    """Collects the classes and functions, lambdas too, that are written within it and are not addax's own.

    Yields:
        Them by the name that stands for each, no two alike: what `custom_objects` must be to read what was written.
    """
    outer = getattr(_sharing, "custom", None)
    _sharing.custom = {}
    try:
        yield _sharing.custom
    finally:
        _sharing.custom = outer


class _SharedWriter:
    """Gives a number to every object that occurs more than once, also to its first occurrence."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Any, dict]] = {}  # holds the object: an id is only unique while it lives
        self.count = 0

    def note(self, obj: Any, config: dict) -> None:
        if id(obj) not in self.seen:
            self.seen[id(obj)] = (obj, config)
            return
        first = self.seen[id(obj)][1]
        if "shared_object_id" not in first:
            self.count += 1
            first["shared_object_id"] = self.count
        config["shared_object_id"] = first["shared_object_id"]


@contextmanager
def object_sharing_scope() -> Iterator[None]:
    """Within it, objects written more than once carry a `shared_object_id`, and are read back as one object."""
    outer = getattr(_sharing, "writer", None), getattr(_sharing, "reader", None)
    _sharing.writer, _sharing.reader = _SharedWriter(), {}
    try:
        yield
    finally:
        _sharing.writer, _sharing.reader = outer


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """Returns the object that a config describes.

    Names are looked up in addax's closed table, in `custom_objects` and among the registered objects of this
    process. Nothing is imported and no code stored in a config is run, whatever `safe_mode` says.

    Args:
        config: what `serialize_keras_object` returned, or lists and dicts of such configs.
        custom_objects: classes and functions by the name that the config uses.
        safe_mode: accepted for compatibility; there is no unsafe mode.
        **kwargs: `module_objects`, classes and functions by name that a bare string may also mean.

    Raises:
        DeserializationError: (a TypeError) unknown class or function, or arguments that do not fit.
        StoredCodeError: (a ValueError, too) a lambda; its stored bytecode is never run.

    Example:
        >>> import addax
        >>> config = addax.saving.serialize_keras_object(addax.layers.Dense(3))
        >>> addax.saving.deserialize_keras_object(config).units
        3
    """
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(f"deserialize_keras_object: unexpected arguments {sorted(kwargs)}")
    if custom_objects:
        with registry.custom_object_scope(custom_objects):
            return deserialize_keras_object(config, safe_mode=safe_mode, module_objects=module_objects)
    if isinstance(config, str):
        found = registry.get_registered_object(config, module_objects=module_objects) if module_objects else None
        return config if found is None else found
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item, module_objects=module_objects) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize_keras_object(value, module_objects=module_objects) for key, value in config.items()}
    return _deserialize_dict(config, module_objects)


def _deserialize_dict(config: dict, module_objects: dict | None) -> Any:
    class_name, inner = config["class_name"], config["config"]
    if not isinstance(class_name, str):
        raise DeserializationError(f"{_where()}class_name must be a string, got {class_name!r}.")
    if class_name in _VALUES:
        try:
            return _VALUES[class_name](inner)
        except (TypeError, ValueError, KeyError) as error:
            raise DeserializationError(f"{_where()}bad {class_name} value: {error}") from error
    if class_name == "__lambda__":
        raise StoredCodeError(
            f"{_where()}the file holds a lambda as Python bytecode. addax never runs code from a file. Save the model "
            "again with a named function, and pass it as custom_objects={'name': function} when loading."
        )
    if class_name == "function":
        return _find_function(inner, module_objects)
    shared = getattr(_sharing, "reader", None)
    shared_id = config.get("shared_object_id")
    if shared and isinstance(shared_id, int) and shared_id in shared:
        return shared[shared_id]
    if not isinstance(inner, dict):
        raise DeserializationError(f"{_where()}config of {class_name} must be a dict, got {type(inner).__name__}.")
    obj = _build_instance(config, _find_class(config, module_objects))
    if shared is not None and isinstance(shared_id, int):
        shared[shared_id] = obj
    return obj


def _numpy_value(config: dict) -> np.ndarray:
    if config["dtype"] not in DTYPES:
        raise ValueError(f"dtype {config['dtype']!r} is not a numeric dtype")
    if config["dtype"] == "bfloat16":
        import ml_dtypes

        return np.array(config["value"], ml_dtypes.bfloat16)
    return np.array(config["value"], config["dtype"])


def _tensor_value(config: dict) -> Any:
    from addax import engine

    return engine.tensor(_numpy_value(config), config["dtype"])


def _keras_tensor_value(config: dict) -> Any:
    from addax.ops import KerasTensor

    return KerasTensor(tuple(config["shape"]), dtype=config["dtype"])


_VALUES: dict[str, Callable[[dict], Any]] = {
    "__numpy__": _numpy_value,
    "__tensor__": _tensor_value,
    "__keras_tensor__": _keras_tensor_value,
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__ellipsis__": lambda config: Ellipsis,
    "__slice__": lambda config: slice(*(deserialize_keras_object(config[k]) for k in ("start", "stop", "step"))),
}


def _find_function(name: Any, module_objects: dict | None) -> Callable:
    found = None
    if isinstance(name, str):
        found = registry.get_registered_object(name, module_objects=module_objects) or registry.builtin_function(name)
    if found is None or isinstance(found, type):
        raise DeserializationError(
            f"{_where()}unknown function {name!r}. If it is yours, pass custom_objects={{{name!r}: {name}}} when "
            "loading, or decorate it with @addax.saving.register_keras_serializable() and import its module first."
        )
    return found


def _find_class(config: dict, module_objects: dict | None) -> type:
    module, class_name, registered_name = config.get("module"), config["class_name"], config.get("registered_name")
    found = None
    if isinstance(registered_name, str):
        found = registry.get_registered_object(registered_name)
    if found is None and isinstance(module, str):
        found = registry.builtin_class(module, class_name)
    if found is None:
        found = registry.get_registered_object(class_name, module_objects=module_objects)
    if isinstance(found, type):
        return found
    name = config["config"].get("name")
    layer = f" (name {name!r})" if isinstance(name, str) else ""
    shown = f"{module}.{class_name}" if isinstance(module, str) else class_name
    if isinstance(module, str) and registry.public_module(module).split(".")[0] == "keras":
        advice = (
            f"addax has no such class. To load the file, pass your own: custom_objects={{{class_name!r}: YourClass}}."
        )
    else:
        key = registered_name if isinstance(registered_name, str) else class_name
        advice = (
            f"If it is your class, pass custom_objects={{{key!r}: {class_name}}} when loading, or decorate it with "
            "@addax.saving.register_keras_serializable() and import its module before loading."
        )
    raise DeserializationError(
        f"{_where()}unknown class {shown!r}{layer}. {advice} Nothing was imported from the file."
    )


def _build_instance(config: dict, cls: type) -> Any:
    inner = config["config"]
    name = inner.get("name")
    path = getattr(_location, "path", ())
    if len(path) >= _MAX_DEPTH:
        raise DeserializationError(f"config: objects are nested more than {_MAX_DEPTH} deep; the file looks damaged.")
    _location.path = (*path, f"{cls.__name__} {name!r}" if isinstance(name, str) else cls.__name__)
    try:
        if registry.keras_module(cls) and "from_config" not in vars(cls):
            constructors = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)]
            inner = _known_arguments(inner, constructors)
        if not hasattr(cls, "from_config"):
            raise TypeError("the class has no from_config() method")
        obj = cls.from_config(inner)
        build_config = config.get("build_config")
        if build_config and hasattr(obj, "build_from_config") and not obj.built:
            obj.build_from_config(build_config)
            obj.built = True
        compile_config = config.get("compile_config")
        if compile_config and hasattr(obj, "compile_from_config"):
            obj.compile_from_config(_known_arguments(compile_config, [obj.compile]))
        return obj
    except (DeserializationError, MemoryError, RecursionError):
        raise
    except Exception as error:
        if isinstance(error.__cause__, DeserializationError):  # a from_config() wrapped the one that says where
            raise error.__cause__ from None
        raise DeserializationError(f"{_where()}cannot be rebuilt from its config: {error}") from error
    finally:
        _location.path = path


def _where() -> str:
    path = getattr(_location, "path", ())
    return " > ".join(path) + ": " if path else ""


def _known_arguments(arguments: dict, functions: list[Callable]) -> dict:
    """Drops arguments that a newer Keras added and left at a default-like value; refuses the others.

    Args:
        arguments: by name, from a file.
        functions: those that take them: the constructors of a class and its bases, or `compile`.
    """
    accepted = {name for function in functions for name in inspect.signature(function).parameters}
    unknown = {key: value for key, value in arguments.items() if key not in accepted}
    refused = {key: value for key, value in unknown.items() if value}
    if refused:
        raise DeserializationError(
            f"{_where()}the file gives arguments that this version of addax does not know: {refused}. "
            "It was probably written by a newer Keras; update addax, or save the model without them."
        )
    if unknown:
        warnings.warn(
            f"{_where()}ignored unknown arguments at default-like values: {unknown}. The file was probably written by "
            "a newer Keras.",
            stacklevel=2,
        )
    return {key: value for key, value in arguments.items() if key in accepted}
