"""What `compile` makes of its arguments: CompileLoss sums losses over outputs, CompileMetrics keeps metrics by output.

Outputs are told apart by their paths in the structure that the model returns, and named by the keys in it or by the
model's `output_names`. The names are those that `fit` logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from addax import losses as losses_module
from addax import metrics as metrics_module
from addax import tree
from addax.engine import Tensor
from addax.losses.loss import Loss, LossFunctionWrapper
from addax.metrics.metric import Metric
from addax.metrics.reduction_metrics import Mean, MeanMetricWrapper
from addax.utils.naming import get_object_name


class CompileLoss(Loss):
    """The loss of a compiled model: the weighted sum of the losses of its outputs.

    Args:
        loss: A loss (name, function, `Loss` or config) for all outputs, or a list or dict of them by output; `None` for
            outputs without one.
        loss_weights: A number for a single loss, or a list or dict of numbers by output; `None`: all 1.
        reduction: Reduction of losses given as functions.
        output_names: Names of the model's outputs in order, if it has them.

    Raises:
        ValueError: If `loss_weights` is of the wrong kind.
    """

    def __init__(
        self,
        loss: Any,
        loss_weights: Any = None,
        reduction: str = "sum_over_batch_size",
        output_names: list[str] | None = None,
    ):
        if loss_weights is not None and not isinstance(loss_weights, (int, float, list, tuple, dict)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or dict "
                f"(multiple output case). Received instead: loss_weights={loss_weights} of type {type(loss_weights)}"
            )
        super().__init__(name="compile_loss", reduction=reduction)
        self._user_loss = loss
        self._user_loss_weights = loss_weights
        self._output_names = output_names
        self._parts: list[_LossPart] | None = None
        # Unknown names and wrong types fail in `compile`, not in the first step.
        for spec in [loss] if _is_single(loss) else tree.flatten(loss):
            losses_module.get(spec)

    @property
    def metrics(self) -> list[Mean]:
        """The mean of each output's loss, if there are several."""
        return [part.metric for part in self._parts or () if part.metric is not None]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Finds out which loss belongs to which output. The first call does it.

        Args:
            y_true: Targets.
            y_pred: Predictions.

        Raises:
            ValueError: If losses, weights and outputs do not go together.
            KeyError: If a loss is given for an output that does not exist.
        """
        outputs = dict(tree.flatten_with_path(y_pred))
        found = list(self._assign(outputs))
        weights = self._weights([path for path, _ in found], outputs)
        self._parts = []
        for (path, spec), weight in zip(found, weights, strict=True):
            fn, name = _as_loss(spec, self.reduction)
            part = _LossPart(path, fn, weight)
            if len(found) > 1:
                part.metric = Mean(name=f"{self._part_name(path, outputs, name)}_loss")
            self._parts.append(part)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Returns the sum of the losses.

        Args:
            y_true: Targets, in the structure of the predictions.
            y_pred: Predictions.
            sample_weight: Weights for all outputs, or one for each.
        """
        if self._parts is None:
            self.build(y_true, y_pred)
        total = None
        for part in self._parts:
            true, pred, weights = _select(part.path, y_true, y_pred, sample_weight)
            value = part.fn(true, pred, weights)
            if part.metric is not None:
                part.metric.update_state(value, sample_weight=pred.shape[0])
            if part.weight != 1:
                value = value * part.weight
            total = value if total is None else total + value
        return total

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Returns the sum of the losses; as calling the object."""
        return self(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Not supported: the arguments of `compile` are the model's to save."""
        raise NotImplementedError("CompileLoss is made by `compile` and has no config of its own.")

    def _assign(self, outputs: dict[tuple, Any]) -> Iterator[tuple[tuple, Any]]:
        """Pairs of the path of an output and a loss for it."""
        loss = self._user_loss
        if _is_single(loss):
            yield from ((path, loss) for path in outputs)
            return
        specs = [(path, spec) for path, spec in _flatten_specs(loss) if spec is not None]
        if not specs:
            raise ValueError(f"compile: `loss` names no loss. Received: loss={loss!r}")
        if len(outputs) == 1 and len(specs) == 1:
            yield next(iter(outputs)), specs[0][1]
            return
        by_name = dict(zip(self._output_names or (), outputs, strict=False))
        if isinstance(loss, dict) and by_name and not all(path in outputs for path, _ in specs):
            if set(loss) != set(by_name):
                raise ValueError(f"Expected keys {list(by_name)} in loss dict, but found loss.keys()={list(loss)}")
            yield from ((path, loss[name]) for name, path in by_name.items() if loss[name] is not None)
            return
        for path, spec in specs:
            if path not in outputs:
                raise KeyError(
                    f"The path: {path} in the `loss` argument, can't be found in either the model's output (`y_pred`) "
                    f"or in the labels (`y_true`). The model's outputs are: {list(outputs)}"
                )
            yield path, spec

    def _weights(self, paths: list[tuple], outputs: dict[tuple, Any]) -> list[float]:
        """The weight of the loss of each of the outputs with the given paths."""
        weights, count = self._user_loss_weights, len(paths)
        if weights is None:
            return [1.0] * count
        if isinstance(weights, (int, float)):
            if count > 1:
                raise ValueError(
                    "For a model with multiple outputs, `loss_weights` must be a list or dict with one number for each "
                    f"loss. Received: loss_weights={weights} for {count} losses"
                )
            return [weights]
        flat = tree.flatten(weights)
        if len(flat) != count:
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {count} losses and {len(flat)} weights."
            )
        if isinstance(weights, dict):
            by_path = dict(tree.flatten_with_path(weights))
            names = dict(zip(outputs, self._output_names or (), strict=False))
            keys = [path if path in by_path else (names.get(path),) for path in paths]
            if not all(key in by_path for key in keys):
                raise ValueError(
                    f"`loss_weights` must have the keys of the losses, outputs {list(names.values()) or paths}. "
                    f"Received: loss_weights={weights}"
                )
            flat = [by_path[key] for key in keys]
        return [1.0 if w is None else w for w in flat]

    def _part_name(self, path: tuple, outputs: dict[tuple, Any], loss_name: str) -> str:
        if path and isinstance(path[-1], str):
            leaf = path[-1]
        elif self._output_names:
            leaf = self._output_names[list(outputs).index(path)]
        else:
            leaf = loss_name
        return "/".join([str(key) for key in path[:-1] if isinstance(key, str)] + [leaf])


