"""Which variables of a model stand where in a weights file: the walk over layers, and copying their values in and out.

The paths are Keras's: attributes by name in alphabetical order, members of lists and dicts by class name and number.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from addax.saving.hdf5 import StoredVariables
from addax.utils.naming import to_snake_case

_MAX_LISTED = 8  # objects named in one error


class Writer(Protocol):
    """What takes variables: a weights file or several shards."""

    def write(self, path: str, name: str | None, variables: Mapping[str, Any]) -> None: ...


class Reader(Protocol):
    """What gives variables back."""

    def variables(self, path: str) -> StoredVariables: ...


def save_state(model: Any, writer: Writer, skip: Iterable[Any] = ()) -> None:
    """Writes the variables of a model and of everything below it.

    Args:
        model: a model, layer or optimizer.
        writer: takes them by path.
        skip: objects that are left out, with what is below them.
    """
    for path, saveable in walk(model, skip):
        writer.write(path, getattr(saveable, "name", None), _own_variables(saveable))


def load_state(model: Any, reader: Reader, skip_mismatch: bool = False) -> None:
    """Gives a model the stored values. Everything is compared first: if it does not fit, nothing is changed.

    Args:
        model: a built model, layer or optimizer.
        reader: gives them by path.
        skip_mismatch: warn about objects that do not fit and leave them as they are.

    Raises:
        ValueError: stored variables do not fit; names the objects with expected and found shapes.
    """
    fitting, problems = [], []
    for path, saveable in walk(model):
        stored = reader.variables(path)
        problem = _mismatch(saveable, stored, path)
        if problem is None:
            fitting.append((saveable, stored))
        elif _is_optimizer(saveable):
            if stored.shapes() == {"0": (), "1": ()}:  # saved before its first step: nothing to restore
                continue
            warnings.warn(f"optimizer state is not restored: {problem}", stacklevel=4)
        else:
            problems.append(problem)
    if problems:
        shown = "\n  ".join(problems[:_MAX_LISTED])
        more = f"\n  and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        message = f"{len(problems)} object(s) do not fit the stored weights:\n  {shown}{more}"
        if not skip_mismatch:
            raise ValueError(f"{message}\nThe model is unchanged. skip_mismatch=True loads the others.")
        warnings.warn(f"{message}\nThese are left as they were.", stacklevel=4)
    for saveable, stored in fitting:
        if not _is_seed_generator(saveable):
            saveable.load_own_variables(stored)
        elif "0" in stored:
            saveable.state.assign(stored["0"])


def walk(root: Any, skip: Iterable[Any] = ()) -> Iterator[tuple[str, Any]]:
    """Yields the path and object of everything with variables of its own, every object once.

    Args:
        root: a model, layer or optimizer; its path is the empty string.
        skip: objects to leave out.
    """
    yield from _walk(root, "", {id(obj) for obj in skip})


def _walk(obj: Any, path: str, visited: set[int]) -> Iterator[tuple[str, Any]]:
    if id(obj) in visited:
        return
    visited.add(id(obj))
    yield path, obj
    for name, child in _attributes(obj):
        below = f"{path}/{name}" if path else name
        if _is_saveable(child):
            yield from _walk(child, below, visited)
        elif isinstance(child, (list, tuple, dict)):
            yield from _walk_container(child, below, visited)


def _walk_container(container: Any, path: str, visited: set[int]) -> Iterator[tuple[str, Any]]:
    used: dict[str, int] = {}
    for child in list(container.values()) if isinstance(container, dict) else container:
        nested = isinstance(child, (list, tuple, dict))
        if not nested and (not _is_saveable(child) or id(child) in visited):
            continue
        name = "container" if nested else to_snake_case(type(child).__name__)
        count = used.get(name, 0)
        used[name] = count + 1
        below = f"{path}/{name}_{count}" if count else f"{path}/{name}"
        if nested:
            yield from _walk_container(child, below, visited)
        else:
            yield from _walk(child, below, visited)


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    if _is_seed_generator(obj):
        return
    ours = type(obj).__module__.startswith("addax.")
    parts = getattr(type(obj), "_saved_parts", ())  # private attributes of ours that Keras's files name
    for name in sorted(set(dir(obj)) - _reserved(type(obj))):
        if name.startswith("__") or (ours and name.startswith("_") and name not in parts):
            continue
        try:
            value = getattr(obj, name)
        except Exception:  # a property of the user's class that cannot answer now holds nothing to save
            continue
        yield name, value


def _reserved(cls: type) -> frozenset[str]:
    from addax.layers import Layer
    from addax.models import Functional, Model, Sequential

    base = next((base for base in (Functional, Sequential, Model, Layer) if issubclass(cls, base)), None)
    return frozenset() if base is None else _attributes_of_base(base)


@functools.cache
def _attributes_of_base(base: type) -> frozenset[str]:
    """Attributes that every instance has by itself. Only a model's layers and optimizer among them are its state."""
    from addax.layers import Input
    from addax.models import Functional

    if base is Functional:
        x = Input((1,), name="reference")
        reference = base(x, x, name="reference")
    else:
        reference = base(name="reference")
    return frozenset(dir(reference)) - {"layers", "optimizer"}


