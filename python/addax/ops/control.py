"""Control flow: cond, switch, loops, map and scan, as plain Python over eager tensors.

On placeholders a branch or body is run once, for its shapes. In a function being compiled, `cond`, `switch` and
`while_loop` over values that are known only when it runs become one eqn with bodies (`_branch`, `_repeated`), and so do
loops over a known number of steps (`run_steps`).
`custom_gradient` is in `addax.autograd`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from addax import engine, tree
from addax.engine import Tensor
from addax.ops import symbolic
from addax.ops.convert import as_tensor, cast
from addax.ops.core import is_symbolic
from addax.ops.creation import arange
from addax.ops.elementwise import clip
from addax.ops.joining import concatenate, stack
from addax.ops.keras_tensor import any_symbolic_tensors
from addax.ops.movement import broadcast_to, flip, reshape
from addax.ops.operation import op


class _Branches(threading.local):
    asides: dict | None = None  # of the innermost branch that is being traced: receiver, dtype, number -> scalar


_branches = _Branches()


def give_aside(receive: Callable[[Tensor], None], value: Tensor) -> bool:
    """Hands a scalar out of a branch that is being traced: after the branches, `receive` is called with it, or with
    zero where another branch was taken.

    Returns:
        Whether a branch is being traced. If not, nothing is done.
    """
    asides = _branches.asides
    if asides is None:
        return False
    count = sum(key[:2] == (receive, value.dtype) for key in asides)
    asides[receive, value.dtype, count] = value
    return True


def _with_asides(function: Callable) -> tuple[Any, dict]:
    """What a branch returns, and what it hands out aside."""
    outer, _branches.asides = _branches.asides, {}
    try:
        return _tensors(function()), _branches.asides
    finally:
        _branches.asides = outer


def _tensors(structure: Any) -> Any:
    return tree.map_structure(lambda x: None if x is None else as_tensor(x), structure)


@op("core.Cond", inputs="pred true_fn false_fn")
def cond(pred, true_fn, false_fn):
    """Calls one of two functions.

    A compiled function whose `pred` is known only when it runs traces both and runs one of them.

    Args:
        pred: A bool or a 0-d bool tensor.
        true_fn: Called without arguments if `pred` is true.
        false_fn: Called without arguments if it is not. Both must return the same structure.

    Returns:
        What the function returned.

    Raises:
        ValueError: In a compiled function, if the results have different shapes or dtypes.

    Example:

    >>> addax.ops.cond(True, lambda: 1.0, lambda: 2.0)
    1.0
    """
    if is_symbolic(pred) and symbolic.is_active():
        result, other = true_fn(), false_fn()
        tree.assert_same_structure(result, other)
        return _tensors(result)
    if is_symbolic(pred) and engine.is_tracing():
        index = cast(engine.apply("logical_not", _flag(pred)), "int32")
        return _branch(index, [true_fn, false_fn], "cond: both branches", ["`true_fn`", "`false_fn`"])
    return true_fn() if pred else false_fn()


def _flag(x: Any) -> Tensor:
    return reshape.__wrapped__(cast(as_tensor(x), "bool"), ())


def _branch(index: Tensor, functions: list, what: str, names: list) -> Any:
    """The result of the function at `index` of a traced function: one eqn, which runs only that.

    All are computed, and the results chosen, if a tape records and one calls a function with a gradient of its own,
    which no graph tells.
    """
    traces, results, asides = [], [], []
    for function in functions:
        trace = engine.Trace(body=True)
        trace.start()
        try:
            result, aside = _with_asides(function)
        finally:
            trace.stop()
        traces.append(trace)
        results.append(result)
        asides.append(aside)
    for name, result in zip(names[1:], results[1:], strict=True):
        tree.assert_same_structure(results[0], result)
        for a, b in zip(tree.flatten(results[0]), tree.flatten(result), strict=True):
            if _spec(a) != _spec(b):
                raise ValueError(
                    f"{what} must return the same shapes and dtypes. Received: {_text(a)} from {names[0]} and "
                    f"{_text(b)} from {name}"
                )
    keys = list(dict.fromkeys(key for aside in asides for key in aside))

    def listed(aside: dict) -> list:
        return [aside[key] if key in aside else as_tensor(0, key[1]) for key in keys]

    if engine.is_recording() and any(trace.has_custom_gradient for trace in traces):

        def whole(function: Callable) -> tuple:
            result, aside = _with_asides(function)
            return result, listed(aside)

        result, values = _chosen(index, [partial(whole, function) for function in functions])
    else:
        outputs = [[*_given(result), *listed(aside)] for result, aside in zip(results, asides, strict=True)]
        graphs, variables, inputs = engine.Trace.join(traces, outputs)
        given = engine.apply("cond", index, *inputs, bodies=graphs)
        result, values = _unpacked(given, (results[0], listed({})), variables)
    for (receive, _, _), value in zip(keys, values, strict=True):
        receive(value)
    return result


def _chosen(index: Tensor, functions: list) -> Any:
    """All functions of a traced function, from the same values of variables, and a choice where they meet."""
    trace = engine.active_trace()
    before = trace.values()
    result = _tensors(functions[0]())
    for i, function in enumerate(functions[1:], 1):
        after = trace.values()
        trace.set_values(before)
        other = _tensors(function())
        later = engine.apply("greater_equal", index, as_tensor(i, "int32"))
        trace.merge_values(later, trace.values(), after)
        result = tree.map_structure(
            lambda a, b, later=later: None if a is None else engine.apply("where", later, b, a), result, other
        )
    return result


def _unpacked(results: Any, structure: Any, variables: list) -> Any:
    """The first results in that structure; the others are assigned to the variables."""
    left = iter(results if isinstance(results, tuple) else (results,))
    result = tree.map_structure(lambda x: None if x is None else next(left), structure)
    for v in variables:
        v.assign(next(left))
    return result


@op("core.Switch", inputs="index branches operands")
def _switch(index, branches, operands):
    if is_symbolic(index) and symbolic.is_active():
        return _tensors(branches[0](*operands))
    last = len(branches) - 1
    if is_symbolic(index) and engine.is_tracing():
        index = cast(clip.__wrapped__(reshape.__wrapped__(index, ()), 0, last), "int32")
        functions = [lambda f=f: f(*operands) for f in branches]
        return _branch(index, functions, "switch: all branches", [f"branch {i}" for i in range(last + 1)])
    return branches[max(0, min(int(index), last))](*operands)


def switch(index, branches, *operands):
    """Calls one of several functions.

    Args:
        index: Which: an int or a 0-d integer tensor; too large or small ones take the last or first.
        branches: A list of functions that return the same structure.
        *operands: Their arguments.

    Returns:
        What the function returned.

    Raises:
        ValueError: In a compiled function, if the results have different shapes or dtypes.

    Example:

    >>> addax.ops.switch(1, [lambda x: x, lambda x: -x], 3)
    -3
    """
    return _switch(index, branches, operands)


@op("core.WhileLoop", inputs="loop_vars")
def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Calls a function while a condition holds.

    Args:
        cond: Called with the loop variables; returns whether to go on.
        body: Called with the loop variables; returns their new values.
        loop_vars: The first values: a tuple or list, or one value.
        maximum_iterations: The most iterations; `None`: no limit. A compiled function whose condition is known only
            when it runs has no gradient through a loop without a limit.

    Returns:
        The last values of the loop variables.

    Raises:
        ValueError: In a compiled function, if a loop variable changes its shape or dtype.

    Example:

    >>> addax.ops.while_loop(lambda i: i < 5, lambda i: (i + 2,), (0,))
    (6,)
    """
    many = isinstance(loop_vars, (tuple, list))
    values = tuple(loop_vars) if many else (loop_vars,)
    done = 0
    while maximum_iterations is None or done < maximum_iterations:
        if _any_symbolic(values) and symbolic.is_active():
            break
        go = cond(*values)
        if is_symbolic(go) and engine.is_tracing():
            most = None if maximum_iterations is None else maximum_iterations - done
            values = _repeated(cond, body, tuple(_tensors(values)), _flag(go), most)
            break
        if not go:
            break
        values = _as_tuple(body(*values))
        done += 1
    return values if many else values[0]


