"""Differentiation: GradientTape (as TensorFlow's), `grad`, `value_and_grad` and `vjp` (as JAX's).

The tape itself and the gradients of ops are the engine's; gradients of one's own are in `ops/gradient.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from addax import engine, tree
from addax.dtypes import FLOAT_DTYPES
from addax.engine import Tensor
from addax.ops.convert import as_tensor
from addax.ops.core import stop_gradient
from addax.ops.creation import filled
from addax.ops.gradient import custom_gradient, fresh, jvp
from addax.ops.joining import stack
from addax.variables import Variable, variable_of

__all__ = [
    "GradientTape",
    "custom_gradient",
    "grad",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]


class GradientTape:
    """Records what is computed in its `with` block, to differentiate it afterwards.

    Trainable Variables are watched when they are read; tensors are watched on request. Tapes nest: a gradient computed
    inside an outer tape's block is recorded there.

    Args:
        persistent: Whether `gradient` may be called more than once. The record then lives as long as the tape.
        watch_accessed_variables: Whether Variables are watched by themselves.

    Example:

    >>> x = addax.ops.convert_to_tensor(3.0)
    >>> with addax.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> tape.gradient(y, x).item()
    6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._persistent = persistent
        self._watch_accessed_variables = watch_accessed_variables
        self._tape = engine.Tape(watch_accessed_variables)
        self._used = False

    def __enter__(self) -> GradientTape:
        if self._tape.recording:
            raise ValueError("GradientTape: the tape is already recording; a tape cannot be entered twice at once")
        self._tape.start()
        return self

    def __exit__(self, *exc_info) -> None:
        if self._tape.recording:
            self._tape.stop()

    def watch(self, tensor: Any) -> None:
        """Treats tensors or Variables as something to differentiate with respect to.

        Args:
            tensor: A floating tensor or a Variable, or a structure of them.

        Raises:
            TypeError: If one is neither, or not floating.
        """
        for x in tree.flatten(tensor):
            if isinstance(x, Variable):
                self._tape.watch(x._box)
                continue
            if type(x) is not Tensor:
                raise TypeError(
                    f"GradientTape.watch: expected a tensor or a Variable, got {type(x).__name__}; make a tensor with "
                    "addax.ops.convert_to_tensor first and compute with that"
                )
            if x.dtype not in FLOAT_DTYPES:
                raise TypeError(f"GradientTape.watch: only floating tensors have gradients, got dtype {x.dtype}")
            self._tape.watch(x)

    @contextmanager
    def stop_recording(self):
        """A context in which this tape records nothing.

        Raises:
            ValueError: If the tape is not recording.
        """
        if not self._tape.recording:
            raise ValueError("GradientTape.stop_recording: the tape is not recording")
        self._tape.stop()
        try:
            yield
        finally:
            self._tape.start()

    def reset(self) -> None:
        """Forgets everything recorded and watched; inside the `with` block, recording goes on."""
        self._tape.reset()
        self._used = False

    def watched_variables(self) -> tuple[Variable, ...]:
        """The Variables watched so far, in the order of their first reading."""
        found = [variable_of(i) for i in self._tape.watched_variable_ids()]
        return tuple([v for v in found if v is not None])

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Computes the gradient of the target's sum with respect to the sources.

        Args:
            target: A floating tensor, or a structure of them, computed in the block.
            sources: Variables or watched tensors, in any structure.
            output_gradients: What to multiply the target's elements with, in the structure of `target`; `None`: one.
            unconnected_gradients: What stands for a source that the target does not depend on: `"none"` for `None`,
                `"zero"` for zeros.

        Returns:
            The gradients, in the structure of `sources`.

        Raises:
            RuntimeError: If a tape that is not persistent is used twice.
            TypeError: If a target is not floating, or a source is neither a tensor nor a Variable.
            ValueError: If `unconnected_gradients` is neither.
        """
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                "GradientTape.gradient: expected 'none' or 'zero' as unconnected_gradients. "
                f"Received: {unconnected_gradients!r}"
            )
        self._begin("gradient")
        targets = _targets(target)
        boxes = [_source(x) for x in tree.flatten(sources)]
        seeds = None
        if output_gradients is not None:
            given = tree.flatten(output_gradients)
            if len(given) != len(targets):
                raise ValueError(f"GradientTape.gradient: {len(targets)} targets and {len(given)} output_gradients")
            seeds = [None if g is None else as_tensor(g, t.dtype) for g, t in zip(given, targets, strict=True)]
        grads = self._tape.gradient(targets, boxes, seeds, keep=self._persistent)
        if unconnected_gradients == "zero":
            grads = [filled(x.shape, 0, x.dtype) if g is None else g for g, x in zip(grads, boxes, strict=True)]
        return tree.pack_sequence_as(sources, grads)

    def jacobian(self, target: Tensor, sources: Any, unconnected_gradients: str = "none") -> Any:
        """Computes the gradient of each element of the target with respect to the sources.

        Args:
            target: One floating tensor computed in the block.
            sources: Variables or watched tensors, in any structure.
            unconnected_gradients: As in `gradient`.

        Returns:
            Tensors of shape `target.shape + source.shape`, in the structure of `sources`.

        Example:

        >>> x = addax.ops.convert_to_tensor([1.0, 2.0])
        >>> with addax.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.jacobian(y, x).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
        """
        self._begin("jacobian")
        (target,) = _targets(target)
        boxes = [_source(x) for x in tree.flatten(sources)]
        rows = []
        for i in range(target.size):
            seed = [0.0] * target.size
            seed[i] = 1.0
            seed = as_tensor(seed, target.dtype).reshape(target.shape)
            rows.append(self._tape.gradient([target], boxes, [seed], keep=True))
        if not self._persistent:
            self._tape.reset()
        result = []
        for x, column in zip(boxes, zip(*rows, strict=True), strict=True):
            if all(g is None for g in column):
                zero = filled((*target.shape, *x.shape), 0, x.dtype)
                result.append(zero if unconnected_gradients == "zero" else None)
                continue
            filled_in = [filled(x.shape, 0, x.dtype) if g is None else g for g in column]
            result.append(stack(filled_in).reshape((*target.shape, *x.shape)))
        return tree.pack_sequence_as(sources, result)

    def _begin(self, what: str) -> None:
        if not self._persistent:
            if self._used:
                raise RuntimeError(
                    f"GradientTape.{what}: a non-persistent GradientTape can only be used to compute one set of "
                    "gradients (or jacobians); create it with persistent=True"
                )
            self._used = True
            if self._tape.recording:
                self._tape.stop()


def _targets(target: Any) -> list[Tensor]:
    targets = [x.value if isinstance(x, Variable) else x for x in tree.flatten(target)]
    for x in targets:
        if type(x) is not Tensor:
            raise TypeError(f"Gradients: expected tensors as target, got {type(x).__name__}: {x!r}")
        if x.dtype not in FLOAT_DTYPES:
            raise TypeError(
                f"Gradients: the target must be floating, got dtype {x.dtype} and shape {x.shape}; integers have no "
                "gradient. Leave out casts to integers, argmax and comparisons, or cast with addax.ops.cast"
            )
    return targets


def _source(x: Any):
    if isinstance(x, Variable):
        return x._box
    if type(x) is Tensor:
        return x
    raise TypeError(
        f"Gradients: expected Variables or watched tensors as sources, got {type(x).__name__}: {x!r}; make a tensor "
        "with addax.ops.convert_to_tensor, watch it, and compute with it"
    )


def value_and_grad(fn: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Makes a function that returns the value and the gradient of another.

    Args:
        fn: A function that returns a 0-d floating tensor.
        argnums: Which argument to differentiate by, or several; each may be a structure of floating tensors.
        has_aux: Whether `fn` returns a pair of the value and something else.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or `((value, aux), gradient)`. The gradient
        has the structure of the argument; with several `argnums` it is a tuple.

    Example:

    >>> f = addax.value_and_grad(lambda x: addax.ops.sum(x * x))
    >>> value, gradient = f(addax.ops.convert_to_tensor([1.0, 2.0]))
    >>> value.item(), gradient.tolist()
    (5.0, [2.0, 4.0])
    """

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any):
        one = isinstance(argnums, int)
        places = [n + len(args) if n < 0 else n for n in ((argnums,) if one else argnums)]
        if any(not 0 <= n < len(args) for n in places):
            raise ValueError(f"grad: argnums={argnums}, but the function was called with {len(args)} arguments")
        args = list(args)
        tape = engine.Tape(False)
        sources = []
        for n in places:
            args[n] = tree.map_structure(lambda x: fresh(x, "grad"), args[n])
            sources += tree.flatten(args[n])
        tape.start()
        try:
            for x in sources:
                tape.watch(x)
            result = fn(*args, **kwargs)
        finally:
            tape.stop()
        value, aux = result if has_aux else (result, None)
        value = as_tensor(value)
        if value.shape != ():
            raise ValueError(
                f"grad: the function must return a 0-d tensor, got shape {value.shape}; sum it, or use addax.vjp"
            )
        grads = tape.gradient(_targets(value), sources, None, keep=False)
        grads = [filled(x.shape, 0, x.dtype) if g is None else g for g, x in zip(grads, sources, strict=True)]
        packed = tree.pack_sequence_as([args[n] for n in places], grads)
        gradient = packed[0] if one else tuple(packed)
        return ((value, aux) if has_aux else value), gradient

    return wrapped


