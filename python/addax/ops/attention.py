"""Scaled dot-product attention."""

from __future__ import annotations

import math

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, cast, same_float_dtype, scalar_like
from addax.ops.creation import triangle
from addax.ops.movement import repeat
from addax.ops.operation import op

# What a masked score becomes: small enough to vanish in the softmax, and a row of nothing else stays a number.
MASKED = -1.375 * 2.0**127


@op("nn.DotProductAttention", inputs="query key value bias mask scale")
def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
) -> Tensor:
    """Attention: the values, averaged with weights by how well their keys match a query.

    Args:
        query: Tensor of shape `(batch, queries, heads, dim)`.
        key: Tensor of shape `(batch, keys, key_heads, dim)`; `heads` must be a multiple of `key_heads`.
        value: Tensor of the shape of `key`.
        bias: Added to the scores, broadcast against `(batch, heads, queries, keys)`.
        mask: Bools broadcast against that shape: where it is false, a key is not seen.
        scale: What the scores are multiplied with; `None`: `1 / sqrt(dim)`.
        is_causal: Whether a query sees only keys up to its own position.
        flash_attention: Accepted; the scores are never in memory as a whole, unless they are capped.
        attn_logits_soft_cap: Limits the scores smoothly to plus and minus this number.

    Returns:
        A tensor of the shape of `query`, with the last dim of `value`; half precision is computed in float32.

    Raises:
        ValueError: If the ranks are not 4 or the heads do not fit.

    Reference:
        Vaswani et al., https://arxiv.org/abs/1706.03762, and Dao, https://arxiv.org/abs/2307.08691

    Example:

    >>> q = addax.ops.ones((1, 2, 1, 4))
    >>> addax.ops.dot_product_attention(q, q, q).shape
    (1, 2, 1, 4)
    """
    query, key, value = same_float_dtype(as_tensor(query), as_tensor(key), as_tensor(value))
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ValueError(
            "dot_product_attention: expected tensors of rank 4 (batch, length, heads, dim), got shapes "
            f"{query.shape}, {key.shape} and {value.shape}"
        )
    if query.shape[2] % key.shape[2]:
        raise ValueError(
            f"dot_product_attention: {query.shape[2]} heads are not a multiple of {key.shape[2]} key heads"
        )
    scale = float(1 / math.sqrt(query.shape[3]) if scale is None else scale)
    if attn_logits_soft_cap is not None:
        bias, mask = _beside_scores(query, bias, mask)
        return _capped(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)
    return attend(query, key, value, bias, mask, scale, is_causal)[0]


def attend(
    query, key, value, bias=None, mask=None, scale=1.0, is_causal=False, random_key=None, dropout=0.0
) -> tuple[Tensor, Tensor]:
    """Attention as of `dot_product_attention`, whose weights may be dropped. No scores are in memory as a whole.

    Args:
        query: Tensor of shape `(batch, queries, heads, dim)`.
        key: Tensor of shape `(batch, keys, key_heads, dim)`, of the same floating dtype.
        value: Tensor of shape `(batch, keys, key_heads, value_dim)`, likewise.
        bias: Added to the scores, or `None`.
        mask: Bools, or `None`.
        scale: What the scores are multiplied with.
        is_causal: Whether a query sees only keys up to its own position.
        random_key: The key of a random call, if weights are dropped: those of shape `(batch, heads, queries, keys)`
            lose what `addax.random.dropout` takes from a tensor of that shape.
        dropout: The part of the weights to drop, at least 0 and less than 1.

    Returns:
        The values weighed, shape `(batch, queries, heads, value_dim)`, and each row's largest score, shape `(batch,
        heads, queries)`, which is `MASKED` for a query that sees nothing.
    """
    bias, mask = _beside_scores(query, bias, mask)
    y, largest, _ = apply(
        "attention",
        query,
        key,
        value,
        *(t for t in (bias, mask, random_key) if t is not None),
        scale=float(scale),
        causal=bool(is_causal),
        bias=bias is not None,
        mask=mask is not None,
        dropout=float(dropout),
    )
    return y, largest


def _beside_scores(query, bias, mask) -> tuple:
    """Bias and mask in the dtypes that scores of this query take."""
    compute = "float64" if query.dtype == "float64" else "float32"
    return (
        None if bias is None else as_tensor(bias, compute),
        None if mask is None else cast(as_tensor(mask), "bool"),
    )


def _capped(query, key, value, bias, mask, scale, causal, cap) -> Tensor:
    """Attention step by step, with scores limited to `cap`."""
    heads, key_heads = query.shape[2], key.shape[2]
    if heads != key_heads:
        key, value = (repeat.__wrapped__(x, heads // key_heads, axis=2) for x in (key, value))
    q, k, v = (apply("transpose", x, axes=(0, 2, 1, 3)) for x in (query, key, value))
    scores = apply("matmul", q, k, transpose_b=True)
    scores = cast(scores, "float32" if scores.dtype in ("float16", "bfloat16") else scores.dtype) * scale
    if bias is not None:
        scores = scores + bias
    scores = apply("tanh", scores / cap) * cap
    masked = scalar_like(MASKED, scores.dtype)
    if mask is not None:
        scores = apply("where", mask, scores, masked)
    if causal:
        scores = apply("where", triangle(*scores.shape[-2:], 0), scores, masked)
    weights = cast(apply("softmax", scores, axis=3), query.dtype)
    return apply("transpose", apply("matmul", weights, v), axes=(0, 2, 1, 3))
