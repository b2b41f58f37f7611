"""attention: scaled dot-product attention, as two products and a softmax between them."""

from __future__ import annotations

from addax.export.graph import Dim, Spec
from addax.export.onnx.random import dropped
from addax.export.onnx.table import Builder, Value, row
from addax.ops.attention import MASKED


@row(wide=True)
def attention(
    b: Builder,
    query: Value,
    key: Value,
    value: Value,
    *given: Value,
    scale: float,
    causal: bool,
    bias: bool,
    mask: bool,
    dropout: float,
    out: list[Spec | None],
) -> list[Value | None]:
    """Heads of the query that share one of the key stand in a dim of their own."""
    assert query.shape is not None and key.shape is not None
    heads, shared = query.shape[2], key.shape[2]
    assert isinstance(heads, int) and isinstance(shared, int)
    grouped = heads != shared

    def rows(x: Value, axes: tuple[int, ...]) -> Value:
        """(batch, length, heads, dim) in that order of the axes, of which heads may be two."""
        assert x.shape is not None
        if not grouped:
            return b.transposed(x, axes)
        batch, length, count, dim = x.shape
        assert isinstance(count, int)
        split = b.reshaped(x, (batch, length, shared, count // shared, dim))
        order = {0: (0,), 1: (1,), 2: (2, 3), 3: (4,)}
        return b.transposed(split, [new for axis in axes for new in order[axis]])

    def spread(x: Value) -> Value:
        """Beside the scores, which have one dim more if heads are two."""
        if not grouped or x.rank < 3:
            return x
        assert x.shape is not None
        shape: list[Dim] = [1] * (4 - x.rank) + list(x.shape)
        of_heads = (1, 1) if shape[1] == 1 else (shared, heads // shared)
        return b.reshaped(x, (shape[0], *of_heads, *shape[2:]))

    q, k, v = rows(query, (0, 2, 1, 3)), rows(key, (0, 2, 3, 1)), rows(value, (0, 2, 1, 3))
    scores = b("Mul", b("MatMul", q, k), scale)
    if bias:
        scores = b("Add", scores, b.cast(spread(given[0]), scores.dtype))
    seen = spread(given[bias]) if mask else None
    if causal:
        row_of = b("Unsqueeze", b.count(b.dim_of(query, 1)), [1])
        past = b("LessOrEqual", b.count(b.dim_of(key, 1)), row_of, dtype="bool")
        seen = past if seen is None else b("And", seen, past)
    if seen is not None:
        scores = b("Where", seen, scores, MASKED, dtype=scores.dtype)
    weights = b("Softmax", scores, axis=-1)
    if dropout:
        of_heads = (shared, heads // shared) if grouped else (heads,)
        shape = (query.shape[0], *of_heads, query.shape[1], key.shape[1])
        weights = dropped(b, weights, shape, given[-1], dropout)
    y = b("MatMul", weights, v)
    y = b.transposed(y, (0, 3, 1, 2, 4) if grouped else (0, 2, 1, 3))
    assert value.shape is not None
    y = b.reshaped(y, (query.shape[0], query.shape[1], heads, value.shape[3])) if grouped else y
    return [y, *_statistics(b, scores, query, out)]


def _statistics(b: Builder, scores: Value, query: Value, out: list[Spec | None]) -> list[Value | None]:
    """The largest score of each row and the sum beside it, which only gradients read."""
    if out[1] is None and out[2] is None:
        return [None, None]
    assert query.shape is not None
    shape = (query.shape[0], query.shape[2], query.shape[1])
    largest = b("ReduceMax", scores, [-1], keepdims=1)
    total = b("ReduceSum", b("Exp", b("Sub", scores, largest)), [-1], keepdims=0)
    return [b.reshaped(largest, shape), b.reshaped(total, shape)]