def _as_tuple(result: Any) -> tuple:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _repeated(cond: Callable, body: Callable, values: tuple, go: Tensor, most: int | None) -> tuple:
    """A loop of a traced function whose condition is known only when it runs: one eqn, which runs until it is false.

    It is written out if it has a maximum, and a tape records and a function has a gradient of its own, or the condition
    assigns variables: it is not asked again after the last iteration.
    """
    trace = engine.Trace(body=True)
    trace.argument((), "bool")
    before = tree.map_structure(lambda x: None if x is None else trace.argument(x.shape, x.dtype), values)
    trace.start()
    try:
        after = _kept(values, body(*before))
        since = trace.values()
        again = _flag(cond(*after))
    finally:
        trace.stop()
    custom = trace.has_custom_gradient and engine.is_recording()
    if most is not None and (custom or trace.has_assigned(since)):
        return _written_out(cond, body, values, go, most)
    graph, variables, captured = trace.close([again, *_given(after)])
    results = engine.apply(
        "while_loop",
        *(go, *_given(values), *[v.read() for v in variables], *captured),
        body=graph,
        maximum=-1 if most is None else most,
    )
    return _unpacked(results, (go, *values), variables)[1:]


def _kept(values: tuple, result: Any) -> tuple:
    """The new values of the loop variables."""
    after = _as_tuple(_tensors(result))
    tree.assert_same_structure(values, after)
    for a, b in zip(tree.flatten(values), tree.flatten(after), strict=True):
        if _spec(a) != _spec(b):
            raise ValueError(
                "while_loop: in a compiled function a loop variable must keep its shape and dtype. Received: "
                f"{_text(a)} that becomes {_text(b)}"
            )
    return after


