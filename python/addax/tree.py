"""Nested structures: flatten, map and rebuild tuples, lists, named tuples and dicts.

A dict is walked in the order of its sorted keys, an `OrderedDict` in its own order; anything else, `None` included, is
a leaf. Classes that subclass `list` or `dict` (the trackers of layers) count as what they subclass.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_SEQUENCES = (tuple, list, deque)
_CONTAINERS = (tuple, list, dict, deque)


class MAP_TO_NONE:
    """What the function given to `traverse` returns to put `None` in a place, since `None` means "go on"."""


def is_nested(structure: Any) -> bool:
    """Returns whether the object is a tuple, list, named tuple or dict.

    Args:
        structure: Any object.

    Example:

    >>> addax.tree.is_nested([1, 2]), addax.tree.is_nested(1)
    (True, False)
    """
    return isinstance(structure, _CONTAINERS)


def flatten(structure: Any) -> list:
    """Returns the leaves of a structure in order.

    Args:
        structure: Any nested structure, or a leaf.

    Example:

    >>> addax.tree.flatten({"b": 1, "a": [2, (3, None)]})
    [2, 3, None, 1]
    """
    leaves: list = []
    _flatten_into(structure, leaves)
    return leaves


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """Returns the leaves, each with its path: the keys and positions that lead to it.

    Args:
        structure: Any nested structure, or a leaf.

    Returns:
        A list of pairs `(path, leaf)`; `path` is a tuple.

    Example:

    >>> addax.tree.flatten_with_path({"a": [10, 20]})
    [(('a', 0), 10), (('a', 1), 20)]
    """
    result: list = []
    _flatten_with_path_into(structure, (), result)
    return result


def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """Applies a function to the leaves that stand in the same place, and rebuilds the structure.

    Args:
        func: Called with one leaf of each structure.
        structures: One or more structures of the same shape.
        none_is_leaf: Whether `func` sees `None` leaves; if not, they stay as they are.

    Returns:
        The results, in the structure of the first argument.

    Raises:
        ValueError: If the structures differ, or there is none.
        TypeError: If `func` cannot be called.

    Example:

    >>> addax.tree.map_structure(lambda x, y: x + y, {"a": 1}, {"a": 10})
    {'a': 11}
    """
    if not callable(func):
        raise TypeError(f"map_structure: expected a callable as `func`. Received: {func!r}")
    if not structures:
        raise ValueError("map_structure: expected at least one structure, got none")
    if len(structures) == 1:
        return _map_one(func if none_is_leaf else _keep_none(func), structures[0])
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    return map_structure_up_to(structures[0], func if none_is_leaf else _keep_none(func), *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """Applies a function to what the structures hold at each leaf of a shallower one.

    Args:
        shallow_structure: Says where to stop.
        func: Called with one subtree of each structure.
        structures: Structures that begin like `shallow_structure`.

    Returns:
        The results, in the structure of `shallow_structure`.

    Raises:
        ValueError: If a structure does not begin like `shallow_structure`.

    Example:

    >>> addax.tree.map_structure_up_to([0, 0], lambda x: x, [1, [2, 3]])
    [1, [2, 3]]
    """
    if not structures:
        raise ValueError("map_structure_up_to: expected at least one structure, got none")
    columns = [_flatten_up_to(shallow_structure, structure) for structure in structures]
    return pack_sequence_as(shallow_structure, [func(*leaves) for leaves in zip(*columns, strict=True)])


def pack_sequence_as(structure: Any, flat_sequence: Iterable) -> Any:
    """Puts new leaves into the places of a structure's own.

    Args:
        structure: The structure to imitate.
        flat_sequence: As many leaves as it has, in the order of `flatten`.

    Returns:
        A new structure.

    Raises:
        ValueError: If there are too few or too many leaves.

    Example:

    >>> addax.tree.pack_sequence_as({"b": 0, "a": [0, 0]}, [1, 2, 3])
    {'b': 3, 'a': [1, 2]}
    """
    if isinstance(flat_sequence, (str, bytes)) or not isinstance(flat_sequence, Iterable):
        raise TypeError(f"pack_sequence_as: expected a sequence of leaves. Received: {flat_sequence!r}")
    leaves = list(flat_sequence)
    expected = len(flatten(structure))
    if len(leaves) != expected:
        raise ValueError(f"pack_sequence_as: the structure has {expected} leaves, got {len(leaves)}")
    return _pack(structure, iter(leaves))


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Checks that two structures nest in the same way, with the same types and keys.

    Args:
        a: A structure.
        b: Another one.
        check_types: Ignored; types are always compared, kinds of dict excepted.

    Raises:
        ValueError: If they differ.

    Example:

    >>> addax.tree.assert_same_structure([1, (2,)], ["x", ("y",)])
    """
    _assert_same(a, b, ())


