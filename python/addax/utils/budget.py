"""A bound on the variables that may be created while a model file is loaded: a config must not ask for more than the
file holds. `Variable` calls `charge` before it allocates; `saving` sets the bound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_FREE_ELEMENTS = 1 << 24  # for what is not stored: seeds, metrics, optimizer state of a model never trained

_left: ContextVar[list[int] | None] = ContextVar("addax_variable_budget", default=None)


@contextmanager
def variable_budget(elements: int) -> Iterator[None]:
    """Within it, all new variables together may have `elements` elements (and some 16 million more).

    Args:
        elements: the number of numbers that the file holds.
    """
    token = _left.set([elements + _FREE_ELEMENTS])
    try:
        yield
    finally:
        _left.reset(token)


def charge(shape: Sequence[int], name: str) -> None:
    """Counts a new variable; to be called before anything of its size is allocated.

    Args:
        shape: its shape.
        name: its name, for the error.

    Raises:
        ValueError: the file being loaded does not hold that much.
    """
    left = _left.get()
    if left is None:
        return
    left[0] -= math.prod(shape)
    if left[0] < 0:
        raise ValueError(
            f"variable {name!r} of shape {tuple(shape)} asks for more than the weights in the file hold. The file is "
            "damaged or built to exhaust memory; if you trust it, build the model in code and use load_weights()."
        )
