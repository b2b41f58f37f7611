"""The closed table: every row exists, and every public class and function with a config has a row."""

import importlib
import inspect
from types import ModuleType

import keras
import pytest

from addax.saving import registry

# Bases and helpers that no file names, with the reason.
NOT_IN_FILES = {
    "Callback": "callbacks are not part of a model",
    "Constraint": "base class",
    "Function": "base class",
    "Initializer": "base class",
    "InputSpec": "made by layers from their own arguments",
    "RandomInitializer": "base class",
    "Layer": "base class",
    "Loss": "base class",
    "Metric": "base class",
    "Model": "base class",
    "Optimizer": "base class",
    "LearningRateSchedule": "base class",
    "Operation": "base class",
    "Regularizer": "base class",
}


def public(module: ModuleType) -> dict[str, object]:
    return {name: getattr(module, name) for name in getattr(module, "__all__", dir(module)) if name[0] != "_"}


def addax_module(name: str) -> ModuleType:
    return importlib.import_module(name.replace("keras", "addax", 1).replace(".src", ""))


@pytest.mark.parametrize("module", registry.CLASSES)
def test_rows_are_classes_that_write_the_same_name(module: str) -> None:
    for name in registry.CLASSES[module]:
        cls = registry.builtin_class(module, name)
        assert inspect.isclass(cls)
        assert registry.keras_module(cls) == module
        assert hasattr(cls, "get_config")
        assert hasattr(cls, "from_config")
        theirs = getattr(importlib.import_module(module), name)
        if "_keras_name" not in vars(cls):
            assert theirs.__name__ == name, "an alias would never be found in a file"


@pytest.mark.parametrize("module", registry.CLASSES)
def test_no_public_class_is_missing(module: str) -> None:
    for name, obj in public(addax_module(module)).items():
        if inspect.isclass(obj) and hasattr(obj, "get_config") and name not in NOT_IN_FILES:
            assert registry.keras_module(obj) is not None, f"add {name} to the table of saving/registry.py"


@pytest.mark.parametrize("module", registry.FUNCTIONS)
def test_functions(module: str) -> None:
    for name in registry.FUNCTIONS[module]:
        function = registry.builtin_function(name)
        assert inspect.isfunction(function)
        assert function.__name__ == name
        assert callable(getattr(importlib.import_module(module), name))
    known = {name for names in registry.FUNCTIONS.values() for name in names}
    for name, obj in public(addax_module(module)).items():
        if inspect.isfunction(obj) and name not in ("get", "serialize", "deserialize"):
            assert obj.__name__ in known, f"add {name} to the table of saving/registry.py"


def test_unknown_rows() -> None:
    assert registry.builtin_class("keras.layers", "Nope") is None
    assert registry.builtin_class("os", "Dense") is None
    assert registry.builtin_class("keras.layers.core", "Dense") is None
    assert registry.builtin_function("system") is None
    assert registry.keras_module(keras.layers.Dense) is None
    assert registry.keras_module(dict) is None