def assert_same_paths(a: Any, b: Any) -> None:
    """Checks that two structures have leaves at the same paths, whatever the types of the containers.

    Args:
        a: A structure.
        b: Another one.

    Raises:
        ValueError: If the paths differ.

    Example:

    >>> addax.tree.assert_same_paths([0, 1], ("x", "y"))
    """
    paths_a = {path for path, _ in flatten_with_path(a)}
    paths_b = {path for path, _ in flatten_with_path(b)}
    if paths_a != paths_b:
        message = "assert_same_paths: `a` and `b` don't have the same paths."
        if paths_a - paths_b:
            message += f"\nIn `a`, missing in `b`: {sorted(paths_a - paths_b, key=str)}"
        if paths_b - paths_a:
            message += f"\nIn `b`, missing in `a`: {sorted(paths_b - paths_a, key=str)}"
        raise ValueError(message)


def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """Offers every node, containers included, to a function that may replace it.

    Args:
        func: Called with a node. Returns its replacement, `None` to keep it (and go on inside), or `MAP_TO_NONE` to
            replace it by `None`.
        structure: Any nested structure.
        top_down: Whether a container is offered before its children (and, if replaced, not entered) or after them.

    Returns:
        The structure with the replacements.

    Example:

    >>> addax.tree.traverse(lambda x: tuple(x) if isinstance(x, list) else None, [1, [2]], top_down=False)
    (1, (2,))
    """
    if not callable(func):
        raise TypeError(f"traverse: expected a callable as `func`. Received: {func!r}")

    return _traverse(func, structure, top_down)


def lists_to_tuples(structure: Any) -> Any:
    """Turns every list in a structure into a tuple.

    Args:
        structure: Any nested structure.

    Example:

    >>> addax.tree.lists_to_tuples([1, {"a": [2]}])
    (1, {'a': (2,)})
    """
    return traverse(lambda node: tuple(node) if isinstance(node, list) else None, structure, top_down=False)


def map_shape_structure(func: Callable, structure: Any) -> Any:
    """Applies a function to every shape in a structure; a list or tuple of ints and `None`s is a shape.

    Args:
        func: Called with a shape.
        structure: A structure of shapes.

    Example:

    >>> addax.tree.map_shape_structure(len, {"a": (1, None), "b": (3,)})
    {'a': 2, 'b': 1}
    """
    if isinstance(structure, (tuple, list)) and all(d is None or isinstance(d, int) for d in structure):
        return func(structure)
    if isinstance(structure, _CONTAINERS):
        return _rebuild(structure, [map_shape_structure(func, child) for _, child in _items(structure)])
    raise ValueError(f"map_shape_structure: expected shapes, tuples or lists of ints and None. Received: {structure!r}")


def sorted_keys(node: dict) -> list:
    """The keys in the order of the leaves: sorted, but those of an `OrderedDict`, which have an order."""
    if isinstance(node, OrderedDict):
        return list(node)
    try:
        return sorted(node)
    except TypeError:
        return sorted(node, key=lambda key: (type(key).__qualname__, str(key)))


def _items(node) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict):
        return ((key, node[key]) for key in sorted_keys(node))
    return iter(enumerate(node))


def _flatten_into(node, leaves: list) -> None:
    if isinstance(node, _SEQUENCES):
        for child in node:
            _flatten_into(child, leaves)
    elif isinstance(node, dict):
        for key in sorted_keys(node):
            _flatten_into(node[key], leaves)
    else:
        leaves.append(node)