def _written_out(cond: Callable, body: Callable, values: tuple, go: Tensor, most: int) -> tuple:
    def step(values: tuple, last: bool) -> tuple:
        after = _kept(values, body(*values))
        return _flag(False if last else cond(*after)), *after

    def rest(values: tuple, last: bool) -> tuple:
        return _flag(False), *values

    for i in range(most):
        index = cast(engine.apply("logical_not", go), "int32")
        branches = [partial(f, values, i + 1 == most) for f in (step, rest)]
        go, *after = _branch(index, branches, "while_loop: all iterations", ["an earlier one", "another"])
        values = tuple(after)
    return values


@op("core.ForiLoop", inputs="init_val")
def fori_loop(lower, upper, body_fun, init_val):
    """Calls a function for each int of a range.

    Args:
        lower: The first int, or a tensor; in a compiled function it may be known only when that runs.
        upper: The end, not included; the same.
        body_fun: Called with the int and the value; returns the new value.
        init_val: The first value.

    Returns:
        The last value.

    Example:

    >>> addax.ops.fori_loop(0, 5, lambda i, total: total + i, 0)
    10
    """
    if engine.is_tracing() and any(is_symbolic(bound) for bound in (lower, upper)):
        # As a `while_loop`: a gradient needs to know the most steps, and says so.
        return while_loop.__wrapped__(
            lambda i, value: i < upper, lambda i, value: (i + 1, body_fun(i, value)), (_tensors(lower), init_val)
        )[1]
    lower, n = int(lower), int(upper) - int(lower)
    if n <= 0:
        return init_val
    return run_steps(
        lambda value, i: (body_fun(i, value), None),
        init_val,
        n,
        lambda i: lower + i,
        lambda start, stop: arange.__wrapped__(lower + start, lower + stop, dtype="int32"),
    )[0]


