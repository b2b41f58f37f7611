"""Automatic names of layers, ops and variables."""

from __future__ import annotations

import re

_uids: dict[str, int] = {}
_NOT_WORD = re.compile(r"\W+")


def get_uid(prefix: str = "") -> int:
    """Counts the uses of a prefix in this process, from 1.

    Args:
        prefix: Any string.

    Returns:
        1 at the first call with this prefix, then 2, and so on.

    Example:

    >>> addax.backend.get_uid("my_prefix")
    1
    >>> addax.backend.get_uid("my_prefix")
    2
    """
    _uids[prefix] = uid = _uids.get(prefix, 0) + 1
    return uid


def reset_uids() -> None:
    """Starts all counts again."""
    _uids.clear()


def uniquify(name: str) -> str:
    """Returns `name` at its first use, then `name_1`, `name_2`, ..."""
    uid = get_uid(name)
    return name if uid == 1 else f"{name}_{uid - 1}"


def to_snake_case(name: str) -> str:
    """Turns `"GlobalMaxPooling2D"` into `"global_max_pooling2d"`."""
    name = _NOT_WORD.sub("", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(class_name: str) -> str:
    """A unique snake_case name made of a class name."""
    return uniquify(to_snake_case(class_name))


def get_object_name(obj) -> str:
    """The name of an object: its `name`, its `__name__` or its class's name in snake_case."""
    name = getattr(obj, "name", None) or getattr(obj, "__name__", None)
    return name if name else to_snake_case(type(obj).__name__)
