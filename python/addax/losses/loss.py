"""The base class of losses, and how values per sample become one number. The losses themselves are beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax import config, dtype_policies, engine, ops, tree
from addax.utils import naming

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss:
    """What training makes small: a number computed of targets and predictions.

    Subclasses write `call`, which returns one value for each sample (or each step, pixel, ... of it); the base class
    weighs these values, leaves out masked ones and reduces them to one number.

    Args:
        name: A name, made up of the class's if not given.
        reduction: `"sum_over_batch_size"` or `"mean"`: the sum divided by the number of values;
            `"mean_with_sample_weight"`: divided by the sum of the weights; `"sum"`; `"none"` or `None`: no reduction.
        dtype: Dtype or dtype policy of the computation, `None` for `floatx()`.

    Raises:
        ValueError: If `reduction` is none of these.

    Example:

    >>> class MeanCubedError(addax.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return addax.ops.mean(addax.ops.abs(y_pred - y_true) ** 3, axis=-1)
    >>> float(MeanCubedError()(np.zeros((2, 2)), np.array([[2.0, 0.0], [0.0, 0.0]])))
    2.0
    """

    # Losses over class numbers keep them as integers; a float would round large ones.
    _keeps_integer_targets = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. Received: reduction={reduction}"
            )
        self.name = name or naming.auto_name(type(self).__name__)
        self.reduction = reduction
        # Not the global policy: under "mixed_float16" losses are still computed in float32.
        self._dtype = compute_dtype(dtype)

    @property
    def dtype(self) -> str:
        """The dtype of the computation and of the result."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> engine.Tensor:
        """Returns the loss.

        Args:
            y_true: Targets, a tensor or nested structure of them; the first dim is the batch.
            y_pred: Predictions in the same structure.
            sample_weight: Weights that broadcast to the values that `call` returns, such as one for each sample.

        Returns:
            A 0-d tensor, or the weighted values if `reduction` is `None`.

        Raises:
            ValueError: If shapes do not go together.
        """
        mask = getattr(y_pred, "_keras_mask", None)
        y_true = _map(self._convert_target, y_true)
        y_pred = _map(lambda x: ops.convert_to_tensor(x, dtype=self._dtype), y_pred)
        values = self.call(y_true, y_pred)
        counted = getattr(values, "_keras_mask", None)
        if counted is not None:
            mask = counted if mask is None else ops.logical_and(ops.cast(mask, "bool"), counted)
        return reduce_weighted_values(values, self.reduction, sample_weight, mask, self._dtype, self.name)

    def call(self, y_true: Any, y_pred: Any) -> engine.Tensor:
        """Returns the values per sample; written by subclasses.

        Args:
            y_true: Targets, converted to tensors.
            y_pred: Predictions.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `call(y_true, y_pred)`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, from which `from_config` makes an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
        """
        return cls(**config)

    def _convert_target(self, x: Any) -> engine.Tensor:
        if self._keeps_integer_targets:
            x = ops.convert_to_tensor(x)
            if not x.dtype.startswith(("float", "bfloat")):
                return x
        return ops.convert_to_tensor(x, dtype=self._dtype)


class LossFunctionWrapper(Loss):
    """A loss made of a function of targets and predictions.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)`, which returns the values per sample.
        reduction: As for `Loss`.
        name: A name.
        dtype: As for `Loss`.
        **kwargs: Further arguments of `fn`.
    """

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> engine.Tensor:
        """Returns what the function returns."""
        if tree.is_nested(y_pred):
            pairs = zip(tree.flatten(y_true), tree.flatten(y_pred), strict=True)
            matched = [squeeze_or_expand_to_same_rank(true, pred) for true, pred in pairs]
            y_true = tree.pack_sequence_as(y_true, [true for true, _ in matched])
            y_pred = tree.pack_sequence_as(y_pred, [pred for _, pred in matched])
        else:
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        from addax import saving

        config = super().get_config()
        if type(self) is LossFunctionWrapper:
            config["fn"] = saving.serialize_keras_object(self.fn)
        return {**config, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossFunctionWrapper:
        """Makes a loss of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
        """
        from addax import saving

        if isinstance(config.get("fn"), dict):
            config = {**config, "fn": saving.deserialize_keras_object(config["fn"])}
        return cls(**config)

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


def _map(fn: Callable, structure: Any) -> Any:
    """Applies the function to each array of a structure. Nested lists of Python numbers are an array."""
    if isinstance(structure, engine.Tensor) or not tree.is_nested(structure):
        return fn(structure)
    if not isinstance(structure, dict) and all(isinstance(leaf, (int, float)) for leaf in tree.flatten(structure)):
        return fn(structure)
    return tree.map_structure(fn, structure)


def compute_dtype(dtype: Any) -> str:
    """The dtype to compute in for an argument that is a dtype, a policy, a policy's name, or `None` for `floatx()`."""

    return dtype_policies.get(config.floatx() if dtype is None else dtype).compute_dtype


def convert_pair(name: str, y_true: Any, y_pred: Any) -> tuple[engine.Tensor, engine.Tensor]:
    """Targets and predictions of a loss function as tensors of one float dtype and rank.

    Raises:
        ValueError: If the shapes do not broadcast.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if not y_pred.dtype.startswith(("float", "bfloat")):
        y_pred = ops.cast(y_pred, compute_dtype(None))
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        _check_broadcast(name, y_true.shape, y_pred.shape)
    return y_true, y_pred


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Drops or adds a last axis of size 1 where one of two tensors has it and the other not.

    Args:
        x1: A tensor.
        x2: Another.
        expand_rank_1: Whether a tensor of rank 1 beside `(n, 1)` gets the axis, rather than the other losing it.
    """
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2:
        return x1, x2
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            x2 = ops.expand_dims(x2, axis=-1)
        else:
            x1 = ops.squeeze(x1, axis=-1)
    elif rank2 == rank1 + 1 and x2.shape[-1] == 1:
        if rank1 == 1 and expand_rank_1:
            x1 = ops.expand_dims(x1, axis=-1)
        else:
            x2 = ops.squeeze(x2, axis=-1)
    return x1, x2


def reduce_weighted_values(
    values: Any, reduction: str | None, sample_weight: Any, mask: Any, dtype: str, name: str
) -> engine.Tensor:
    """One number of values per sample, their weights and their mask; see `Loss` for the reductions."""
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=dtype)
    if mask is not None:
        sample_weight = apply_mask(sample_weight, mask, dtype, reduction)
    if sample_weight is not None:
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        if values.shape != sample_weight.shape:
            _check_weights(name, sample_weight.shape, values.shape)
        values = values * sample_weight
    if reduction in (None, "none") or len(values.shape) == 0:
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.sum(sample_weight))
    # An empty batch has loss 0.
    return ops.mean(values) if 0 not in values.shape else ops.sum(values)