def _is_seed_generator(obj: Any) -> bool:
    from addax.random import SeedGenerator

    return isinstance(obj, SeedGenerator)


def _is_optimizer(obj: Any) -> bool:
    from addax.optimizers import Optimizer

    return isinstance(obj, Optimizer)


def _is_saveable(obj: Any) -> bool:
    return not isinstance(obj, type) and (hasattr(obj, "save_own_variables") or _is_seed_generator(obj))


def _own_variables(saveable: Any) -> dict[str, Any]:
    if _is_seed_generator(saveable):  # stock Keras ignores it; here a resumed run draws the same numbers
        return {"0": saveable.state}
    if hasattr(saveable, "save_assets"):
        raise ValueError(
            f"{type(saveable).__name__} {saveable.name!r} defines save_assets(), but addax writes only variables and "
            "configs. Keep the asset in the config (get_config) or in a variable."
        )
    variables: dict[str, Any] = {}
    saveable.save_own_variables(variables)
    return variables


def _mismatch(saveable: Any, stored: StoredVariables, path: str) -> str | None:
    """Says how the stored variables do not fit, or returns None."""
    found = stored.shapes()
    if _is_seed_generator(saveable):
        fits = not found or found.get("0") == tuple(saveable.state.shape)
        return None if fits else f"seed generator at {path!r}: expected one key of 2 numbers, found {found}"
    if _has_own_format(saveable):
        return None
    expected = {key: tuple(value.shape) for key, value in _own_variables(saveable).items()}
    if expected == found:
        return None
    name = f"{type(saveable).__name__} {getattr(saveable, 'name', '')!r} (at {path or 'the top'!r} in the file)"
    if not found:
        return f"{name}: the file holds no variables for it, expected {_list_shapes(expected)}"
    if not expected and not getattr(saveable, "built", True):
        return f"{name}: not built yet, but the file holds {_list_shapes(found)}; call the model on data first"
    if expected.keys() == found.keys():
        expected, found = ({k: v for k, v in a.items() if v != b[k]} for a, b in ((expected, found), (found, expected)))
    return f"{name}: expected {_list_shapes(expected)}, found {_list_shapes(found)}"


def _has_own_format(saveable: Any) -> bool:
    """Tells whether the user's class reads its variables in its own way, so that only it can compare them."""
    for cls in type(saveable).__mro__:
        if "load_own_variables" in vars(cls):
            return not cls.__module__.startswith("addax.")
    return True


def _list_shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    if not shapes:
        return "no variables"
    shown = ", ".join(f"{key}: {shape}" for key, shape in list(shapes.items())[:_MAX_LISTED])
    return f"{len(shapes)} variable(s) {{{shown}{', ...' if len(shapes) > _MAX_LISTED else ''}}}"
