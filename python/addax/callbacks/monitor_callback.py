"""The base of callbacks that watch a logged value and ask whether it got better."""

from __future__ import annotations

import operator
import warnings
from typing import Any

from addax.callbacks.callback import Callback
from addax.trainers.compile_utils import CompileMetrics


class MonitorCallback(Callback):
    """Watches a value in the logs.

    Args:
        monitor: Its name.
        mode: `"min"` if smaller is better, `"max"` if larger is, `"auto"` to ask the metric.
        initial_value_threshold: The value to be better than at first, or `None`.
        min_delta: How much better counts.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        initial_value_threshold: float | None = None,
        min_delta: float = 0,
    ):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = initial_value_threshold
        self.min_delta = abs(min_delta)
        self.monitor_op = {"min": operator.lt, "max": operator.gt}.get(mode)

    def _set_monitor_op(self) -> None:
        if self.monitor_op is not None:
            return
        direction = self._direction()
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but Keras isn't able to "
                "automatically determine whether that metric should be maximized or minimized. Pass `mode='max'` in "
                "order to monitor based on the highest metric value, or pass `mode='min'` in order to use the lowest "
                "value."
            )
        self.monitor_op = operator.gt if direction == "up" else operator.lt

    def _direction(self) -> str | None:
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        for metric in getattr(self.model, "metrics", ()):
            if isinstance(metric, CompileMetrics):
                for inner, _, logged in metric._names:
                    if name in (logged, inner.name):
                        return getattr(inner, "_direction", None)
            elif metric.name == name:
                # The mean loss of an output among several.
                return getattr(metric, "_direction", None) or ("down" if name.endswith("_loss") else None)
        return None

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        if reference is None:
            return True
        self._set_monitor_op()
        delta = self.min_delta if self.monitor_op is operator.gt else -self.min_delta
        return bool(self.monitor_op(value - delta, reference))

    def _missing(self, logs: dict[str, Any], consequence: str) -> None:
        warnings.warn(
            f"{consequence} `{self.monitor}` which is not available. Available metrics are: {','.join(logs)}",
            stacklevel=3,
        )
