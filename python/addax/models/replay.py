"""Replay: calls of a model that is made of addax's own layers run as compiled plans once they repeat.

What a call returns and leaves behind is what the layers one by one would have made of it, to the bit: the one pass that
rounds otherwise, `batch_norm`, is left out. Whatever may tell the difference runs the layers: tapes, traces, training,
code that is not addax's, and the first calls with a signature. An output that is an input comes back as a copy.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from addax import config, engine, tree
from addax.compiled import CompiledFunction, ops_are_watched, settings
from addax.engine import Tensor
from addax.layers.calls import calls, mask_of, set_mask
from addax.layers.layer import Layer
from addax.layers.state import hold_the_same
from addax.models.own_code import look_through
from addax.ops.convert import as_tensor
from addax.variables import scopes

_CALLS_BEFORE = 2  # of a signature, before there is a plan of it: to trace costs what some calls do
_SIGNATURES_COUNTED = 64
_LARGEST = 64 << 20  # bytes that plans may keep; what needs more takes so long that layers cost nothing beside it


class Replayed:
    """A model whose calls are replayed where nothing can tell. The base of `Functional` and `Sequential`."""

    _replay: Replay | None = None

    def __call__(self, *args, **kwargs):
        if len(args) != 1 or (kwargs and kwargs.keys() != {"training"}):
            return super().__call__(*args, **kwargs)
        replay = self._replay
        if replay is None:
            replay = self.__dict__["_replay"] = Replay(self)
        outputs = replay.outputs(args[0], kwargs.get("training"))
        if outputs is None:
            before = calls.warnings
            outputs = super().__call__(*args, **kwargs)
            if calls.warnings > before:
                replay.give_up()  # a plan would not warn
        return outputs

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
        self._calls_before = _CALLS_BEFORE
        # What lists and dicts of layers hold that the plans are made of; None: nobody has looked at the layers yet.
        self._containers: list | None = None
        self._is_possible = True

    def forget(self) -> None:
        """Takes itself away from the model, which is not what it was."""
        model = self._model()
        if model is not None and model._replay is self:
            model.__dict__["_replay"] = None

    def give_up(self) -> None:
        """Lets the layers run until the model changes."""
        self._is_possible = False
        self._entries.clear()

    def outputs(self, inputs: Any, training: bool | None) -> Any:
        """Returns what the model makes of the inputs; `None` if its layers have to run."""
        if not self._is_possible or ops_are_watched():
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
        if self._containers is not None and not hold_the_same(self._containers):
            self.forget()
            return None
        try:
            result = self._run(inputs, training)
        except (ValueError, IndexError):
            return None  # the layers say where
        if result is NotImplemented:
            return None
        if type(result) is _Masked:
            set_mask(*result)
            return result.outputs
        return result

    def _run(self, inputs: Any, training: bool | None) -> Any:
        """Runs a plan; `NotImplemented` if there is none."""
        result = engine.replay(self._entries, (inputs, training), settings())
        if result is not NotImplemented:
            return result
        try:
            key, tensors = self._key((inputs, training), {})
        except TypeError:  # what cannot be hashed
            return NotImplemented
        entry = self._entries.get(key)
        if entry is not None and entry.plan.is_current:
            self._used(key)
        else:
            entry = self._made(key, entry, inputs, training) if self._is_due(key) else None
            if entry is None:
                return NotImplemented
        return entry.pack(entry.plan.run(tensors))

    def _is_due(self, key: tuple) -> bool:
        """Whether it is time for a plan, and one would do."""
        count = self._counts.get(key, 0) + 1
        if count <= self._calls_before:
            if len(self._counts) >= _SIGNATURES_COUNTED:
                self._counts.clear()
            self._counts[key] = count
            return False
        if self._containers is None:
            is_own, layers, self._containers = look_through(self._model())
            if engine.name != "native" or not is_own:
                self.give_up()
            for layer in layers if self._is_possible else ():
                layer._tell_changes_to(self)
        return self._is_possible

    def _made(self, key: tuple, stale: Any, inputs: Any, training: bool | None) -> Any:
        """An entry with a new plan; `None` if there can be none."""
        try:
            entry = self._build(key, stale, (inputs, training), {})
        except Exception:  # if it is an error at all, the layers say it better
            self._counts[key] = -sys.maxsize
            return None
        if not entry.plan.device.startswith("cpu"):  # on CUDA programs behind products have bits of their own
            self.give_up()
            return None
        if entry.plan.stats["arena_bytes"] > _LARGEST:
            self._entries.pop(key, None)
            self._counts[key] = -sys.maxsize
            return None
        while sum(e.plan.stats["arena_bytes"] for e in list(self._entries.values())) > _LARGEST:
            self._put_out()
        return entry

    def _put_out(self) -> tuple:
        # A model that is called with more signatures than there is room for has ever fewer plans made.
        key = super()._put_out()
        self._counts.pop(key, None)
        self._calls_before *= 2
        return key


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
