"""The regularizers. Looking them up by name is in the package."""

from __future__ import annotations

import math

from addax import ops


class Regularizer:
    """Base of penalties: a function of a tensor that returns a scalar.

    Subclasses write `__call__` and, to be saved, `get_config`.

    Example:

    >>> class Largest(addax.regularizers.Regularizer):
    ...     def __call__(self, x):
    ...         return addax.ops.max(x)
    >>> float(Largest()(addax.ops.convert_to_tensor([1.0, 3.0])))
    3.0
    """

    def __call__(self, x):
        """Returns the penalty of a tensor."""
        return 0.0

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: dict) -> Regularizer:
        """Makes a regularizer of what `get_config` returned."""
        return cls(**config)


class L1L2(Regularizer):
    """Penalty `l1 * sum(abs(x)) + l2 * sum(square(x))`.

    Args:
        l1: Factor of the absolute values.
        l2: Factor of the squares.

    Raises:
        ValueError: If a factor is not a finite number of at least 0.

    Example:

    >>> penalty = addax.regularizers.L1L2(l1=0.5, l2=0.25)
    >>> float(penalty(addax.ops.convert_to_tensor([-2.0, 4.0])))
    8.0
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0):
        self.l1 = _checked("l1", 0.0 if l1 is None else l1)
        self.l2 = _checked("l2", 0.0 if l2 is None else l2)

    def __call__(self, x):
        penalty = ops.zeros((), x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            penalty = penalty + self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self) -> dict:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """Penalty `l1 * sum(abs(x))`, which drives weights to exactly zero.

    Args:
        l1: The factor.

    Raises:
        ValueError: If the factor is not a finite number of at least 0.

    Example:

    >>> float(addax.regularizers.L1(0.5)(addax.ops.convert_to_tensor([-2.0, 4.0])))
    3.0
    """

    def __init__(self, l1: float | None = 0.01):
        self.l1 = _checked("l1", 0.01 if l1 is None else l1)

    def __call__(self, x):
        return self.l1 * ops.sum(ops.absolute(x))

    def get_config(self) -> dict:
        return {"l1": self.l1}


class L2(Regularizer):
    """Penalty `l2 * sum(square(x))`, which keeps weights small.

    Args:
        l2: The factor.

    Raises:
        ValueError: If the factor is not a finite number of at least 0.

    Example:

    >>> float(addax.regularizers.L2(0.5)(addax.ops.convert_to_tensor([-2.0, 4.0])))
    10.0
    """

    def __init__(self, l2: float | None = 0.01):
        self.l2 = _checked("l2", 0.01 if l2 is None else l2)

    def __call__(self, x):
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Penalty on the rows or columns of a matrix for pointing in the same direction.

    It is `factor` times the mean absolute cosine between two different rows (or columns).

    Args:
        factor: The factor.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: If the factor is not a finite number of at least 0, `mode` is neither, or the tensor is no matrix.

    Example:

    >>> penalty = addax.regularizers.OrthogonalRegularizer(factor=1.0)
    >>> float(penalty(addax.ops.convert_to_tensor([[1.0, 0.0], [3.0, 4.0]])))
    0.6000000238418579
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = _checked("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.mode = mode

    def __call__(self, x):
        x = ops.convert_to_tensor(x)
        if len(x.shape) != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={x.shape}")
        if self.mode == "columns":
            x = ops.transpose(x)
        x = ops.normalize(x, axis=1)
        cosines = ops.matmul(x, ops.transpose(x))
        n = x.shape[0]
        others = ops.sum(ops.absolute(cosines) * (1.0 - ops.eye(n, dtype=x.dtype)))
        return self.factor * others / max(n * (n - 1), 1)

    def get_config(self) -> dict:
        return {"factor": self.factor, "mode": self.mode}


def _checked(name: str, value) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}")
    return float(value)
