"""Variable: a named value that training replaces; the scopes that name, cast and stand in for variables.

The value itself, its memory and what tapes see of it are the engine's (`engine.Variable`).
"""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from addax import engine
from addax.dtypes import FLOAT_DTYPES, standardize_dtype
from addax.ops import symbolic
from addax.ops.convert import as_tensor
from addax.ops.keras_tensor import standardize_shape
from addax.utils import budget
from addax.utils.naming import auto_name

_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = (None, "none", "on_read", "on_write", "auto")


class _Scopes(threading.local):
    """Hot code takes the `__dict__`, which looks for the thread once."""

    def __init__(self):
        self.names: tuple[str, ...] = ()
        self.autocast: str | None = None
        self.stateless: StatelessScope | None = None
        self.abstract = False
        self.remat: Any = None  # the innermost RematScope
        self.distribution: Any = None  # the one in use, see addax.distribution


scopes = _Scopes()  # the innermost scopes of this thread
_living: weakref.WeakValueDictionary[int, Variable] = weakref.WeakValueDictionary()


def variable_of(box_id: int) -> Variable | None:
    """The variable around the engine's box of that id, if it still lives: what a tape has watched."""
    return _living.get(box_id)


class name_scope:
    """Puts a name before the paths of the variables created in a `with` block.

    Args:
        name: A name without `/`.

    Raises:
        ValueError: If the name is not such a string.

    Example:

    >>> with addax.name_scope("encoder"):
    ...     v = addax.Variable(0.0, name="scale")
    >>> v.path
    'encoder/scale'
    """

    def __init__(self, name: str, **kwargs):
        self.name = _checked_name(name)

    def __enter__(self) -> name_scope:
        self._outer = scopes.names
        scopes.names = (*self._outer, self.name)
        return self

    def __exit__(self, *exc_info) -> None:
        scopes.names = self._outer


