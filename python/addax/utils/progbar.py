"""The progress bar of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from addax.utils import io_utils

_BOLD, _GREEN, _GREY, _RESET = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Progbar:
    """Shows how far a loop has come, how long a step takes and the values it reports.

    On a terminal or in a notebook the line redraws itself, at most every `interval` seconds. Elsewhere (a pipe, a log
    file) one plain line is printed at the end.

    Args:
        target: Number of steps, or `None` if unknown.
        width: Width of the bar in characters.
        verbose: 0 silent, 1 bar, 2 one line at the end.
        interval: Least time between two drawings in seconds.
        stateful_metrics: Names of values that are shown as they come.
        stateless_metrics: Names of values that are averaged over the steps until the last one, which shows them as
            they come. By default all that are not in `stateful_metrics`.
        unit_name: What a step is called, such as `"step"` or `"sample"`.

    Example:

    >>> bar = Progbar(3, verbose=2)
    >>> for step in range(3):
    ...     bar.update(step + 1, [("loss", 1.5 - 0.5 * step)])  # doctest: +ELLIPSIS
    3/3 - 0s - ...s/step - loss: 0.5000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._dynamic = _redraws()
        self._values: dict[str, list[float]] = {}
        self._seen_so_far = 0
        self._shown_width = 0
        self._start = time.time()
        self._last_drawn = 0.0
        self._time_at_start = self._start
        self._time_after_first_step: float | None = None

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Counts `n` more steps; otherwise as `update`.

        Args:
            n: Steps done since the last call.
            values: Pairs of a name and a number.
        """
        self.update(self._seen_so_far + n, values)

    def is_due(self, current: int, finalize: bool | None = None) -> bool:
        """Returns whether `update` with these arguments would draw; if not, the caller need not compute the values.

        Args:
            current: Steps done.
            finalize: As for `update`.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        if finalize or self.verbose != 1:
            return finalize and self.verbose > 0
        return self._dynamic and time.time() - self._last_drawn >= self.interval

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Notes the values of a step and draws if it is time to.

        Args:
            current: Steps done.
            values: Pairs of a name and a number.
            finalize: Whether this is the last drawing. `None` means: if `current` has reached the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._note(name, value, current, finalize)
        self._seen_so_far = current
        now = time.time()
        due = self.is_due(current, finalize)
        if self._time_after_first_step is None and current == 1:
            self._time_after_first_step = now
        if not due:
            return
        message = self._dynamic_line(current, now, finalize) if self._bar() else self._plain_line(current, now)
        self._last_drawn = now
        if not self._bar():
            io_utils.print_msg(message)
        else:
            padding = " " * max(0, self._shown_width - _visible_width(message))
            self._shown_width = _visible_width(message)
            io_utils.print_msg("\r" + message + padding, line_break=finalize)

    def _bar(self) -> bool:
        return self.verbose == 1 and self._dynamic

    def _note(self, name: str, value: Any, current: int, finalize: bool) -> None:
        if self.stateless_metrics is None:
            averaged = name not in self.stateful_metrics
        else:
            averaged = name in self.stateless_metrics
        if finalize or not averaged:
            self._values[name] = [value, 1]
            return
        # A step that is reported late stands for all steps since the last report.
        weight = max(current - self._seen_so_far, 1)
        total = self._values.setdefault(name, [0.0, 0])
        total[0] += value * weight
        total[1] += weight

    def _shown_values(self) -> str:
        text = ""
        for name, (total, count) in self._values.items():
            mean = _mean(total / max(1, count)) if count != 1 else _mean(total)
            text += f" - {name}: {mean:.4f}" if abs(mean) > 1e-3 or mean != mean else f" - {name}: {mean:.4e}"
        return text

    def _seconds_per_step(self, current: int, now: float) -> float:
        # The first step builds what later ones reuse, so it is left out as soon as there is a second one.
        if current > 1 and self._time_after_first_step is not None:
            return (now - self._time_after_first_step) / (current - 1)
        return (now - self._start) / max(current, 1)

    def _plain_line(self, current: int, now: float) -> str:
        count = f"{current}/{self.target}" if self.target is not None else f"{current}/{current}"
        pace = _pace(self._seconds_per_step(current, now), self.unit_name)
        return f"{count} - {now - self._start:.0f}s - {pace}{self._shown_values()}"

    def _dynamic_line(self, current: int, now: float, finalize: bool) -> str:
        bold, green, grey, reset = (_BOLD, _GREEN, _GREY, _RESET) if _colors() else ("", "", "", "")
        if self.target is None:
            line = f"{bold}{current:7d}/Unknown{reset}"
        else:
            digits = len(str(self.target))
            filled = min(int(self.width * current / self.target), self.width) if self.target else self.width
            empty = self.width - filled
            line = f"{bold}{current:>{digits}}/{self.target}{reset} "
            line += f"{green}{'━' * filled}{reset}{grey}{('━' if grey else '╌') * empty}{reset}"
        pace = self._seconds_per_step(current, now)
        if finalize or self.target is None:
            time_shown = f"{now - self._start:.0f}s"
        else:
            time_shown = _clock(pace * (self.target - current))
        return f"{line} {bold}{time_shown}{reset} {_pace(pace, self.unit_name)}{self._shown_values()}"


def _redraws() -> bool:
    if "ipykernel" in sys.modules:
        return True
    return bool(getattr(sys.stdout, "isatty", bool)()) and os.environ.get("TERM") != "dumb"


def _colors() -> bool:
    return "NO_COLOR" not in os.environ


def _visible_width(message: str) -> int:
    for code in (_BOLD, _GREEN, _GREY, _RESET):
        message = message.replace(code, "")
    return len(message)


def _mean(value: Any) -> float:
    if isinstance(value, float):
        return value
    try:
        return float(value)
    except TypeError:
        # A metric with several values shows their mean.
        flat = list(value.reshape(-1))
        return math.fsum(float(v) for v in flat) / max(len(flat), 1)


def _clock(seconds: float) -> str:
    seconds = int(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    if seconds >= 60:
        return f"{seconds // 60}:{seconds % 60:02d}"
    return f"{seconds}s"


def _pace(seconds: float, unit: str) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"
