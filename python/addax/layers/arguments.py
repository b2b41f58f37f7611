"""Checks of arguments that several layers share."""

from __future__ import annotations

from typing import Any

_PADDINGS = ("valid", "same")


def int_tuple(value: Any, n: int, name: str, allow_zero: bool = False) -> tuple[int, ...]:
    """A tuple of `n` positive (or not negative) ints; one int stands for all."""
    dims = (value,) * n if isinstance(value, int) else value
    try:
        dims = tuple(int(dim) for dim in dims)
        good = len(dims) == n
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}")
    least, demand = (0, "value >= 0") if allow_zero else (1, "value > 0")
    if min(dims) < least:
        raise ValueError(
            f"The `{name}` argument must be a tuple of {n} integers. Received {name}={value}, including values "
            f"{ {d for d in dims if d < least} } that do not satisfy `{demand}`"
        )
    return dims


def padding_of(value: Any, allow_causal: bool = False) -> str:
    """`"valid"`, `"same"` or, where it is allowed, `"causal"`."""
    allowed = (*_PADDINGS, "causal") if allow_causal else _PADDINGS
    padding = value.lower() if isinstance(value, str) else value
    if padding not in allowed:
        raise ValueError(f"The `padding` argument must be one of {', '.join(map(repr, allowed))}. Received: {value}")
    return padding


def positive(value: Any, name: str) -> int:
    """A positive int."""
    if not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={value}."
        )
    return value


def int_pairs(value: Any, n: int, name: str) -> tuple[tuple[int, int], ...]:
    """For each of `n` axes a pair of ints of at least 0: what happens before and after.

    One int stands for all, and an int in place of a pair for both.
    """
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"`{name}` cannot be negative. Received: {name}={value}.")
        return ((value, value),) * n
    if not isinstance(value, (list, tuple)) or len(value) != n:
        count = {2: "two"}.get(n, n)
        raise ValueError(f"`{name}` should have {count} elements. Received: {name}={value}.")
    order = ("1st", "2nd", "3rd")
    return tuple(
        int_tuple(pair, 2, f"{which} entry of {name}", allow_zero=True)
        for which, pair in zip(order, value, strict=False)
    )
