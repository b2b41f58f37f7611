"""The constraints. Looking them up by name is in the package."""

from __future__ import annotations

from addax import config, ops


class Constraint:
    """Base of projections: a function from a weight's new value to the value that is kept.

    Subclasses write `__call__` and, to be saved, `get_config`.

    Example:

    >>> class AtMostOne(addax.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return addax.ops.minimum(w, 1.0)
    >>> AtMostOne()(addax.ops.convert_to_tensor([0.5, 3.0])).tolist()
    [0.5, 1.0]
    """

    def __call__(self, w):
        """Returns the value to keep."""
        return ops.convert_to_tensor(w)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Constraint:
        """Makes a constraint of what `get_config` returned."""
        return cls(**config)


class MaxNorm(Constraint):
    """Shrinks weight vectors that are longer than `max_value` to that length.

    Args:
        max_value: The greatest Euclidean length.
        axis: Axis or axes along which one vector lies: 0 for a `Dense` kernel `(inputs, units)`, `[0, 1, 2]` for a
            `Conv2D` kernel `(rows, columns, inputs, filters)`.

    Example:

    >>> w = addax.ops.convert_to_tensor([[3.0, 0.3], [4.0, 0.4]])
    >>> addax.ops.round(addax.constraints.MaxNorm(1.0)(w), 4).tolist()
    [[0.6000000238418579, 0.30000001192092896], [0.800000011920929, 0.4000000059604645]]
    """

    def __init__(self, max_value: float = 2, axis: int | list[int] = 0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w):
        return _with_length(w, self.axis, lambda length: ops.minimum(length, self.max_value))

    def get_config(self) -> dict:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Replaces negative weights by zero.

    Example:

    >>> addax.constraints.NonNeg()(addax.ops.convert_to_tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w):
        return ops.relu(w)


class UnitNorm(Constraint):
    """Scales weight vectors to length 1.

    Args:
        axis: Axis or axes along which one vector lies; see `MaxNorm`.

    Example:

    >>> w = addax.ops.convert_to_tensor([[3.0], [4.0]])
    >>> addax.ops.round(addax.constraints.UnitNorm()(w), 4).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(self, axis: int | list[int] = 0):
        self.axis = axis

    def __call__(self, w):
        return _with_length(w, self.axis, ops.ones_like)

    def get_config(self) -> dict:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Scales weight vectors towards a length between `min_value` and `max_value`.

    Args:
        min_value: The least Euclidean length.
        max_value: The greatest Euclidean length.
        rate: How far to go at each update, from 0 (not at all) to 1 (all the way).
        axis: Axis or axes along which one vector lies; see `MaxNorm`.

    Example:

    >>> w = addax.ops.convert_to_tensor([[3.0], [4.0]])
    >>> addax.ops.round(addax.constraints.MinMaxNorm(max_value=1.0, rate=0.5)(w), 4).tolist()
    [[1.7999999523162842], [2.4000000953674316]]
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | list[int] = 0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w):
        def wanted(length):
            return self.rate * ops.clip(length, self.min_value, self.max_value) + (1 - self.rate) * length

        return _with_length(w, self.axis, wanted)

    def get_config(self) -> dict:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


def _with_length(w, axis, wanted):
    """Scales vectors along `axis` to the length that `wanted` makes of their own; zero vectors stay zero."""
    w = ops.convert_to_tensor(w)
    length = ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))
    return w * (wanted(length) / (config.epsilon() + length))