class _LossPart:
    """One loss of one output."""

    def __init__(self, path: tuple, fn: Loss, weight: float):
        self.path = path
        self.fn = fn
        self.weight = weight
        self.metric: Mean | None = None


class CompileMetrics(Metric):
    """The metrics of a compiled model, by output.

    Args:
        metrics: A list of metrics (names, functions, `Metric`s or configs) for a single output, or a list or dict of
            such lists by output; `None` for no metrics.
        weighted_metrics: The same, for metrics that take sample weights.
        name: A name.
        output_names: Names of the model's outputs in order, if it has them.

    Raises:
        ValueError: If an argument is neither list, tuple nor dict, or names an unknown metric.
    """

    def __init__(
        self,
        metrics: Any,
        weighted_metrics: Any = None,
        name: str = "compile_metrics",
        output_names: list[str] | None = None,
    ):
        super().__init__(name=name)
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value is not None and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. "
                    f"Received instead: {argument}={value} of type {type(value)}"
                )
            for spec in _flatten_leaves(value or ()):
                if not _is_accuracy(spec):
                    metrics_module.get(spec)
        self._user_metrics = metrics
        self._user_weighted_metrics = weighted_metrics
        self._output_names = output_names
        self._parts: list[_MetricsPart] | None = None
        self._names: list[tuple[Metric, str | None, str]] = []
        self.built = False

    @property
    def metrics(self) -> list[Metric]:
        """All metrics; empty before the first batch."""
        return [m for part in self._parts or () for m in part.plain + part.weighted]

    @property
    def variables(self) -> list:
        """The variables of all metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes the metrics of each output, of the kind that fits its shape. The first batch does it.

        Args:
            y_true: Targets.
            y_pred: Predictions.

        Raises:
            ValueError: If metrics and outputs do not go together.
        """
        outputs = dict(tree.flatten_with_path(y_pred))
        plain = self._assign(self._user_metrics, outputs, "metrics")
        weighted = self._assign(self._user_weighted_metrics, outputs, "weighted_metrics")
        parts = []
        for i, (path, pred) in enumerate(outputs.items()):
            if not plain[path] and not weighted[path]:
                continue
            true, _, _ = _select(path, y_true, y_pred, None)
            part = _MetricsPart(path, self._output_name(path, i, len(outputs)))
            part.plain = [_as_metric(spec, true, pred) for spec in plain[path]]
            part.weighted = [_as_metric(spec, true, pred) for spec in weighted[path]]
            parts.append(part)
        self._parts = parts
        self._names = list(self._unique_names())
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: Targets, in the structure of the predictions.
            y_pred: Predictions.
            sample_weight: Weights for all outputs, or one for each; only `weighted_metrics` see them.
        """
        if self._parts is None:
            self.build(y_true, y_pred)
        for part in self._parts:
            true, pred, weights = _select(part.path, y_true, y_pred, sample_weight)
            for metric in part.plain:
                metric.update_state(true, pred)
            for metric in part.weighted:
                metric.update_state(true, pred, sample_weight=weights)

    def reset_state(self) -> None:
        """Resets all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Returns the results by the names that `fit` logs."""
        if self._parts is None:
            raise ValueError("Cannot get result() since the metric has not yet been built.")
        results: dict[str, Any] = {}
        for metric, output, name in self._names:
            value = metric.result()
            if isinstance(value, dict):
                results.update((f"{output}_{k}" if output else k, v) for k, v in value.items())
            else:
                results[name] = value
        return results

    def get_config(self) -> dict[str, Any]:
        """Not supported: the arguments of `compile` are the model's to save."""
        raise NotImplementedError("CompileMetrics is made by `compile` and has no config of its own.")

    def _assign(self, specs: Any, outputs: dict[tuple, Any], argument: str) -> dict[tuple, list]:
        """The metrics given for each output."""
        found: dict[tuple, list] = {path: [] for path in outputs}
        if not specs:
            return found
        if len(outputs) == 1:
            found[next(iter(outputs))] = _flatten_leaves(specs)
            return found
        by_name = dict(zip(self._output_names or (), outputs, strict=False))
        if isinstance(specs, dict) and by_name and set(specs) <= set(by_name):
            for name, spec in specs.items():
                found[by_name[name]] = _flatten_leaves(spec)
            return found
        found.update((path, _flatten_leaves(_at(specs, path))) for path in outputs if _at(specs, path) is not _MISSING)
        # A dict may leave outputs out, a list may not; neither may name what does not exist.
        heads = {path[0] for path in outputs}
        if set(specs) <= heads if isinstance(specs, dict) else len(specs) == len(heads):
            return found
        names = f"either be a dict or a list matching the output names of the functional model {list(by_name)} or "
        raise ValueError(
            f"Invalid `{argument}`. `{argument}` should contain metrics objects and {names if by_name else ''}match "
            f"the output structure of the model, whose outputs are {list(outputs)}. Received: {argument}={specs}"
        )

    def _output_name(self, path: tuple, index: int, count: int) -> str | None:
        if count == 1:
            return None
        if self._output_names and not (path and isinstance(path[-1], str)):
            return self._output_names[index]
        return path[-1] if isinstance(path[-1], str) else None

    def _unique_names(self) -> Iterator[tuple[Metric, str | None, str]]:
        used: set[str] = set()
        for part in self._parts or ():
            prefix = f"{part.output_name}_" if part.output_name else ""
            for metric in part.plain:
                yield metric, part.output_name, _unique(prefix + metric.name, used)
            for metric in part.weighted:
                name = prefix + metric.name
                if name in used:
                    name = f"{prefix}weighted_{metric.name}"
                yield metric, part.output_name, _unique(name, used)


