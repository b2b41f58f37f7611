"""KerasTensor: a shape and a dtype without a value, from which graphs of operations are built."""

from __future__ import annotations

from typing import Any

from addax.dtypes import standardize_dtype
from addax.utils.naming import auto_name

_NO_VALUE = (
    "A KerasTensor is symbolic: it has a shape and a dtype and no value, so it cannot be converted to {}. "
    "Write the computation with addax.ops, or call the model on real data."
)


class KerasTensor:
    """A symbolic tensor: a shape and a dtype without a value.

    Ops, layers and operators take it and return others, which remember what made them.

    Args:
        shape: Tuple of ints; `None` is a dim that is not known.
        dtype: Dtype of the tensor, `None` for `floatx()`.
        sparse: Not supported; must be `False`.
        ragged: Not supported; must be `False`.
        record_history: Whether the tensor remembers the operation that made it.
        name: A name, made up if not given.

    Raises:
        ValueError: If the shape or dtype is not one.

    Example:

    >>> x = addax.KerasTensor((None, 3))
    >>> (x + 1)[:, 0].shape
    (None,)
    """

    # NumPy leaves operators with a KerasTensor on the right to the KerasTensor.
    __array_ufunc__ = None

    def __init__(
        self,
        shape,
        dtype: str | None = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ):
        if sparse or ragged:
            raise ValueError(f"KerasTensor: only dense tensors are supported. Received: {sparse=}, {ragged=}")
        self._shape = standardize_shape(shape)
        self._dtype = standardize_dtype(dtype)
        self.record_history = record_history
        self.name = name or auto_name("keras_tensor")

    @property
    def shape(self) -> tuple:
        """Tuple of ints and `None`."""
        return self._shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self._shape)

    @property
    def sparse(self) -> bool:
        """Always `False`."""
        return False

    @property
    def ragged(self) -> bool:
        """Always `False`."""
        return False

    def reshape(self, newshape) -> KerasTensor:
        """The same as `addax.ops.reshape`."""
        return _op("reshape")(self, newshape)

    def squeeze(self, axis=None) -> KerasTensor:
        """The same as `addax.ops.squeeze`."""
        return _op("squeeze")(self, axis)

    def __getitem__(self, key) -> KerasTensor:
        return _op("get_item")(self, key)

    def __round__(self, ndigits=None) -> KerasTensor:
        return _op("round")(self, decimals=ndigits or 0)

    def __array__(self, *args, **kwargs):
        raise ValueError(_NO_VALUE.format("a NumPy array"))

    def __int__(self):
        raise ValueError(_NO_VALUE.format("an int"))

    def __float__(self):
        raise ValueError(_NO_VALUE.format("a float"))

    def __bool__(self):
        raise TypeError(
            "A symbolic KerasTensor cannot be used as a boolean: its value is not known yet. "
            "Use addax.ops.where or addax.ops.cond in place of `if`."
        )

    def __iter__(self):
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported; use addax.ops.unstack.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse=False, ragged=False, name={self.name}>"


def _op(name: str):
    from addax import ops

    return getattr(ops, name)


def _unary(name: str):
    return lambda self: _op(name)(self)


def _binary(name: str):
    return lambda self, other: _op(name)(self, other)


def _reflected(name: str):
    return lambda self, other: _op(name)(other, self)


for _method, _name in {"neg": "negative", "abs": "absolute", "invert": "logical_not"}.items():
    setattr(KerasTensor, f"__{_method}__", _unary(_name))
for _method, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(KerasTensor, f"__{_method}__", _binary(_name))
    setattr(KerasTensor, f"__r{_method}__", _reflected(_name))
for _method, _name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}.items():
    setattr(KerasTensor, f"__{_method}__", _binary(_name))


def standardize_shape(shape: Any) -> tuple:
    """A tuple of ints and `None`. Raises ValueError if the object is no shape."""
    try:
        dims = tuple(shape)
    except TypeError:
        raise ValueError(f"Expected a shape, a tuple of ints and None. Received: {shape!r}") from None
    result = []
    for dim in dims:
        if dim is not None:
            if isinstance(dim, bool) or not hasattr(dim, "__index__"):
                raise ValueError(f"Invalid dim {dim!r} in shape {shape!r}: expected an int or None")
            dim = int(dim.__index__())
            if dim < 0:
                raise ValueError(f"Invalid dim {dim} in shape {shape!r}: dims must not be negative")
        result.append(dim)
    return tuple(result)


def any_symbolic_tensors(args: tuple = (), kwargs: dict | None = None) -> bool:
    """True if there is a KerasTensor anywhere in the arguments."""
    from addax import tree

    return any(isinstance(x, KerasTensor) for x in tree.flatten((args, kwargs or {})))


def is_keras_tensor(x: Any) -> bool:
    """Returns whether `x` is a symbolic tensor.

    Args:
        x: Any object.

    Example:

    >>> addax.utils.is_keras_tensor(addax.KerasTensor((2,)))
    True
    """
    return isinstance(x, KerasTensor)