def _rebuild(node, children: list):
    """The same container with other children, given in the order of `_items`."""
    kind = type(node)
    if kind is tuple:
        return tuple(children)
    if kind is list:
        return children
    if isinstance(node, dict):
        values = dict(zip(sorted_keys(node), children, strict=True))
        values = {key: values[key] for key in node}  # the keys keep the order of insertion
        if kind is dict:
            return values
        return defaultdict(node.default_factory, values) if isinstance(node, defaultdict) else kind(values)
    if hasattr(node, "_fields"):
        return kind(*children)
    return deque(children, node.maxlen) if isinstance(node, deque) else kind(children)


def _map_one(func, node):
    kind = type(node)
    if kind is tuple:
        return tuple([_map_one(func, child) for child in node])
    if kind is list:
        return [_map_one(func, child) for child in node]
    if isinstance(node, _CONTAINERS):
        return _rebuild(node, [_map_one(func, child) for _, child in _items(node)])
    return func(node)


def _keep_none(func):
    return lambda *leaves: None if all(leaf is None for leaf in leaves) else func(*leaves)


def _pack(node, leaves: Iterator):
    if isinstance(node, _CONTAINERS):
        return _rebuild(node, [_pack(child, leaves) for _, child in _items(node)])
    return next(leaves)


def _where(path: tuple) -> str:
    return f" at {list(path)}" if path else ""


def _kind(node) -> type:
    if hasattr(node, "_fields"):
        return type(node)
    return next(kind for kind in _CONTAINERS if isinstance(node, kind))


def _assert_same(a, b, path: tuple) -> None:
    nested = isinstance(a, _CONTAINERS)
    if nested != isinstance(b, _CONTAINERS):
        raise ValueError(f"tree: structures don't have the same nested structure{_where(path)}: {a!r} and {b!r}")
    if not nested:
        return
    _assert_same_node(a, b, path)
    for key, child in _items(a):
        _assert_same(child, b[key], (*path, key))


def _assert_same_node(a, b, path: tuple) -> None:
    if isinstance(a, dict) and isinstance(b, dict):
        if set(a) != set(b):
            raise ValueError(f"tree: dict keys differ{_where(path)}: expected {sorted_keys(a)}, got {sorted_keys(b)}")
    elif _kind(a) is not _kind(b):
        raise ValueError(f"tree: expected a {_kind(a).__name__}{_where(path)}, got {b!r}")
    elif len(a) != len(b):
        raise ValueError(f"tree: expected {len(a)} elements{_where(path)}, got {len(b)}: {b!r}")


def _flatten_up_to(shallow, deep) -> list:
    result: list = []
    _flatten_up_to_into(shallow, deep, (), result)
    return result


# Recursive helpers are functions of the module: a nested function that calls itself is a reference cycle, and would
# keep what it saw until the garbage collector runs.


def _flatten_up_to_into(a, b, path: tuple, result: list) -> None:
    if not isinstance(a, _CONTAINERS):
        result.append(b)
        return
    if not isinstance(b, _CONTAINERS):
        raise ValueError(f"tree: expected a {type(a).__name__}{_where(path)}, got {b!r}")
    _assert_same_node(a, b, path)
    for key, child in _items(a):
        _flatten_up_to_into(child, b[key], (*path, key), result)


def _flatten_with_path_into(node, path: tuple, result: list) -> None:
    if isinstance(node, _CONTAINERS):
        for key, child in _items(node):
            _flatten_with_path_into(child, (*path, key), result)
    else:
        result.append((path, node))


def _traverse(func, node, top_down: bool):
    if top_down:
        node, done = _replaced(func, node)
        if done or not isinstance(node, _CONTAINERS):
            return node
        return _rebuild(node, [_traverse(func, child, top_down) for _, child in _items(node)])
    if isinstance(node, _CONTAINERS):
        node = _rebuild(node, [_traverse(func, child, top_down) for _, child in _items(node)])
    return _replaced(func, node)[0]


def _replaced(func, node) -> tuple:
    result = func(node)
    if result is None:
        return node, False
    return (None if result is MAP_TO_NONE else result), True
