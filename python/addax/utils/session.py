"""Forgetting the process-wide state that building models leaves behind."""

import gc

from addax.utils import naming
from addax.variables import scopes


def clear_session(free_memory: bool = True) -> None:
    """Starts automatic names and the default random seed afresh, and ends the use of a distribution.

    Models need no clearing, they die with their last reference; this only makes the names `dense`, `dense_1`, ... start
    again.

    Args:
        free_memory: Whether to collect garbage as well.

    Example:

    >>> addax.backend.clear_session()
    >>> addax.backend.get_uid("layer")
    1
    """
    from addax.random import seed_generator

    naming.reset_uids()
    seed_generator.forget_global_seed_generator()
    scopes.distribution = None
    if free_memory:
        gc.collect()
