"""Replay: calls of a model that is made of addax's own layers run as compiled plans once they repeat.

What a call returns and leaves behind is what the layers one by one would have made of it, to the bit: the one pass that
rounds otherwise, `batch_norm`, is left out. Whatever may tell the difference runs the layers: tapes, traces, training,
code that is not addax's, and the first calls with a signature.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from addax import config, engine, tree
from addax.compiled import CompiledFunction
from addax.engine import Tensor
from addax.layers.calls import calls, mask_of, set_mask
from addax.layers.layer import Layer
from addax.layers.state import BOOKKEEPING
from addax.ops import symbolic
from addax.ops.convert import as_tensor
from addax.ops.keras_tensor import KerasTensor
from addax.ops.node import Node
from addax.variables import Variable, scopes

_CALLS_BEFORE = 2  # of a signature, before there is a plan of it: to trace costs what some calls do
_SIGNATURES_COUNTED = 64
_LARGEST = 64 << 20  # bytes that a plan may keep; what needs more takes so long that layers cost nothing beside it
_DATA = (
    *(bool, int, float, complex, str, bytes, type(None), range, slice, np.ndarray, np.generic, np.dtype),
    *(Tensor, Variable, KerasTensor, weakref.ref, weakref.WeakSet),
)
_NOT_CALLED = ("_initializer", "_regularizer", "_constraint")  # ends of attributes that calls do not read


class Replayed:
    """A model whose calls are replayed where nothing can tell. The base of `Functional` and `Sequential`."""

    _replay: Replay | None = None

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and (not kwargs or kwargs.keys() == {"training"}):
            replay = self._replay
            if replay is None:
                replay = self.__dict__["_replay"] = Replay(self)
            outputs = replay.outputs(args[0], kwargs.get("training"))
            if outputs is not None:
                return outputs
        return super().__call__(*args, **kwargs)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_replay": None}

    def _forget_steps(self) -> None:
        super()._forget_steps()
        self.__dict__["_replay"] = None


class _Masked(NamedTuple):
    """Outputs that carry masks."""

    outputs: Any
    masks: Any


class Replay(CompiledFunction):
    """The plans of a model's calls.

    Args:
        model: The model. It dies with its last reference.
    """

    def __init__(self, model: Replayed):
        self._model = weakref.ref(model)
        super().__init__(_layers_of(self._model), model.name, without="batch_norm")
        self._counts: dict[tuple, int] = {}
        self._is_possible: bool | None = None  # None: nobody has looked at the layers yet

    def forget(self) -> None:
        """Takes itself away from the model, which is not what it was."""
        model = self._model()
        if model is not None and model._replay is self:
            model.__dict__["_replay"] = None

    def outputs(self, inputs: Any, training: bool | None) -> Any:
        """Returns what the model makes of the inputs; `None` if its layers have to run."""
        if self._is_possible is False or engine.is_tracing() or engine.is_recording() or symbolic.is_active():
            return None
        if training is None:
            training = calls.training
        here = scopes.__dict__
        if training or here["stateless"] is not None or here["distribution"] is not None:
            return None
        model = self._model()
        if model.run_eagerly or model.jit_compile is False or config.run_functions_eagerly():
            return None
        if type(inputs) is np.ndarray:
            inputs = as_tensor(inputs)
        elif type(inputs) is not Tensor:
            leaves = tree.flatten(inputs)
            if not all(type(x) is Tensor or type(x) is np.ndarray for x in leaves):
                return None
            inputs = tree.map_structure(as_tensor, inputs)
        if mask_of(inputs) is not None:
            return None
        key, tensors = self._key((inputs, training), {})
        entry = self._entries.get(key)
        if entry is None or not entry.plan.is_current:
            entry = self._made(key, entry, inputs, training) if self._is_due(key) else None
            if entry is None:
                return None
        else:
            self._used(key)
        try:
            result = entry.pack(entry.plan.run(tensors))
        except (ValueError, IndexError):
            return None  # the layers say where
        if type(result) is _Masked:
            set_mask(*result)
            return result.outputs
        return result

    def _made(self, key: tuple, stale: Any, inputs: Any, training: bool | None) -> Any:
        """An entry with a new plan; `None` if there can be none."""
        try:
            entry = self._build(key, stale, (inputs, training), {})
        except Exception:
            self._is_possible = False  # if it is an error at all, the layers say it better
            return None
        # On CUDA programs behind products have bits of their own.
        self._is_possible = entry.plan.device.startswith("cpu")
        if self._is_possible and entry.plan.stats["arena_bytes"] <= _LARGEST:
            return entry
        self._entries.pop(key, None)
        self._counts[key] = -sys.maxsize
        return None

    def _is_due(self, key: tuple) -> bool:
        """Whether it is time for a plan, and one would do."""
        count = self._counts.get(key, 0) + 1
        if count <= _CALLS_BEFORE:
            if len(self._counts) >= _SIGNATURES_COUNTED:
                self._counts.clear()
            self._counts[key] = count
            return False
        if self._is_possible is None:
            model = self._model()
            self._is_possible = engine.name == "native" and _is_own(model)
            for layer in model._tree() if self._is_possible else ():
                if layer._on_change is None:
                    layer._on_change = weakref.WeakSet()
                layer._on_change.add(self)
        return self._is_possible


def _layers_of(reference: weakref.ref) -> Callable:
    def run(inputs: Any, training: bool | None) -> Any:
        model = reference()
        try:
            outputs = Layer.__call__(model, inputs, training=training)
        finally:
            model.__dict__["_last_call"] = None
        masks = mask_of(outputs)
        return outputs if masks is None else _Masked(outputs, masks)

    return run


def _is_own(model: Replayed) -> bool:
    """Whether a call of the model runs no Python but addax's, and adds no losses."""
    seen: set[int] = set()
    for layer in model._tree():
        held: Any = layer
        if isinstance(layer, Replayed):  # what else it holds is for training, as are other methods
            methods = [getattr(type(layer), name) for name in ("__call__", "call", "compute_mask")]
            held = [*methods, *(node for node in getattr(layer, "_nodes", ()) if not node.is_input)]
        if not layer.supports_jit or layer.activity_regularizer is not None or not _is_known(held, seen):
            return False
    return True


def _is_known(x: Any, seen: set[int]) -> bool:
    """Whether a value and all that it holds is data, or code of addax's own."""
    if isinstance(x, _DATA) or id(x) in seen:
        return True
    seen.add(id(x))
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, (list, tuple, set, frozenset)):
        return all(_is_known(item, seen) for item in x)
    if isinstance(x, Node):
        return _is_known([x.operation, x.arguments.args, x.arguments.kwargs], seen)
    is_code = isinstance(x, (type, FunctionType))
    if not (x if is_code else type(x)).__module__.startswith("addax."):
        return False
    return is_code or all(
        _is_known(value, seen)
        for name, value in getattr(x, "__dict__", {}).items()
        if name not in BOOKKEEPING and not name.endswith(_NOT_CALLED)
    )
