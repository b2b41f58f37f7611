"""Checks of arguments that several layers share."""

from __future__ import annotations

from typing import Any

_PADDINGS = ("valid", "same")


def int_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """A tuple of `n` positive ints; one int stands for all."""
    dims = (value,) * n if isinstance(value, int) else value
    try:
        dims = tuple(int(dim) for dim in dims)
        good = len(dims) == n
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}")
    if min(dims) <= 0:
        raise ValueError(
            f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}, including values "
            f"{ {d for d in dims if d <= 0} } that do not satisfy `value > 0`"
        )
    return dims


def padding_of(value: Any, allow_causal: bool = False) -> str:
    """`"valid"`, `"same"` or, where it is allowed, `"causal"`."""
    allowed = (*_PADDINGS, "causal") if allow_causal else _PADDINGS
    padding = value.lower() if isinstance(value, str) else value
    if padding not in allowed:
        raise ValueError(f"The `padding` argument must be one of {', '.join(map(repr, allowed))}. Received: {value}")
    return padding
