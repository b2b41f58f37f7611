"""Rows of the op table that have no CUDA kernel yet. It must shrink: a row that has one may not stand here.

Those with a composition run on a device as that; the others are refused there.
"""

_NAMES = """
    sgd_update_rows sgd_momentum_update_rows adam_update_rows adam_amsgrad_update_rows rmsprop_update_rows
    rmsprop_full_update_rows
    scan cond while_loop
"""

MISSING = frozenset(_NAMES.split())