# Fewer steps are written out: the graph stays one flat list, in which eqns of several steps fuse.
_WRITTEN_OUT = 8


def is_loop(n: int) -> bool:
    """Whether `n` steps of a function that is being traced become one eqn."""
    return n > _WRITTEN_OUT and engine.is_tracing() and not symbolic.is_active()


def run_steps(f: Callable, carry: Any, n: int, row: Callable, rows: Callable, reverse: bool = False) -> tuple[Any, Any]:
    """Calls `f(carry, row(i))` for each `i` below `n`, from the last to the first if `reverse`.

    A traced function computes all steps but the first in one eqn over `rows(start, stop)`. The first is written out:
    what it makes for all steps, such as a dropout mask, belongs to none of them, and its carry has the dtypes of the
    others. All are written out if `f` needs the values of its arguments, if its carry changes its shape or dtype, or if
    a tape records and `f` calls a function with a gradient of its own, which no graph tells.

    Args:
        f: `(carry, row) -> (carry, output)`.
        carry: The first carry.
        n: The number of steps, at least 1.
        row: The rows one by one: a structure of tensors and `None`.
        rows: The same from one to before another as tensors.
        reverse: Whether to begin with the last row.

    Returns:
        The last carry and the outputs stacked in the order of the rows.
    """
    outputs: list = []
    for i in reversed(range(n)) if reverse else range(n):
        if len(outputs) == 1 and is_loop(n):
            rest = _loop(f, carry, n - 1, rows(0, n - 1) if reverse else rows(1, n), reverse)
            if rest is not None:
                return rest[0], tree.map_structure(
                    lambda one, many: None if one is None else _joined(one, many, reverse), outputs[0], rest[1]
                )
        carry, output = f(carry, row(i))
        outputs.append(_tensors(output))
    return carry, _stacked(outputs[::-1] if reverse else outputs)


def _joined(one: Tensor, many: Tensor, reverse: bool) -> Tensor:
    one = engine.apply("reshape", one, shape=(1, *one.shape))
    return concatenate.__wrapped__([many, one] if reverse else [one, many], axis=0)


def _loop(f: Callable, carry: Any, n: int, rows: Any, reverse: bool) -> tuple[Any, Any] | None:
    """All steps as one eqn; `None` where that is not possible."""
    carry, rows = _tensors(carry), _tensors(rows)
    carries, sequences = _given(carry), _given(rows)
    trace = engine.Trace(body=True)
    row = tree.map_structure(lambda x: None if x is None else trace.argument(x.shape[1:], x.dtype), rows)
    before = tree.map_structure(lambda x: None if x is None else trace.argument(x.shape, x.dtype), carry)
    trace.start()
    try:
        after, output = f(before, row)
        after, output = _tensors(after), _tensors(output)
        tree.assert_same_structure(carry, after)
    except Exception:
        return None  # written out, it works or raises its error
    finally:
        trace.stop()
    if [_spec(x) for x in _given(after)] != [_spec(x) for x in carries]:
        return None
    if trace.has_custom_gradient and engine.is_recording():
        return None
    stacks = _given(output)
    graph, variables, captured = trace.close([*stacks, *_given(after)])
    results = engine.apply(
        "scan",
        *(*sequences, *carries, *[v.read() for v in variables], *captured),
        body=graph,
        length=n,
        sequences=len(sequences),
        carries=len(carries) + len(variables),
        reverse=reverse,
    )
    output, after = _unpacked(results, (output, after), variables)
    return after, output


def _given(structure: Any) -> list:
    return [x for x in tree.flatten(structure) if x is not None]


def _spec(x: Tensor | None) -> tuple | None:
    return None if x is None else (x.shape, x.dtype)