class _MetricsPart:
    """The metrics of one output."""

    def __init__(self, path: tuple, output_name: str | None):
        self.path = path
        self.output_name = output_name
        self.plain: list[Metric] = []
        self.weighted: list[Metric] = []


_MISSING = object()


def _is_single(spec: Any) -> bool:
    """True for one loss, as opposed to a structure of them. A config is a dict too."""
    return not isinstance(spec, (list, tuple, dict)) or (isinstance(spec, dict) and "class_name" in spec)


def _flatten_specs(spec: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    if _is_single(spec):
        yield path, spec
        return
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        yield from _flatten_specs(value, (*path, key))


def _flatten_leaves(spec: Any) -> list:
    return [leaf for _, leaf in _flatten_specs(spec) if leaf is not None]


def _at(structure: Any, path: tuple) -> Any:
    for key in path:
        if isinstance(structure, dict):
            structure = structure.get(key, _MISSING)
        elif isinstance(structure, (list, tuple)) and isinstance(key, int) and key < len(structure):
            structure = structure[key]
        else:
            return _MISSING
        if structure is _MISSING:
            return _MISSING
    return structure


def _select(path: tuple, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Target, prediction and weights of an output."""
    if not path:
        if isinstance(y_true, (list, tuple)) and len(y_true) == 1:
            y_true = y_true[0]
        if isinstance(sample_weight, (list, tuple)) and len(sample_weight) == 1:
            sample_weight = sample_weight[0]
        if y_true is None:
            raise ValueError("The loss or metrics given to `compile` need targets. Received: y=None")
        return y_true, y_pred, sample_weight
    true = _at(y_true, path)
    if true is _MISSING and len(tree.flatten(y_pred)) == 1 and len(tree.flatten(y_true)) == 1:
        true = tree.flatten(y_true)[0]
    if true is _MISSING:
        raise ValueError(
            "y_true and y_pred have different structures.\n"
            f"y_true: {_structure(y_true)}\ny_pred: {_structure(y_pred)}\nNo target for the output at {path}."
        )
    weights = sample_weight
    if isinstance(sample_weight, (list, tuple, dict)):
        weights = _at(sample_weight, path)
        if weights is _MISSING:
            raise ValueError(
                "`sample_weight` must be one array for all outputs or have the structure of the outputs. "
                f"Received: {_structure(sample_weight)} for outputs {_structure(y_pred)}"
            )
    return true, _at(y_pred, path), weights


def _structure(value: Any) -> Any:
    return tree.map_structure(lambda leaf: "None" if leaf is None else "*", value)


def _as_loss(spec: Any, reduction: str) -> tuple[Loss, str]:
    loss = losses_module.get(spec)
    name = spec if isinstance(spec, str) else get_object_name(loss)
    if not isinstance(loss, Loss):
        loss = LossFunctionWrapper(loss, reduction=reduction, name=name)
    return loss, name.replace("<lambda>", "lambda")


def _is_accuracy(spec: Any) -> bool:
    return isinstance(spec, str) and spec.lower() in ("accuracy", "acc")


def _as_metric(spec: Any, y_true: Any, y_pred: Any) -> Metric:
    metric = _fitting_accuracy(y_true, y_pred) if _is_accuracy(spec) else metrics_module.get(spec)
    name = spec if isinstance(spec, str) else get_object_name(metric)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric, name=name)
    metric.name = name.replace("<lambda>", "lambda")
    return metric


def _fitting_accuracy(y_true: Any, y_pred: Any) -> Metric:
    if y_pred.shape[-1] == 1:
        return metrics_module.BinaryAccuracy()
    if len(y_true.shape) < len(y_pred.shape) or (y_true.shape[-1] == 1 and y_pred.shape[-1] > 1):
        return metrics_module.SparseCategoricalAccuracy()
    return metrics_module.CategoricalAccuracy()


def _unique(name: str, used: set[str]) -> str:
    candidate, n = name, 0
    while candidate in used:
        n += 1
        candidate = f"{name}_{n}"
    used.add(candidate)
    return candidate
