"""rnn: recurrences over whole sequences, as ONNX's RNN, LSTM and GRU; with a mask as a Scan, for those take none.

ONNX has time first: the transposes between two of them cancel later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from addax.export.graph import Spec
from addax.export.onnx.table import Builder, NoLoweringError, Value, numpy_dtype, row

Specs = list[Spec | None]


def _columns(b: Builder, x: Value, order: Sequence[int]) -> Value:
    """Groups of columns, one per gate, in that order."""
    assert x.shape is not None
    if list(order) == list(range(len(order))):
        return x
    columns = np.arange(x.shape[-1]).reshape(len(order), -1)[list(order)].reshape(-1)
    if x.const is not None:
        return b.const(np.ascontiguousarray(x.const[..., columns]), x.label)
    made = b("Gather", x, columns, axis=-1)
    made.shape = x.shape
    return made


def _weights(b: Builder, x: Value, order: Sequence[int]) -> Value:
    """(in, gates * units) as (1, gates * units, in)."""
    turned = b.transposed(_columns(b, x, order), (1, 0))
    return b.reshaped(turned, (1, *(turned.shape or ())))


def _biases(b: Builder, bias: Value, order: Sequence[int]) -> Value:
    """Those of the inputs, then those of the state, which are zero unless there are two rows."""
    ordered = _columns(b, bias, order)
    if bias.rank == 2:
        return b.reshaped(ordered, (1, -1))
    zeros = np.zeros(bias.shape, numpy_dtype(bias.dtype))
    if ordered.const is not None:
        return b.const(np.concatenate([ordered.const, zeros])[None], bias.label)
    return b("Unsqueeze", b("Concat", ordered, zeros, axis=0), [0])


def _recurrence(
    b: Builder,
    op: str,
    x: Value,
    states: Sequence[Value],
    weights: tuple[Value, Value, Value],
    order: Sequence[int],
    backwards: bool,
    out: Specs,
    **attrs: int,
) -> list[Value | None]:
    """Outputs stand at the step that made them, where ONNX has them at the time of the input."""
    kernel, recurrent, bias = weights
    assert x.shape is not None and states[0].shape is not None
    # onnxruntime aborts at no steps and at no features.
    zero = np.zeros((), numpy_dtype(x.dtype))
    if x.shape[1] == 0:
        return [Value("", x.dtype, (x.shape[0], 0, states[0].shape[1]), fill=zero), *states]
    if x.shape[2] == 0:
        x = Value("", x.dtype, (*x.shape[:2], 1), fill=zero)
        kernel = b.const(np.zeros((1, *(kernel.shape or ())[1:]), zero.dtype))
    y, *last = b(
        op,
        b.transposed(x, (1, 0, 2)),
        _weights(b, kernel, order),
        _weights(b, recurrent, order),
        _biases(b, bias, order),
        None,
        *(None if s.is_zero else b("Unsqueeze", s, [0]) for s in states),
        outputs=1 + len(states),
        hidden_size=states[0].shape[1],
        direction="reverse" if backwards else "forward",
        **attrs,
    )
    sequence = None
    if out[0] is not None:
        sequence = b("Squeeze", y, [1])
        if backwards:
            sequence = b("Slice", sequence, [-1], [int(np.iinfo(np.int64).min)], [0], [-1])
        sequence = b.transposed(sequence, (1, 0, 2))
    return [sequence, *(b("Squeeze", s, [0]) for s in last)]


def _masked(
    b: Builder,
    x: Value,
    states: Sequence[Value],
    kernel: Value,
    bias: Value,
    mask: Value,
    backwards: bool,
    step: Callable[[Builder, Value, list[Value]], list[Value]],
) -> list[Value | None]:
    """A Scan of step(builder, projected inputs, states) -> states. Where the mask says no, they stay."""
    given = [b.cast(s, "float32") if s.dtype == "float16" else s for s in states]
    kind = given[0].dtype
    projected = b("Add", b("MatMul", x, kernel), bias)
    projected = b.transposed(b.cast(projected, kind), (1, 0, 2))
    seen = b("Unsqueeze", b.transposed(b.cast(mask, "bool"), (1, 0)), [-1])
    inside = b.body("step")
    before = [Value(b.shared.name("state"), kind) for _ in states]
    z, now = Value(b.shared.name("inputs"), kind), Value(b.shared.name("seen"), "bool")
    fresh = step(inside, z, before)
    after = [inside("Where", now, new, old, dtype=kind) for new, old in zip(fresh, before, strict=True)]
    body = inside.close("step", [*before, z, now], [*after, after[0]])
    made = b(
        "Scan",
        *given,
        projected,
        seen,
        dtype=kind,
        outputs=len(states) + 1,
        body=body,
        num_scan_inputs=2,
        scan_input_directions=[int(backwards)] * 2,
    )
    return [b.transposed(made[-1], (1, 0, 2)), *made[:-1]]


def _require_no_gates(op: str, out: Specs) -> None:
    if any(spec is not None for spec in out):
        raise NoLoweringError(op, "something reads its gates, as gradients do, and ONNX does not return them")


def _product(b: Builder, h: Value, weights: Value) -> Value:
    return b("MatMul", h, b.cast(weights, h.dtype))


def _parts(b: Builder, x: Value, count: int) -> tuple[Value, ...]:
    return b("Split", x, outputs=count, axis=-1, num_outputs=count)


@row
def simple_rnn(
    b: Builder,
    x: Value,
    h: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value,
    mask: Value | None = None,
    *,
    go_backwards: bool,
    out: Specs,
) -> list[Value | None]:
    if mask is None:
        return _recurrence(b, "RNN", x, [h], (kernel, recurrent, bias), [0], go_backwards, out)

    def step(b: Builder, z: Value, states: list[Value]) -> list[Value]:
        return [b("Tanh", b("Add", z, _product(b, states[0], recurrent)))]

    return _masked(b, x, [h], kernel, bias, mask, go_backwards, step)


@row
def lstm(
    b: Builder,
    x: Value,
    h: Value,
    c: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value,
    mask: Value | None = None,
    *,
    go_backwards: bool,
    out: Specs,
) -> list[Value | None]:
    """Gates are input, forget, cell, output; in ONNX input, output, forget, cell."""
    _require_no_gates("lstm", out[3:])
    if mask is None:
        order = [0, 3, 1, 2]
        made = _recurrence(b, "LSTM", x, [h, c], (kernel, recurrent, bias), order, go_backwards, out)
        return [*made, None, None]

    def step(b: Builder, z: Value, states: list[Value]) -> list[Value]:
        h, c = states
        i, f, g, o = _parts(b, b("Add", z, _product(b, h, recurrent)), 4)
        kept = b("Mul", b("Sigmoid", f), c)
        fresh = b("Add", kept, b("Mul", b("Sigmoid", i), b("Tanh", g)))
        return [b("Mul", b("Sigmoid", o), b("Tanh", fresh)), fresh]

    return [*_masked(b, x, [h, c], kernel, bias, mask, go_backwards, step), None, None]


@row
def gru(
    b: Builder,
    x: Value,
    h: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value,
    mask: Value | None = None,
    *,
    go_backwards: bool,
    reset_after: bool,
    out: Specs,
) -> list[Value | None]:
    """Gates are update, reset, state, as in ONNX."""
    _require_no_gates("gru", out[2:])
    if mask is None:
        after = {"linear_before_reset": int(reset_after)}
        made = _recurrence(b, "GRU", x, [h], (kernel, recurrent, bias), [0, 1, 2], go_backwards, out, **after)
        return [*made, None]
    units = h.shape[1]  # type: ignore[index]
    of_gates = b("Slice", recurrent, [0], [2 * units], [1])  # type: ignore[operator]
    of_state = b("Slice", recurrent, [2 * units], [3 * units], [1])  # type: ignore[operator]
    first = second = bias
    if reset_after:
        first, second = (b("Squeeze", b("Slice", bias, [i], [i + 1], [0]), [0]) for i in range(2))

    def step(b: Builder, z: Value, states: list[Value]) -> list[Value]:
        (h,) = states
        of_update, of_reset, of_fresh = _parts(b, z, 3)
        if reset_after:
            bias_update, bias_reset, bias_fresh = _parts(b, b.cast(second, h.dtype), 3)
        from_update, from_reset = _parts(b, _product(b, h, of_gates), 2)
        if reset_after:
            from_update, from_reset = b("Add", from_update, bias_update), b("Add", from_reset, bias_reset)
        update = b("Sigmoid", b("Add", of_update, from_update))
        reset = b("Sigmoid", b("Add", of_reset, from_reset))
        if reset_after:
            recurred = b("Mul", reset, b("Add", _product(b, h, of_state), bias_fresh))
        else:
            recurred = _product(b, b("Mul", reset, h), of_state)
        fresh = b("Tanh", b("Add", of_fresh, recurred))
        rest = b("Mul", b("Sub", b.value(1.0, h.dtype), update), fresh)
        return [b("Add", b("Mul", update, h), rest)]

    return [*_masked(b, x, [h], kernel, first, mask, go_backwards, step), None]