def _text(x: Tensor | None) -> str:
    return "None" if x is None else f"{x.dtype}{x.shape}"


def _any_symbolic(structure: Any) -> bool:
    return any(is_symbolic(x) for x in tree.flatten(structure))


def _length(xs: Any, name: str) -> int:
    leaves = tree.flatten(xs)
    sizes = {x.shape[0] for x in leaves if x is not None}
    if len(sizes) != 1:
        raise ValueError(f"{name}: all tensors must have the same size along the first axis, got {sorted(sizes)}")
    return sizes.pop()


def _row(xs: Any, i: int) -> Any:
    return tree.map_structure(lambda x: None if x is None else x[i], xs)


def _stacked(rows: list) -> Any:
    return tree.map_structure(lambda *x: None if x[0] is None else stack.__wrapped__(list(x)), *rows)


def _rows_of(xs: Any) -> tuple[Callable, Callable]:
    """What `run_steps` reads the rows by."""
    return lambda i: _row(xs, i), lambda start, stop: tree.map_structure(
        lambda x: None if x is None else x[start:stop], xs
    )


def _one_row_tells(xs: Any) -> bool:
    """The shape of all rows, if they are placeholders."""
    return _any_symbolic(xs) and symbolic.is_active()


@op("core.Map", inputs="f xs")
def map(f, xs):
    """Calls a function on each slice along the first axis and stacks the results.

    Args:
        f: Called with a slice of `xs`.
        xs: A tensor or a structure of them.

    Returns:
        The stacked results, in the structure that `f` returns.

    Example:

    >>> addax.ops.map(lambda x: x * 2, addax.ops.arange(1, 3)).tolist()
    [2, 4]
    """
    xs = _tensors(xs)
    n = _length(xs, "map")
    if _one_row_tells(xs):
        return _stacked([_tensors(f(_row(xs, 0)))] * n)
    return run_steps(lambda carry, x: (carry, f(x)), None, n, *_rows_of(xs))[1]


def vectorized_map(function: Callable, elements):
    """Calls a function on each slice along the first axis; the same as `map`.

    Args:
        function: Called with a slice of `elements`.
        elements: A tensor or a structure of them.

    Returns:
        The stacked results, in the structure that `function` returns.

    Example:

    >>> addax.ops.vectorized_map(lambda x: x + 1, addax.ops.arange(1, 3)).tolist()
    [2, 3]
    """
    return map(function, elements)


