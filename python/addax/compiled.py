"""Compiled functions: traced once per signature, then replayed as one native call. The trainer compiles its steps here.

The engine traces, optimizes and plans (`cpp/graph`); this file knows Python's side of it: signatures, structures of
results, and errors that say which line cannot be traced.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import numbers
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from addax import config, engine, tree
from addax.engine import Tensor
from addax.ops import symbolic
from addax.ops.convert import as_tensor
from addax.variables import Variable, scopes

if TYPE_CHECKING:
    from addax.trainers.data_adapters.data_adapter import Rows

logger = logging.getLogger("addax.compiled")

#: How many plans a function keeps; `addax.config.set_plans_kept` sets it.
plans_kept = 32
_FORGOTTEN = 4096  # plans put out that a function knows of
# In operations and bytes: less takes no longer than to wake a thread, and the most that runs without a look at Python.
_LONG = 1 << 23
_AT_ONCE = 1 << 26
_CALL = 1 << 16  # what a call takes besides
_builds = 0


def plan_builds() -> int:
    """Returns how many plans have been built in this process. See `addax.config.plan_builds`."""
    return _builds


def ops_are_watched() -> bool:
    """Whether the ops themselves must be seen: inside another trace, or where a tape listens."""
    return engine.is_tracing() or engine.is_recording() or symbolic.is_active()


class _Entry:
    """A plan and what its results look like."""

    def __init__(self, plan: engine.Plan, structure: Any, leaves: list):
        self.plan = plan
        self.work = plan.stats["flops"] + plan.stats["bytes_moved"]
        self._structure = structure  # the mark of a result: the function returned a single tensor
        self._leaves = leaves  # per leaf: the mark of a result, or what was returned
        #: The keys of a flat dict of tensors, such as logs, each with the number of its leaf.
        self._keys: list | None = None
        if type(structure) is dict and all(type(x) is Tensor for x in structure.values()):
            number = {key: i for i, key in enumerate(tree.sorted_keys(structure))}
            self._keys = [(key, number[key]) for key in structure]

    def pack(self, results: list) -> Any:
        if self._structure is _RESULT:
            return results[0]
        if self._keys is not None:
            return {key: results[i] for key, i in self._keys}
        it = iter(results)
        return tree.pack_sequence_as(self._structure, [next(it) if x is _RESULT else x for x in self._leaves])


class _Result:
    def __repr__(self) -> str:
        return "<result>"


_RESULT = _Result()


class CompiledFunction:
    """A function that is traced once per signature and then replayed. Made by `addax.compile`.

    Args:
        fn: The function.
        name: What messages call it.
        memory_budget: How many bytes a run may take for inner values and results.
        without: A pass to leave out.
    """

    def __init__(self, fn: Callable, name: str | None = None, memory_budget: int | None = None, without: str = ""):
        if not callable(fn):
            raise TypeError(f"compile: expected a function, got {fn!r}")
        self._fn = fn
        self.name = name or getattr(fn, "__qualname__", type(fn).__name__)
        self._memory_budget = check_memory_budget(memory_budget)
        self._without = without
        self._entries: OrderedDict[tuple, _Entry] = OrderedDict()
        self._forgotten: set[int] | None = set()  # hashes of keys put out; `None`: the user knows
        self._last_traced: Any = None
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and not symbolic.is_active():
            result = engine.replay(self._entries, args, settings())
            if result is not NotImplemented:
                return result
        if ops_are_watched():
            return self._fn(*args, **kwargs)
        entry, tensors = self._entry(args, kwargs)
        return entry.pack(entry.plan.run(tensors))

    def run_beside(self, data: Any, work: Callable[[], None]) -> Any:
        """Calls the function, and does other work in this thread meanwhile.

        What the work reads of variables waits for the call, so all is as if the work were done after it.

        Args:
            data: The argument.
            work: The work.

        Returns:
            What the call returned.
        """
        if ops_are_watched():
            result = self._fn(data)
            work()
            return result
        entry, tensors = self._entry((data,), {})
        if entry.work < _LONG:
            results = entry.plan.run(tensors)
            work()
            return entry.pack(results)
        run = entry.plan.start(tensors)
        try:
            work()
        finally:
            results = run.finish()
        return entry.pack(results)

    def runs_at_once(self) -> int:
        """Returns how many calls like those before take no more than a few milliseconds together; 1 before any call."""
        if not self._entries:
            return 1
        work = max(entry.work for entry in self._entries.values())
        return max(1, _AT_ONCE // max(_CALL, work))

    def run_rows(self, rows: Rows) -> Any:
        """Calls the function with one batch after the other, all whole ones but the first in one native call.

        Args:
            rows: The batches.

        Returns:
            What the last call returned.
        """
        whole = (rows.stop - rows.start) // rows.batch_size
        if whole < 2 or ops_are_watched():
            for batch in rows:
                result = self(batch)
            return result
        # The first batch finds or makes the plan.
        entry, tensors = self._entry((next(iter(rows)),), {})
        entry.plan.run(tensors)
        start, stop = rows.start + rows.batch_size, rows.start + whole * rows.batch_size
        results = entry.plan.run_rows(rows.data, rows.order, start, stop)
        return entry.pack(results) if stop == rows.stop else self(next(iter(rows.part(whole, 1))))

    def _key(self, args: tuple, kwargs: dict) -> tuple[tuple, list[Tensor]]:
        """What plans are kept by, and the tensors that one is run with."""
        structure = (args, kwargs) if kwargs else args
        made_under = settings()
        signature = engine.signature(structure, made_under)
        if signature is None:
            tensors: list[Tensor] = []
            key: tuple = (_frozen(structure, tensors), made_under)
        else:
            key, tensors = signature
        if not tensors:
            key = (*key, engine.current_device())  # where a function of nothing computes
        return key, tensors

    def _entry(self, args: tuple, kwargs: dict) -> tuple[_Entry, list[Tensor]]:
        key, tensors = self._key(args, kwargs)
        entry = self._entries.get(key)
        if entry is None or not entry.plan.is_current:
            if entry is None and self._forgotten and hash(key) in self._forgotten:
                self._warn()
            entry = self._build(key, entry, args, kwargs)
        else:
            self._used(key)
        return entry, tensors

    def _warn(self) -> None:
        self._forgotten = None
        logger.warning(
            "%s is called with more signatures than the %d whose plans it keeps, so that plans are built again and "
            "again. Bring batches to fewer shapes, such as by padding to a few lengths, or keep more with "
            "addax.config.set_plans_kept.",
            self.name,
            plans_kept,
        )

    def _used(self, key: tuple) -> None:
        if len(self._entries) > 1:
            with contextlib.suppress(KeyError):  # another thread has just put it out
                self._entries.move_to_end(key)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _build(self, key: tuple, stale: _Entry | None, args: tuple, kwargs: dict) -> _Entry:
        global _builds
        trace, graph, structure, leaves = _trace(self._fn, self.name, args, kwargs)
        try:
            plan = engine.plan(trace, graph, self._memory_budget, self._without)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        entry = _Entry(plan, structure, leaves)
        _builds += 1
        traced = _frozen((args, kwargs), [])
        why = (
            "the first call"
            if self._last_traced is None
            else "variables were frozen or freed"
            if stale
            else _change(self._last_traced, traced)
        )
        logger.info("built a plan of %s with %d steps: %s", self.name, entry.plan.stats["steps"], why)
        self._last_traced = traced
        self._entries[key] = entry
        while len(self._entries) > plans_kept:
            self._put_out()
        return entry

    def _put_out(self) -> tuple:
        """Forgets the plan that was used longest ago; returns what it was kept by."""
        key, _ = self._entries.popitem(last=False)
        if self._forgotten is not None and len(self._forgotten) < _FORGOTTEN:
            self._forgotten.add(hash(key))
        return key

    @property
    def plans(self) -> list[engine.Plan]:
        """The plans kept now, the most recently used one last."""
        return [e.plan for e in self._entries.values()]


def compile(fn: Callable | None = None, *, name: str | None = None, memory_budget: int | None = None) -> Callable:
    """Makes a function that is traced once for each signature and then replayed as one native call.

    The Python of `fn` runs when the function is first called with tensors of some shapes and dtypes, and not again.
    Tensors, arrays and structures of them may differ from call to call; all other arguments are part of the signature.
    Variables that `fn` reads or assigns are found by themselves and updated in place.

    Args:
        fn: A function over tensors and structures of them, written with `addax.ops`.
        name: What messages call it.
        memory_budget: How many bytes a run may take for inner values and results; `None`: what it takes. To keep it,
            values are computed again instead of being held until a gradient needs them; results have the same bits.

    Returns:
        The compiled function. Under a `GradientTape`, or inside another compiled function, it calls `fn` itself.

    Raises:
        RuntimeError: When called, if `fn` needs the value of a tensor in Python, as in `if loss > 0:`.
        ValueError: When called, if the memory budget cannot be kept; it says the least that was found.

    Example:

    >>> w = addax.Variable(2.0)
    >>> @addax.compile
    ... def step(x):
    ...     w.assign_add(1.0)
    ...     return addax.ops.sum(x * w)
    >>> float(step(np.ones(3, "float32"))), float(step(np.ones(3, "float32")))
    (9.0, 12.0)
    """
    if fn is None:
        return functools.partial(compile, name=name, memory_budget=memory_budget)
    return CompiledFunction(fn, name, memory_budget)


def check_memory_budget(budget: Any) -> int | None:
    """A memory budget as an int.

    Args:
        budget: A whole number of bytes, or `None`.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is no whole number of at least one byte.
    """
    if budget is None:
        return None
    if isinstance(budget, (bool, np.bool_)) or not isinstance(budget, numbers.Real):
        raise TypeError(f"memory_budget: expected a number of bytes, as in 500_000_000, or None, got {budget!r}")
    if budget < 1 or int(budget) != budget:
        raise ValueError(f"memory_budget: expected a whole number of bytes, at least 1, got {budget!r}")
    return int(budget)


def make_graph(fn: Callable) -> Callable:
    """Makes a function that returns the graph of `fn` instead of its result.

    Args:
        fn: A function as for `compile`.

    Returns:
        A function of the same arguments. What it returns prints as text.

    Example:

    >>> print(addax.make_graph(lambda x: addax.ops.exp(x) + 1)(addax.ops.ones((2, 3))))
    graph(%0: float32(2, 3)) {
      const %1: float32() = [1]
      %2: float32(2, 3) = exp(%0)
      %3: float32(2, 3) = add(%2, %1)
      return %3
    }
    <BLANKLINE>
    """

    @functools.wraps(fn)
    def graph_of(*args: Any, **kwargs: Any) -> engine.Graph:
        return _trace(fn, getattr(fn, "__qualname__", "function"), args, kwargs)[1]

    return graph_of


def settings() -> tuple:
    """What plans depend on besides the signature: `floatx()`, `epsilon()` and scopes of this thread."""
    here = scopes.__dict__
    return config.numerics, here["autocast"], here["distribution"]


def _frozen(x: Any, tensors: list[Tensor]) -> Any:
    """A hashable stand-in for `x`; its tensors, in order, go to `tensors`."""
    kind = type(x)
    if kind is Tensor:
        tensors.append(x)
        return x.shape, x.dtype, x.device
    if kind is tuple or kind is list:
        return kind, *[_frozen(e, tensors) for e in x]
    if isinstance(x, (np.ndarray, np.generic)):
        tensors.append(as_tensor(x))
        return tensors[-1].shape, tensors[-1].dtype
    if isinstance(x, dict):
        return kind, *[(k, _frozen(x[k], tensors)) for k in tree.sorted_keys(x)]
    if isinstance(x, (tuple, list)):
        return kind, *[_frozen(e, tensors) for e in x]
    if isinstance(x, (bool, int, float, complex, str, bytes)) or x is None:
        return kind, x
    return kind, _by_identity(x)


def _change(last: Any, key: Any) -> str:
    """What is new in a signature beside the last one."""

    def first(old: Any, new: Any) -> tuple | None:
        if type(old) is tuple and type(new) is tuple and len(old) == len(new):
            return next((found for a, b in zip(old, new, strict=True) if (found := first(a, b))), None)
        return None if old == new else (old, new)

    found = first(last, key)
    if found is None:
        return "a setting such as floatx has changed, or the plan was forgotten"
    return f"the signature has {found[1]} where the last one had {found[0]}"


class _by_identity:
    """Objects that are no data are part of the signature by which object they are."""

    def __init__(self, value: Any):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _by_identity) and self.value is other.value

    def __repr__(self) -> str:
        return repr(self.value)


def _trace(fn: Callable, name: str, args: tuple, kwargs: dict) -> tuple[engine.Trace, engine.Graph, Any, list]:
    trace = engine.Trace()

    def stand_in(x: Any) -> Any:
        if isinstance(x, (Tensor, np.ndarray, np.generic)):
            x = as_tensor(x)
            return trace.argument(x.shape, x.dtype, x)
        return x

    args, kwargs = tree.map_structure(stand_in, (args, kwargs))
    trace.start()
    try:
        result = fn(*args, **kwargs)
        single = type(result) is Tensor
        leaves = [x.value if isinstance(x, Variable) else x for x in ([result] if single else tree.flatten(result))]
    except Exception as error:
        raise _explained(error, name) from error.__cause__
    finally:
        trace.stop()
    graph = trace.finish([x for x in leaves if type(x) is Tensor])
    return trace, graph, _RESULT if single else result, [_RESULT if type(x) is Tensor else x for x in leaves]


def _explained(error: Exception, name: str) -> Exception:
    """The error that a reading of a value met, with the line of the user's code that asked for it."""
    text = str(error)
    if not isinstance(error, (RuntimeError, ValueError, TypeError)) or "has no value" not in text:
        return error
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_NOT_THE_USERS)]
    line = frames[-1].line or "" if frames else ""
    where = f' File "{frames[-1].filename}", line {frames[-1].lineno}: {line}' if frames else ""
    return type(error)(
        f"{name} cannot be compiled: {text}.{where}\nA compiled function runs its Python once, without values. Use "
        f"{_instead_of(line)}, or run it eagerly: compile(run_eagerly=True) for a model."
    ).with_traceback(error.__traceback__)


def _instead_of(line: str) -> str:
    """The ops for what a line of Python does with a value."""
    words = line.split()
    first = words[0] if words else ""
    if first == "while":
        return "addax.ops.while_loop for a loop that depends on a value"
    if first == "for" or " for " in line:
        return "addax.ops.fori_loop, scan or map for a loop over values"
    if first in ("if", "elif", "assert") or " if " in line:
        return "addax.ops.cond or where for a choice that depends on a value"
    if "[" in line:
        return "addax.ops.switch to choose a function, take to choose elements, or where to leave elements out"
    return "addax.ops.cond, switch, where, while_loop, fori_loop, scan or map for what depends on a value"


_NOT_THE_USERS = (__file__.rsplit("/", 1)[0], np.__file__.rsplit("/", 1)[0])