def apply_mask(sample_weight: Any, mask: Any, dtype: str, reduction: str | None) -> engine.Tensor:
    """Weights that are 0 where the mask is, and whose mean over a batch is not changed by the mask.

    Args:
        sample_weight: A tensor or `None`.
        mask: A boolean tensor, true for what counts.
        dtype: Dtype of the weights.
        reduction: For a mean over all values the weights grow by total / kept, for that is what the mean divides by.
    """
    mask = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total = 1
        for dim in mask.shape:
            total *= dim
        mask = mask * (total / (ops.sum(mask) + config.epsilon()))
    if sample_weight is None:
        return mask
    sample_weight, mask = squeeze_or_expand_to_same_rank(sample_weight, mask)
    return sample_weight * mask


def _broadcasts(a: tuple, b: tuple) -> bool:
    return all(x == y or x == 1 or y == 1 or x is None or y is None for x, y in zip(a[::-1], b[::-1], strict=False))


def _check_broadcast(name: str, true: tuple, pred: tuple) -> None:
    if _broadcasts(true, pred):
        return
    hint = ""
    if len(true) == len(pred) - 1 and true == pred[:-1]:
        hint = (
            f" If the targets are class numbers, use a sparse loss such as 'sparse_categorical_crossentropy', "
            f"or one-hot encode them: addax.utils.to_categorical(y, {pred[-1]})."
        )
    elif len(true) == len(pred) and true[:-1] == pred[:-1]:
        hint = f" The last layer of the model should have {true[-1]} units, one for each column of the targets."
    raise ValueError(
        f"{name}: y_true and y_pred must have the same shape. Received: y_true {true}, y_pred {pred}.{hint}"
    )


def _check_weights(name: str, weights: tuple, values: tuple) -> None:
    if not _broadcasts(weights, values) or len(weights) > len(values):
        raise ValueError(
            f"{name}: sample_weight must broadcast to the loss values of shape {values}, one for each sample or step. "
            f"Received: sample_weight of shape {weights}"
        )