@op("core.Scan", inputs="f init xs")
def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Carries a value along the first axis and collects an output at each step.

    Args:
        f: Called with the carry and a slice of `xs`; returns the next carry and an output.
        init: The first carry.
        xs: A tensor or a structure of them; `None`: `f` gets `None`, `length` times.
        length: The number of steps, if `xs` does not tell.
        reverse: Whether to go from the last slice to the first.
        unroll: Ignored: the steps are run one by one.

    Returns:
        A pair of the last carry and the stacked outputs.

    Raises:
        ValueError: If neither `xs` nor `length` tells how many steps there are, or they disagree.

    Example:

    >>> total, sums = addax.ops.scan(lambda c, x: (c + x, c + x), 0, addax.ops.arange(1, 4))
    >>> sums.tolist()
    [1, 3, 6]
    """
    if not callable(f):
        raise TypeError(f"scan: expected a callable as `f`. Received: {f!r}")
    xs = _tensors(xs)
    n = _length(xs, "scan") if any(x is not None for x in tree.flatten(xs)) else length
    if n is None:
        raise ValueError("scan: give `length` where there are no `xs`")
    if length is not None and int(length) != n:
        raise ValueError(f"scan: length={length}, but xs have size {n} along the first axis")
    if n == 0:
        return init, None

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        result = f(carry, x)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(
                "scan: expected `f` to return a pair, the next carry and an output (which may be None). "
                f"Received: {_text(result) if isinstance(result, Tensor) else repr(result)}"
            )
        return tuple(result)

    if _one_row_tells((xs, init)):
        carry, y = step(init, _row(xs, 0))
        return carry, _stacked([_tensors(y)] * n)
    return run_steps(step, init, n, *_rows_of(xs), reverse)


@op("core.AssociativeScan", inputs="f elems")
def associative_scan(f, elems, reverse=False, axis=0):
    """Combines all slices up to each one by an associative function.

    Args:
        f: Called with two structures like `elems` (any size along `axis`); returns their combination.
        elems: A tensor or a structure of them.
        reverse: Whether to begin at the end.
        axis: The axis to go along.

    Returns:
        A structure like `elems`.

    Example:

    >>> addax.ops.associative_scan(lambda a, b: a + b, addax.ops.arange(4)).tolist()
    [0, 1, 3, 6]
    """
    elems = _tensors(elems)
    first = tree.flatten(elems)[0]
    axis = axis + first.ndim if axis < 0 else axis
    n = first.shape[axis]

    def cut(x: Tensor, start: int | None, stop: int | None) -> Tensor:
        return x[(*(slice(None),) * axis, slice(start, stop))]

    if reverse:
        elems = tree.map_structure(lambda x: flip.__wrapped__(x, axis), elems)
    # Hillis and Steele: log2(n) rounds, each combining with what stands `step` before.
    step = 1
    while step < n:
        combined = f(
            tree.map_structure(lambda x: cut(x, None, n - step), elems),  # noqa: B023
            tree.map_structure(lambda x: cut(x, step, None), elems),  # noqa: B023
        )
        elems = tree.map_structure(
            lambda x, y: concatenate.__wrapped__([cut(x, None, step), y], axis),  # noqa: B023
            elems,
            combined,
        )
        step *= 2
    return tree.map_structure(lambda x: flip.__wrapped__(x, axis), elems) if reverse else elems


def vectorize(pyfunc: Callable, *, excluded=None, signature=None) -> Callable:
    """Makes a function of scalars or small tensors one of arrays of them.

    Args:
        pyfunc: The function.
        excluded: Names or positions of arguments that are handed through.
        signature: The core dims, such as `"(n),(n)->()"`; `None`: scalars in and out.

    Returns:
        A function that broadcasts its arguments and calls `pyfunc` on each element.

    Example:

    >>> addax.ops.vectorize(lambda a, b: a + b)([1, 2], 3).tolist()
    [4, 5]
    """
    core = [len([d for d in part.strip().strip("()").split(",") if d]) for part in _inputs_of(signature)]
    excluded = set(excluded or ())

    def vectorized(*args, **kwargs):
        if any_symbolic_tensors(args, kwargs):
            return symbolic.compute_output_spec(vectorized, *args, **kwargs)
        places = [i for i in range(len(args)) if i not in excluded]
        ranks = core or [0] * len(places)
        tensors = [as_tensor(args[i]) for i in places]
        loops = [x.shape[: x.ndim - r] for x, r in zip(tensors, ranks, strict=True)]
        loop = _broadcast_shapes(loops)
        flat = []
        for x, r in zip(tensors, ranks, strict=True):
            own = x.shape[x.ndim - r :]
            flat.append(reshape.__wrapped__(broadcast_to.__wrapped__(x, (*loop, *own)), (-1, *own)))

        def call(row):
            values = list(args)
            for i, value in zip(places, row, strict=True):
                values[i] = value
            return pyfunc(*values, **kwargs)

        result = map.__wrapped__(call, tuple(flat))
        return tree.map_structure(lambda y: reshape.__wrapped__(y, (*loop, *y.shape[1:])), result)

    return vectorized


def _inputs_of(signature: str | None) -> list[str]:
    if not signature:
        return []
    left = signature.split("->")[0]
    return [part for part in left.replace(" ", "").replace("),(", ")|(").split("|") if part]


def _broadcast_shapes(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)
