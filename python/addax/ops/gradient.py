"""Gradients of one's own and forward derivatives. Tapes, `grad` and `vjp` are in `addax.autograd`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from addax import engine, tree
from addax.dtypes import FLOAT_DTYPES
from addax.engine import Tensor
from addax.ops.convert import as_tensor
from addax.ops.creation import filled


def custom_gradient(f: Callable) -> Callable:
    """Gives a function a gradient of its own.

    Args:
        f: A function of tensors that returns a pair: its outputs, and a function from the gradients of the outputs (one
            argument for each) to the gradients of the inputs (one for each positional argument, `None` for none).

    Returns:
        A function that returns the outputs alone. Gradients of its gradient follow from the ops of the second function.

    Example:

    >>> @addax.ops.custom_gradient
    ... def log1pexp(x):
    ...     e = addax.ops.exp(x)
    ...     def grad(upstream):
    ...         return upstream * (1 - 1 / (1 + e))
    ...     return addax.ops.log(1 + e), grad
    >>> addax.grad(log1pexp)(100.0).item()
    1.0
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args = tree.map_structure(lambda x: as_tensor(x) if _holds_numbers(x) else x, args)
        leaves = tree.flatten(args)
        inputs = [x for x in leaves if type(x) is Tensor]
        # What f computes stays recorded: the gradient function may use it, and is itself differentiated.
        outputs, grad_fn = f(*args, **kwargs)
        results = [engine.apply("stop_gradient", as_tensor(y)) for y in tree.flatten(outputs)]

        def vjp(upstream: list) -> list:
            filled_in = [
                filled(y.shape, 0, y.dtype) if g is None else g for g, y in zip(upstream, results, strict=True)
            ]
            grads = tree.flatten(grad_fn(*filled_in))
            if len(grads) != len(leaves):
                raise ValueError(
                    f"custom_gradient: {_name(f)} has {len(leaves)} inputs, its gradient function returned "
                    f"{len(grads)} gradients; return one for each, None where there is none"
                )
            return [_checked(g, x, f) for g, x in zip(grads, leaves, strict=True) if type(x) is Tensor]

        engine.record_custom(inputs, results, vjp)
        return tree.pack_sequence_as(outputs, results)

    return wrapped


def _holds_numbers(x: Any) -> bool:
    return isinstance(x, (int, float)) or hasattr(x, "dtype")


def _name(f: Callable) -> str:
    return getattr(f, "__name__", repr(f))


def _checked(grad: Any, x: Tensor, f: Callable) -> Tensor | None:
    if grad is None:
        return None
    grad = as_tensor(grad, x.dtype if x.dtype in FLOAT_DTYPES else None)
    if grad.shape != x.shape:
        raise ValueError(
            f"custom_gradient: the gradient function of {_name(f)} returned shape {grad.shape} for an input of shape "
            f"{x.shape}"
        )
    return grad


def fresh(x: Any, name: str) -> Tensor:
    """The same floating values under a new identity, still connected to what made them."""
    x = as_tensor(x)
    if x.dtype not in FLOAT_DTYPES:
        raise TypeError(f"{name}: only floating tensors have gradients, got dtype {x.dtype}; cast with addax.ops.cast")
    return engine.apply("reshape", x, shape=x.shape)


def jvp(fun: Callable, primals: Any, tangents: Any, has_aux: bool = False):
    """The directional derivative of a function.

    Args:
        fun: A function of tensors that returns tensors.
        primals: A tuple or list of the arguments.
        tangents: The direction: as many tensors of the same shapes.
        has_aux: Whether `fun` returns a pair of the outputs and something else.

    Returns:
        A pair of the outputs and their derivatives, and with `has_aux` the something else as a third.

    Raises:
        ValueError: If there are not as many tangents as primals.

    Example:

    >>> y, dy = addax.ops.jvp(addax.ops.square, (3.0,), (1.0,))
    >>> y.item(), dy.item()
    (9.0, 6.0)
    """
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals and {len(tangents)} tangents")
    # The gradient is linear in the output's gradient u: differentiating it by u turns backward into forward.
    inner, outer = engine.Tape(False), engine.Tape(False)
    outer.start()
    inner.start()
    try:
        inputs = [fresh(x, "jvp") for x in primals]
        for x in inputs:
            inner.watch(x)
        result = fun(*inputs)
        outputs, aux = result if has_aux else (result, None)
        leaves = [as_tensor(y) for y in tree.flatten(outputs)]
        inner.stop()
        seeds = [fresh(filled(y.shape, 0, y.dtype), "jvp") for y in leaves]
        for u in seeds:
            outer.watch(u)
        grads = inner.gradient(leaves, inputs, seeds, keep=True)
    finally:
        if inner.recording:
            inner.stop()
        outer.stop()
    known = [(g, as_tensor(t, g.dtype)) for g, t in zip(grads, tangents, strict=True) if g is not None]
    derivatives = outer.gradient([g for g, _ in known], seeds, [t for _, t in known]) if known else [None] * len(seeds)
    derivatives = [filled(y.shape, 0, y.dtype) if d is None else d for d, y in zip(derivatives, leaves, strict=True)]
    packed = tree.pack_sequence_as(outputs, leaves), tree.pack_sequence_as(outputs, derivatives)
    return (*packed, aux) if has_aux else packed
