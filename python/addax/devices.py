"""Where new tensors go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from addax import engine


@contextmanager
def device(name: str) -> Iterator[None]:
    """Lets this thread's new tensors and variables go to a device, inside a `with`.

    Outside of one they go to the default device; see `addax.config.set_default_device`. Results of operations lie where
    their inputs do. Inputs that hold one value, such as Python's numbers, go to the device of the others.
    A compiled function runs where its tensors and variables lie, and takes the rest there.

    Args:
        name: `"cpu:0"`, `"cuda:0"`, `"cuda:1"` and so on; `"gpu"` means `"cuda:0"`.

    Returns:
        A context manager.

    Raises:
        ValueError: If there is no such device; the message says what is missing.

    Example:

    >>> with addax.device("cpu:0"):
    ...     x = addax.ops.convert_to_tensor([1.0, 2.0])
    >>> x.device
    'cpu:0'
    """
    before = engine.set_current_device(name)
    try:
        yield
    finally:
        engine.set_current_device(before)
