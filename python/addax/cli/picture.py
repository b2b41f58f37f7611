"""The demo's picture: learning curves beside test digits with the model's answers. The numbers come from `demo.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_INK, _MUTED, _FAINT = "#1c2733", "#7a8794", "#e6eaee"
_TRAIN, _VALIDATION, _ERROR = "#a9bccd", "#1f6fb2", "#d1394f"
_CLASSES, _ROWS = 10, 6
_SIZE = (13, 7.4)  # inches; the places below are parts of it
_LEFT, _HEADING, _GRID_LEFT = 0.047, 0.785, 0.435
_STEP_X, _STEP_Y, _CELL = 0.0528, 0.1165, 0.0470


def draw(
    path: str,
    history: Mapping[str, Sequence[float]],
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> None:
    """Writes the picture.

    Args:
        path: a PNG file.
        history: loss, accuracy, val_loss and val_accuracy by epoch.
        images: the test images, (n, 8, 8), ink from 0 to 16.
        labels: their classes, (n,).
        probabilities: what the model predicts, (n, classes).
    """
    from matplotlib.figure import Figure

    predicted = probabilities.argmax(axis=1)
    right = int((predicted == labels).sum())
    figure = Figure(figsize=_SIZE, facecolor="white")
    figure.text(_LEFT, 0.915, "A small network reads handwritten digits", size=22, weight="bold", color=_INK)
    summary = f"{right} of {len(labels)} images it never saw in training are read correctly: {right / len(labels):.1%}"
    figure.text(_LEFT, 0.868, summary, size=13, color=_MUTED)
    best = int(np.argmin(history["val_loss"]))
    _curves(figure, 0.505, history, "loss", "Loss", best)
    _curves(figure, 0.105, history, "accuracy", "Accuracy", best)
    _legend(figure, best)
    _digits(figure, images, labels, predicted)
    figure.savefig(path, dpi=160)


def _curves(
    figure: Any, bottom: float, history: Mapping[str, Sequence[float]], key: str, title: str, best: int
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, PercentFormatter

    axes = figure.add_axes((_LEFT + 0.038, bottom, 0.285, 0.245))
    figure.text(_LEFT, bottom + 0.28, title, size=13, weight="bold", color=_INK)
    for name, colour, width in ((key, _TRAIN, 2.2), (f"val_{key}", _VALIDATION, 2.6)):
        values = history[name]
        axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=width, solid_capstyle="round")
    kept = history[f"val_{key}"][best]
    axes.plot(best + 1, kept, "o", color=_VALIDATION, markersize=9, markeredgecolor="white", markeredgewidth=1.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if key == "loss":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    else:
        if min(history[f"val_{key}"]) > 0.9:  # closer to where it matters, without the steep beginning
            axes.set_ylim(0.9, 1.004)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("epoch", color=_MUTED, size=10)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_FAINT, linewidth=1)
    axes.tick_params(which="both", length=0, labelsize=10, labelcolor=_MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _legend(figure: Any, best: int) -> None:
    from matplotlib.lines import Line2D

    entries = {
        "training": Line2D([], [], color=_TRAIN, linewidth=2.2),
        "validation": Line2D([], [], color=_VALIDATION, linewidth=2.6),
        f"kept: epoch {best + 1}": Line2D([], [], color=_VALIDATION, marker="o", markersize=6.5, linewidth=0),
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="lower right",
        bbox_to_anchor=(_LEFT + 0.330, _HEADING - 0.003),
        ncols=3,
        frameon=False,
        fontsize=10,
        labelcolor=_MUTED,
        handlelength=1.3,
        handletextpad=0.5,
        columnspacing=1.2,
        borderaxespad=0,
        borderpad=0,
    )


def _digits(figure: Any, images: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> None:
    """A column for every class: its errors first, then a fixed choice of the others."""
    from matplotlib.colors import LinearSegmentedColormap

    ink = LinearSegmentedColormap.from_list("ink", ["white", _INK])
    figure.text(_GRID_LEFT, _HEADING, "Test images, and how each is read", size=13, weight="bold", color=_INK)
    if (predicted != labels).any():
        edge = _GRID_LEFT + (_CLASSES - 1) * _STEP_X + _CELL
        figure.text(edge, _HEADING, "read wrongly", size=10, weight="bold", color=_ERROR, ha="right")
    for digit in range(_CLASSES):
        of_class = np.flatnonzero(labels == digit)
        wrong = of_class[predicted[of_class] != digit][:_ROWS]
        others = of_class[predicted[of_class] == digit]
        others = others[np.linspace(0, len(others) - 1, min(_ROWS - len(wrong), len(others))).astype(int)]
        for row, index in enumerate([*wrong, *others]):
            error = predicted[index] != digit
            height = _CELL * _SIZE[0] / _SIZE[1]
            low = 0.765 - height - row * _STEP_Y
            axes = figure.add_axes((_GRID_LEFT + digit * _STEP_X, low, _CELL, height))
            axes.imshow(np.pad(images[index], 1), cmap=ink, vmin=0, vmax=16, interpolation="bicubic")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(color=_ERROR if error else _FAINT, linewidth=2.2 if error else 1)
            axes.set_xlabel(
                str(predicted[index]),
                size=11 if error else 9.5,
                weight="bold" if error else "normal",
                color=_ERROR if error else _MUTED,
                labelpad=2.5,
            )
