"""One seed for everything random."""

from __future__ import annotations

import random

import numpy as np


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy and addax, and so makes a program repeatable.

    The same seed gives the same initial weights, dropout masks and shuffles, bit for bit, on any number of threads.

    Args:
        seed: An int from 0 to 2**32 - 1.

    Raises:
        ValueError: If the seed is not an int.

    Example:

    >>> addax.utils.set_random_seed(7)
    >>> a = addax.random.normal((2,)).tolist()
    >>> addax.utils.set_random_seed(7)
    >>> addax.random.normal((2,)).tolist() == a
    True
    """
    from addax.random.seed_generator import forget_global_seed_generator

    if not isinstance(seed, int):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed!r} ({type(seed).__name__})")
    random.seed(seed)
    np.random.seed(seed)
    forget_global_seed_generator()
