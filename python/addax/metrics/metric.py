"""The base class of metrics. The metrics themselves are beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from addax import config, dtype_policies, engine, initializers, ops
from addax.utils import naming
from addax.variables import Variable, name_scope


class Metric:
    """A number about predictions that is gathered over batches.

    Subclasses make variables with `add_variable` in their constructor, write `update_state`, which adds a batch, and
    `result`, which computes the number. A metric may hold other metrics as attributes.

    Args:
        dtype: Dtype or dtype policy of the variables, `None` for `floatx()`.
        name: A name, made up of the class's if not given; `fit` logs the metric under it.

    Example:

    >>> class Count(addax.metrics.Metric):
    ...     def __init__(self, name="count", **kwargs):
    ...         super().__init__(name=name, **kwargs)
    ...         self.total = self.add_variable((), "zeros", name="total")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.total.assign_add(len(y_true))
    ...     def result(self):
    ...         return self.total.value
    >>> count = Count()
    >>> count.update_state([1, 2], [1, 3])
    >>> float(count.result())
    2.0
    """

    #: "up" if larger is better, "down" if smaller is; what callbacks with mode="auto" ask for.
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or naming.auto_name(type(self).__name__)
        # Not the global policy: under "mixed_float16" sums of many batches must not be float16.
        self._dtype_policy = dtype_policies.get(config.floatx() if dtype is None else dtype)
        self._dtype = self._dtype_policy.compute_dtype
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The dtype of the variables."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The variables of this metric and of those it holds."""
        found = {id(v): v for v in self._variables}
        for value in list(vars(self).values()):
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(item, Variable):
                    found.setdefault(id(item), item)
                elif isinstance(item, Metric):
                    found.update((id(v), v) for v in item.variables)
        return list(found.values())

    def add_variable(
        self, shape: tuple, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """Makes a variable of the metric.

        Args:
            shape: Its shape.
            initializer: An initializer or its name.
            dtype: Its dtype, `None` for the metric's.
            aggregation: How replicas would combine; kept for compatibility.
            name: Its name.
        """
        # Metrics of nested outputs have slashes in their names.
        with name_scope(self.name.replace("/", "_")):
            variable = Variable(initializers.get(initializer), shape, dtype or self._dtype, trainable=False, name=name)
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: tuple = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Makes a variable of the metric; the older name of `add_variable`.

        Args:
            shape: Its shape.
            initializer: An initializer or its name, `None` for zeros.
            dtype: Its dtype, `None` for the metric's.
            name: Its name.
        """
        return self.add_variable(shape, "zeros" if initializer is None else initializer, dtype, name=name)

    def reset_state(self) -> None:
        """Sets all variables to zero. `fit` does it at the start of each epoch."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch; written by subclasses, often as `update_state(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} must implement `update_state`")

    def result(self) -> Any:
        """Returns the metric of all that was added: a 0-d tensor, or a dict of them; written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must implement `result`")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch and returns the result so far.

        Args:
            *args: Those of `update_state`.
            **kwargs: Those of `update_state`.
        """
        self.update_state(*args, **kwargs)
        return self.result()

    def stateless_update_state(self, metric_variables: list, *args: Any, **kwargs: Any) -> list[engine.Tensor]:
        """Returns what the variables would become by `update_state`, and leaves them as they are.

        Args:
            metric_variables: Values to start from, in the order of `variables`.
            *args: Those of `update_state`.
            **kwargs: Those of `update_state`.
        """
        with self._borrowed(metric_variables):
            self.update_state(*args, **kwargs)
            return [v.value for v in self.variables]

    def stateless_result(self, metric_variables: list) -> Any:
        """Returns what `result` would be if the variables had the given values.

        Args:
            metric_variables: Values in the order of `variables`.
        """
        with self._borrowed(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list[engine.Tensor]:
        """Returns what the variables would become by `reset_state`."""
        with self._borrowed([v.value for v in self.variables]):
            self.reset_state()
            return [v.value for v in self.variables]

    @contextmanager
    def _borrowed(self, values: list) -> Iterator[None]:
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"Metric {self.name!r} has {len(variables)} variables. Received {len(values)} values: {values}"
            )
        before = [v.value for v in variables]
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, from which `from_config` makes an equal metric."""
        return {"name": self.name, "dtype": self._dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Makes a metric of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
        """
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
