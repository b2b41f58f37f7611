"""Symbolic calls: what shape and dtype a function would return, found by running it on placeholders.

There are no output specs written by hand: the function itself runs with every unknown dim replaced, at two different
sizes, and a dim of the result that differs between the two runs is unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from addax import engine, tree
from addax.ops.keras_tensor import KerasTensor

# Divisible by every small number, so that reshapes and strides come out even.
_FILLS = (5040, 10080)


class _State(threading.local):
    active = False


_state = _State()


def is_active() -> bool:
    """True while a function runs on placeholders: what it creates need not exist, and must not change any state."""
    return _state.active


@contextmanager
def _scope(active: bool):
    # Neither what is tried on placeholders nor what creates a layer's variables belongs to a function being traced.
    before = _state.active
    _state.active = active
    try:
        with engine.suspend_trace():
            yield
    finally:
        _state.active = before


def suspended():
    """A context in which values are real again: for creating the variables of a layer that is built on first use."""
    return _scope(False)


def compute_output_spec(fn: Callable, *args: Any, **kwargs: Any) -> Any:
    """Returns what `fn(*args, **kwargs)` would return, with a `KerasTensor` for every tensor.

    Args:
        fn: A function written with `addax.ops`.
        *args: Its arguments; `KerasTensor`s stand for tensors.
        **kwargs: The same.

    Returns:
        The structure that `fn` returns.

    Example:

    >>> x = addax.KerasTensor((None, 3))
    >>> addax.backend.compute_output_spec(lambda x: addax.ops.reshape(x, (-1,)), x).shape
    (None,)
    """
    symbolic = [x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor)]
    fills = _FILLS if any(None in x.shape for x in symbolic) else _FILLS[:1]
    results = [_run(fn, args, kwargs, fill) for fill in fills]
    return tree.map_structure(_spec, *results)


def placeholder(x: KerasTensor, fill: int = _FILLS[0]) -> engine.Tensor:
    """A placeholder tensor like `x`, with `fill` for the dims that are unknown."""
    return engine.placeholder(tuple([fill if d is None else d for d in x.shape]), x.dtype)


def declared_shape(shape: tuple) -> tuple:
    """The shape with `None` for a first dim that only stands in for an unknown one."""
    return (None, *shape[1:]) if shape and shape[0] in _FILLS else shape


def _run(fn: Callable, args: tuple, kwargs: dict, fill: int) -> Any:
    def stand_in(x):
        return placeholder(x, fill) if isinstance(x, KerasTensor) else x

    args, kwargs = tree.map_structure(stand_in, (args, kwargs))
    with _scope(True):
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            if len(error.args) == 1 and isinstance(error.args[0], str):
                error.args = (error.args[0].replace(str(fill), "None"),)
            raise


def _spec(*leaves: Any) -> Any:
    first, last = leaves[0], leaves[-1]
    if isinstance(first, engine.Tensor):
        shape = tuple([a if a == b else None for a, b in zip(first.shape, last.shape, strict=True)])
        return KerasTensor(shape, first.dtype)
    return first