def grad(fn: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Makes a function that returns the gradient of another.

    Args:
        fn: A function that returns a 0-d floating tensor.
        argnums: Which argument to differentiate by, or several; each may be a structure of floating tensors.
        has_aux: Whether `fn` returns a pair of the value and something else.

    Returns:
        A function of the same arguments that returns the gradient, or `(gradient, aux)`.

    Example:

    >>> addax.grad(addax.grad(lambda x: x * x * x))(2.0).item()
    12.0
    """
    with_value = value_and_grad(fn, argnums, has_aux)

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any):
        value, gradient = with_value(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(fn: Callable, *primals: Any, has_aux: bool = False):
    """Calls a function and returns how gradients pass back through it.

    Args:
        fn: A function of tensors, or structures of them.
        *primals: Its arguments, floating.
        has_aux: Whether `fn` returns a pair of the outputs and something else.

    Returns:
        A pair of the outputs and a function from gradients of the outputs (in their structure) to a tuple of gradients,
        one for each argument; with `has_aux` the something else is a third.

    Example:

    >>> y, back = addax.vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> [g.item() for g in back(addax.ops.ones(()))]
    [3.0, 2.0]
    """
    args = [tree.map_structure(lambda x: fresh(x, "vjp"), p) for p in primals]
    sources = tree.flatten(args)
    tape = engine.Tape(False)
    tape.start()
    try:
        for x in sources:
            tape.watch(x)
        result = fn(*args)
    finally:
        tape.stop()
    outputs, aux = result if has_aux else (result, None)
    outputs = tree.map_structure(as_tensor, outputs)
    targets = _targets(outputs)

    def back(cotangents: Any) -> tuple:
        tree.assert_same_structure(outputs, cotangents)
        seeds = [as_tensor(g, t.dtype) for g, t in zip(tree.flatten(cotangents), targets, strict=True)]
        for g, t in zip(seeds, targets, strict=True):
            if g.shape != t.shape:
                raise ValueError(f"vjp: expected a gradient of shape {t.shape}, got {g.shape}")
        grads = tape.gradient(targets, sources, seeds, keep=True)
        grads = [filled(x.shape, 0, x.dtype) if g is None else g for g, x in zip(grads, sources, strict=True)]
        return tuple(tree.pack_sequence_as(args, grads))

    return (outputs, back, aux) if has_aux else (outputs, back)
