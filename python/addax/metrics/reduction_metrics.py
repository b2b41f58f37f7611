"""Sum and mean of values over batches, and the mean of any function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax import engine, ops
from addax.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from addax.metrics.metric import Metric


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce_fn: Callable, dtype: str
) -> tuple[engine.Tensor, engine.Tensor | None]:
    """One weighted value for each sample, and the weights.

    Args:
        values: A tensor of shape `(batch, ...)`, or a scalar.
        sample_weight: `None` or weights of shape `(batch, ...)` up to the rank of the values.
        reduce_fn: `ops.mean` or `ops.sum`, for the axes within a sample.
        dtype: The dtype to compute in.
    """
    mask = getattr(values, "_keras_mask", None)
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=dtype)
        if mask is not None:
            sample_weight = apply_mask(sample_weight, mask, dtype, reduction="sum")
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        weight_rank, rank = len(sample_weight.shape), len(values.shape)
        if rank > weight_rank:
            values = reduce_fn(values, axis=tuple(range(weight_rank, rank)))
        values = values * sample_weight
        if weight_rank > 1:
            sample_weight = reduce_fn(sample_weight, axis=tuple(range(1, weight_rank)))
    rank = len(values.shape)
    if rank > 1:
        values = reduce_fn(values, axis=tuple(range(1, rank)))
    return values, sample_weight


class Sum(Metric):
    """The sum of all values.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> total = addax.metrics.Sum()
    >>> total.update_state([1.0, 2.0])
    >>> total.update_state([4.0], sample_weight=[0.5])
    >>> float(total.result())
    5.0
    """

    def __init__(self, name: str = "sum", dtype: Any = None):
        super().__init__(dtype=dtype, name=name)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values.

        Args:
            values: A tensor of shape `(batch, ...)`, or a scalar.
            sample_weight: Weights of the values.
        """
        values, _ = reduce_to_samplewise_values(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(ops.sum(values))

    def result(self) -> engine.Tensor:
        """Returns the sum."""
        return self.total.value


class Mean(Metric):
    """The mean of all values, weighted by `sample_weight`.

    Args:
        name: A name.
        dtype: As for `Metric`.

    Example:

    >>> mean = addax.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state([5.0], sample_weight=[2.0])
    >>> float(mean.result())
    3.5
    """

    def __init__(self, name: str = "mean", dtype: Any = None):
        super().__init__(dtype=dtype, name=name)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values.

        Args:
            values: A tensor of shape `(batch, ...)`, or a scalar. A sample of several values counts as one, their mean.
            sample_weight: Weights of the values.
        """
        values, weights = reduce_to_samplewise_values(values, sample_weight, ops.mean, self.dtype)
        if weights is not None:
            count = ops.sum(weights) if weights.shape else weights
        else:
            count = values.shape[0] if values.shape else 1
        self.total.assign_add(ops.sum(values) if values.shape else values)
        self.count.assign_add(count)

    def result(self) -> engine.Tensor:
        """Returns the mean; 0 if nothing was added."""
        return ops.divide_no_nan(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)`, which returns the values per sample.
        name: A name.
        dtype: As for `Metric`.
        **kwargs: Further arguments of `fn`.

    Example:

    >>> metric = addax.metrics.MeanMetricWrapper(lambda y_true, y_pred: addax.ops.abs(y_true - y_pred), name="distance")
    >>> metric.update_state(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> float(metric.result())
    1.0
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights of the samples.
        """
        mask = getattr(y_pred, "_keras_mask", None)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            sample_weight = apply_mask(
                None if sample_weight is None else ops.convert_to_tensor(sample_weight, dtype=self.dtype),
                mask,
                self.dtype,
                reduction="sum",
            )
        super().update_state(values, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        from addax import saving

        config = super().get_config()
        if type(self) is MeanMetricWrapper:
            config["fn"] = saving.serialize_keras_object(self._fn)
        return {**config, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MeanMetricWrapper:
        """Makes a metric of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
        """
        from addax import saving

        if isinstance(config.get("fn"), dict):
            config = {**config, "fn": saving.deserialize_keras_object(config["fn"])}
        return cls(**config)