class layer_scope:
    """The name scope of a layer, unless that is the innermost one already."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None:
        self._outer = scopes.names
        if self._outer[-1:] != (self.name,):
            scopes.names = (*self._outer, self.name)

    def __exit__(self, *exc_info) -> None:
        scopes.names = self._outer


class AutocastScope:
    """Makes float variables read as another dtype in a `with` block, unless they were created with `autocast=False`.

    Args:
        dtype: A float dtype, or `None` for no cast.

    Example:

    >>> from addax.variables import AutocastScope
    >>> v = addax.Variable([1.0, 2.0])
    >>> with AutocastScope("bfloat16"):
    ...     v.value.dtype
    'bfloat16'
    """

    def __init__(self, dtype: str | None):
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        if self.dtype is not None and self.dtype not in FLOAT_DTYPES:
            raise ValueError(f"AutocastScope: expected a float dtype. Received: dtype={dtype!r}")

    def __enter__(self) -> AutocastScope:
        self._outer = scopes.autocast
        scopes.autocast = self.dtype
        return self

    def __exit__(self, *exc_info) -> None:
        scopes.autocast = self._outer


class StatelessScope:
    """Makes variables read as given values in a `with` block, and keeps assignments to itself.

    Args:
        state_mapping: Pairs `(variable, value)`.
        collect_losses: Kept for compatibility.
        initialize_variables: Kept for compatibility.

    Example:

    >>> v = addax.Variable(1.0)
    >>> with addax.StatelessScope([(v, 5.0)]) as scope:
    ...     _ = v.assign_add(1.0)
    >>> float(scope.get_current_value(v)), float(v)
    (6.0, 1.0)
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ):
        self._values: dict[Variable, engine.Tensor] = {}
        for variable, value in state_mapping or ():
            self.add_update((variable, as_tensor(value, variable._dtype)))

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Takes `(variable, value)` as an assignment."""
        variable, value = update
        if value.shape != variable._shape:
            raise ValueError(
                f"StatelessScope: expected a value of shape {variable._shape} for variable '{variable.path}'. "
                f"Received: value.shape={value.shape}"
            )
        self._values[variable] = value

    def get_current_value(self, variable: Variable) -> engine.Tensor | None:
        """Returns the value of a variable in this scope; `None` if it has none of its own."""
        return self._values.get(variable)

    def __enter__(self) -> StatelessScope:
        self._outer = scopes.stateless
        scopes.stateless = self
        return self

    def __exit__(self, *exc_info) -> None:
        scopes.stateless = self._outer


@contextmanager
def abstract_variables() -> Iterator[None]:
    """Variables created within have a shape and a dtype and no value; nothing is drawn from random generators."""
    outer, scopes.abstract = scopes.abstract, True
    try:
        yield
    finally:
        scopes.abstract = outer


class Variable:
    """A value with a name that can be replaced, such as a layer's weight.

    Use it in place of a tensor in any op or expression. Tensors read from it earlier keep the value they were read
    with.

    Args:
        initializer: The first value (array, tensor, number or nested list), or a function `(shape, dtype) -> tensor`,
            or the name of an initializer.
        shape: Shape to call the initializer with; not needed with a value.
        dtype: Dtype; that of the value, or `floatx()` with an initializer, if not given.
        trainable: Whether tapes watch it by themselves and optimizers update it.
        autocast: Whether layers that compute in lower precision read it in that precision.
        aggregation: How replicas would combine updates; kept for configs.
        synchronization: Kept for compatibility.
        name: A name without `/`, made up if not given.
        layout: A `TensorLayout` that says how the value lies over devices; if not given, the distribution in use does.

    Raises:
        ValueError: If an argument is out of its domain, or an initializer comes without a full shape.

    Example:

    >>> v = addax.Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).tolist()
    [2.0, 3.0]
    >>> (v * 2).tolist()
    [4.0, 6.0]
    """

    # NumPy leaves operators with a Variable on the right to the Variable.
    __array_priority__ = 1000

    def __init__(
        self,
        initializer: Any,
        shape: tuple | None = None,
        dtype: str | None = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        layout: Any = None,
    ):
        self._name = auto_name("variable") if name is None else _checked_name(name)
        self._path = "/".join((*scopes.names, self._name))
        if aggregation not in _AGGREGATIONS:
            raise ValueError(
                "Invalid value for argument `aggregation`. Expected one of `None`, `'none'`, `'mean'`, `'sum'`, "
                f"`'only_first_replica'`. Received: aggregation={aggregation}"
            )
        if synchronization not in _SYNCHRONIZATIONS:
            raise ValueError(
                "Invalid value for argument `synchronization`. Expected one of `None`, `'none'`, `'on_read'`, "
                f"`'on_write'`, `'auto'`. Received: synchronization={synchronization}"
            )
        value = self._first_value(initializer, shape, dtype)
        self._shape = value.shape
        self._dtype = value.dtype
        self._autocast = bool(autocast) and value.dtype in FLOAT_DTYPES
        self._aggregation = aggregation or "none"
        self._synchronization = synchronization or "none"
        self._regularizer = None
        self._constraint = None
        self._overwrite_with_gradient = False
        self._layout = layout
        if layout is None and scopes.distribution is not None:
            self._layout = scopes.distribution.get_variable_layout(self)
        self._box = engine.Variable(self._laid_out(value), bool(trainable))
        self._serial = self._box.id  # a layer's weights stand in the order of creation, those made trainable first
        self._created_trainable = bool(trainable)
        _living[self._box.id] = self

    def _first_value(self, initializer: Any, shape: Any, dtype: str | None) -> engine.Tensor:
        if isinstance(initializer, str):
            from addax import initializers

            initializer = initializers.get(initializer)
        if not callable(initializer):
            return as_tensor(initializer, None if dtype is None else standardize_dtype(dtype))
        if shape is None:
            raise ValueError(
                "When creating a Variable from an initializer, the `shape` argument should be specified. "
                f"Received: initializer={initializer} and shape={shape}"
            )
        shape = standardize_shape(shape)
        if None in shape:
            raise ValueError(
                "Shapes used to initialize variables must be fully-defined (no `None` dimensions). "
                f"Received: shape={shape} for variable path='{self._path}'"
            )
        dtype = standardize_dtype(dtype)
        if scopes.abstract:
            return engine.placeholder(shape, dtype)
        budget.charge(shape, self._path)
        # A layer built by a symbolic call has real weights. They are made on the host: the same bits for any engine.
        with symbolic.suspended(), engine.on_host():
            value = as_tensor(initializer(shape, dtype=dtype), dtype)
        if value.shape != shape:
            raise ValueError(
                f"Variable {self._path!r}: the initializer {initializer} was asked for shape {shape} and returned "
                f"shape {value.shape}"
            )
        return value

    def _laid_out(self, value: engine.Tensor) -> engine.Tensor:
        if self._layout is None or value.is_placeholder:
            return value
        from addax.distribution.placement import lay_out

        return lay_out(value, self._layout, f"Variable {self._path!r}")

    @property
    def value(self) -> engine.Tensor:
        """The value now, as a tensor; in the dtype of the layer that reads it, if that computes in another one."""
        here = scopes.__dict__
        value = self._box.read() if here["stateless"] is None else self._raw_value()
        dtype = here["autocast"]
        if dtype is not None and self._autocast and dtype != self._dtype:
            return engine.apply("cast", value, dtype=dtype)
        return value

    def _raw_value(self) -> engine.Tensor:
        """The value now, in the variable's own dtype, whatever scope is active."""
        scope = scopes.stateless
        value = None if scope is None else scope.get_current_value(self)
        return self._box.read() if value is None else value

    def assign(self, value: Any) -> engine.Tensor:
        """Replaces the value.

        Args:
            value: Anything convertible to a tensor of the variable's shape; it is cast to its dtype.

        Returns:
            The new value.

        Raises:
            ValueError: If the shapes differ.
        """
        tensor = as_tensor(value, self._dtype)
        if tensor.shape != self._shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must "
                f"match. variable.shape={self._shape}, Received: value.shape={tensor.shape}. Target variable: "
                f"'{self._path}'"
            )
        if scopes.stateless is not None:
            scopes.stateless.add_update((self, tensor))
        elif not symbolic.is_active():  # running on placeholders to learn a shape changes no state
            self._box.assign(tensor)
        return tensor

    def assign_add(self, value: Any) -> engine.Tensor:
        """Adds to the value; as `assign`."""
        return self.assign(self._raw_value() + as_tensor(value))

    def assign_sub(self, value: Any) -> engine.Tensor:
        """Subtracts from the value; as `assign`."""
        return self.assign(self._raw_value() - as_tensor(value))

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array that cannot be written."""
        return self.value.numpy()

    @property
    def name(self) -> str:
        """The variable's own name."""
        return self._name

    @property
    def path(self) -> str:
        """The name behind those of the layers it was created in: `"sequential/dense/kernel"`."""
        return self._path

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which never changes."""
        return self._shape

    @property
    def dtype(self) -> str:
        """The dtype of the stored value; inside an autocast scope, that of what is read."""
        dtype = scopes.autocast
        return dtype if dtype is not None and self._autocast else self._dtype

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self._shape)

    @property
    def trainable(self) -> bool:
        """Whether tapes watch the variable by themselves and optimizers update it."""
        return self._box.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._box.trainable = bool(value)

    @property
    def aggregation(self) -> str:
        """How replicas would combine updates."""
        return self._aggregation

    @property
    def synchronization(self) -> str:
        """How replicas would keep in step."""
        return self._synchronization

    @property
    def regularizer(self):
        """Function of the variable that the layer adds to its losses, or `None`."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value) -> None:
        self._regularizer = _checked_callable(value, "regularizer", "keras.regularizers.Regularizer")

    @property
    def constraint(self):
        """Function from the value after an update to the value kept, or `None`."""
        return self._constraint

    @constraint.setter
    def constraint(self, value) -> None:
        self._constraint = _checked_callable(value, "constraint", "keras.constraints.Constraint")

    @property
    def overwrite_with_gradient(self) -> bool:
        """Whether an optimizer stores the gradient itself in the variable instead of stepping along it."""
        return self._overwrite_with_gradient

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"`overwrite_with_gradient` must be a boolean. Received: {value}")
        self._overwrite_with_gradient = value

    def __repr__(self) -> str:
        value = self._box.peek()
        text = "placeholder" if value.is_placeholder else np.array2string(value.numpy(), separator=" ")
        return f"<Variable path={self._path}, shape={self._shape}, dtype={self._dtype}, value={text}>"

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.value.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"Variable {self._path!r} of dtype {self._dtype} cannot be seen as {dtype} without a copy"
                )
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        raise TypeError("A Keras Variable cannot be used as a boolean.")

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def _scalar(self) -> engine.Tensor:
        if self._shape != ():
            raise TypeError(f"Only scalar arrays can be converted to Python scalars. Got: shape={self._shape}")
        return self.value

    def __getitem__(self, index):
        return self.value[index]

    def __neg__(self):
        return -self.value

    def __pos__(self):
        return self.value

    def __abs__(self):
        return abs(self.value)

    def __invert__(self):
        return ~self.value

    def __round__(self, ndigits=None):
        from addax import ops

        return ops.round(self.value, decimals=ndigits or 0)

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        del state["_box"]
        return {**state, "value": np.array(self._box.peek().numpy()), "trainable": self.trainable}

    def __setstate__(self, state: dict) -> None:
        value, trainable = state.pop("value"), state.pop("trainable")
        self.__dict__.update(state)
        self._box = engine.Variable(self._laid_out(as_tensor(value)), trainable)
        _living[self._box.id] = self

    # `==` compares elements, so the hash is the object's own: variables can be keys and members of sets.
    __hash__ = object.__hash__


def _read(x: Any) -> Any:
    return x.value if isinstance(x, Variable) else x


def _add_operator(name: str, reflected: bool) -> None:
    compute = getattr(operator, f"__{name}__")
    setattr(Variable, f"__{name}__", lambda self, other: compute(self.value, _read(other)))
    if reflected:
        setattr(Variable, f"__r{name}__", lambda self, other: compute(_read(other), self.value))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    _add_operator(_name, reflected=True)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _add_operator(_name, reflected=False)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or "/" in name:
        raise ValueError(f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}")
    return name


def _checked_callable(value: Any, what: str, example: str) -> Any:
    if value is not None and not callable(value):
        raise ValueError(
            f"Invalid value for attribute `{what}`. Expected a callable (such as a `{example}` instance) or `None`. "
            f"Received: {what}={value}"
        )
    return value
