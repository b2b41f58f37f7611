"""What a call of a model runs: whether all of it is addax's own code, and what it depends on."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections import OrderedDict, defaultdict, deque
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from addax.engine import Tensor
from addax.layers.layer import Layer
from addax.layers.state import BOOKKEEPING, elements
from addax.models.model import Model
from addax.ops.keras_tensor import KerasTensor
from addax.ops.node import Node
from addax.trainers.trainer import Trainer
from addax.variables import Variable

_DATA = frozenset(
    (
        *(bool, int, float, complex, str, bytes, type(None), range, slice, np.ndarray, np.dtype, inspect.Signature),
        *(Tensor, Variable, KerasTensor, weakref.ref),
    )
)
_CONTAINERS = (list, tuple, set, frozenset, dict, OrderedDict, defaultdict, deque)
_NOT_CALLED = ("_initializer", "_regularizer", "_constraint")  # ends of attributes that calls do not read
# What a subclass of a model may have of its own, besides training and what its base does not have.
_HARMLESS = {"_call_signature", "from_config", "get_config", *(name for cls in Trainer.__mro__ for name in vars(cls))}


def look_through(model: Model) -> tuple[bool, list[Layer], list[tuple[Any, tuple]]]:
    """Looks through what a call of a model runs. Classes whose methods are replaced later are not noticed.

    Args:
        model: A model made of a graph or a stack.

    Returns:
        Whether a call runs no Python but addax's, and adds no losses; all layers that it may call; and the lists, dicts
        and sets that they hold under public names, each with its `elements`.
    """
    look = _Look()
    return look.is_own(model), look.layers, look.containers


class _Look:
    def __init__(self):
        self.layers: list[Layer] = []
        self.containers: list[tuple[Any, tuple]] = []
        self._seen: dict[int, Any] = {}

    def is_own(self, x: Any) -> bool:
        """Whether a value and all that it holds is data or addax's."""
        kind = type(x)
        if kind in _DATA or isinstance(x, np.generic) or id(x) in self._seen:
            return True
        self._seen[id(x)] = x
        if kind in _CONTAINERS:
            return self._are_own(elements(x))
        if kind is functools.partial:
            return self._are_own((x.func, x.args, x.keywords))
        if kind is MethodType:
            return self._are_own((x.__func__, x.__self__))
        if kind is CellType:
            return self.is_own(x.cell_contents)
        if kind is FunctionType:  # whose `__module__` may be that of another one, which it wraps
            held = (*(x.__closure__ or ()), x.__defaults__, x.__kwdefaults__, vars(x))
            return _is_addax(x.__globals__.get("__name__")) and self._are_own(held)
        if isinstance(x, (type, BuiltinFunctionType)):
            return _is_addax(x.__module__)
        if kind is Node:
            return self._are_own((x.operation, x.arguments.args, x.arguments.kwargs))
        if isinstance(x, Layer):
            return self._is_own_layer(x)
        return _is_addax(kind.__module__) and self._are_own(tuple(getattr(x, "__dict__", {}).values()))

    def _are_own(self, values: tuple) -> bool:
        return all(map(self.is_own, values))

    def _is_own_layer(self, layer: Layer) -> bool:
        cls, attributes = type(layer), vars(layer)
        self.layers.append(layer)
        if not layer.supports_jit or layer.activity_regularizer is not None:
            return False
        if any(callable(getattr(cls, name, None)) for name in attributes):
            return False  # a method is another one for this layer
        if not self._are_own((cls.__call__, cls.call, cls.compute_mask)):
            return False
        if isinstance(layer, Model):  # what it holds besides layers is for training
            self._watch(attributes.get("_layers"))
            nodes = (node for node in attributes.get("_nodes", ()) if not node.is_input)
            return _overrides_no_call(cls) and self._are_own((*layer._sublayers(), *nodes))
        for name, value in attributes.items():
            if name in BOOKKEEPING or name.endswith(_NOT_CALLED):
                continue
            if not name.startswith("_"):
                self._watch(value)
            if not self.is_own(value):
                return False
        return _is_addax(cls.__module__)

    def _watch(self, x: Any) -> None:
        if type(x) in _CONTAINERS:
            values = elements(x)
            if not isinstance(x, (tuple, frozenset)):
                self.containers.append((x, values))
            for value in values:
                self._watch(value)


def _is_addax(module: Any) -> bool:
    return isinstance(module, str) and module.startswith("addax.")


def _overrides_no_call(cls: type) -> bool:
    """Whether classes of others that a model is of change training, if anything."""
    base = next(c for c in cls.__mro__ if _is_addax(c.__module__))
    return all(
        name in _HARMLESS or not hasattr(base, name)
        for c in cls.__mro__
        if not _is_addax(c.__module__) and c is not object
        for name in vars(c)
    )
