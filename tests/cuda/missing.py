"""Rows of the op table that have no CUDA kernel yet. It must shrink: a row that has one may not stand here.

Those with a composition run on a device as that; the others are refused there.
"""

_NAMES = """
    scan cond while_loop
"""

MISSING = frozenset(_NAMES.split())
