"""Resident memory over many training steps and many model builds, with a figure.

    python benchmarks/memory.py [--steps 100000] [--builds 10000] [--out benchmarks/results]

A leak shows as a slope. The slope is fitted over the second half of each curve, when caches are warm, and printed in
bytes per step and per build.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import addax as keras
from addax import engine


def resident_mb() -> float:
    """Resident set size of this process in MB, from the kernel."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def model() -> keras.Sequential:
    """Ten inputs, one hidden layer, three classes; compiled with Adam and accuracy."""
    m = keras.Sequential([keras.layers.Input((10,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
    m.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return m


def train(steps: int) -> tuple[list[int], list[float]]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3200, 10)).astype("float32"), rng.integers(0, 3, 3200)
    m = model()
    at, mb = [0], [resident_mb()]
    per_epoch = len(x) // 32
    for epoch in range(steps // per_epoch):
        m.fit(x, y, batch_size=32, epochs=1, verbose=0)
        if (epoch + 1) % 10 == 0:
            at.append((epoch + 1) * per_epoch)
            mb.append(resident_mb())
    return at, mb


def build(builds: int) -> tuple[list[int], list[float]]:
    x, y = np.zeros((1, 10), "float32"), np.zeros(1)
    at, mb = [0], [resident_mb()]
    for i in range(builds):
        model().train_on_batch(x, y)  # traces and plans a step of its own
        if (i + 1) % 100 == 0:
            at.append(i + 1)
            mb.append(resident_mb())
    return at, mb


def slope(at: list[int], mb: list[float]) -> float:
    """Bytes per unit of `at`, over the second half of the curve."""
    half = len(at) // 2
    return 1e6 * float(np.polyfit(at[half:], mb[half:], 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    curves = {}
    for name, run, count in (("training steps", train, args.steps), ("model builds", build, args.builds)):
        start = time.perf_counter()
        at, mb = run(count)
        seconds = time.perf_counter() - start
        curves[name] = {
            "at": at,
            "resident_mb": mb,
            "bytes_each": slope(at, mb),
            "us_each": 1e6 * seconds / max(count, 1),
        }
        print(
            f"{count:,} {name}: resident {mb[0]:.1f} MB at first, {mb[len(mb) // 2]:.1f} MB halfway, {mb[-1]:.1f} MB "
            f"at last; {curves[name]['bytes_each']:+.2f} bytes each over the second half; "
            f"{curves[name]['us_each']:.0f} us each"
        )
    print(f"engine: {engine.memory_stats()}")
    (args.out / "memory.json").write_text(json.dumps(curves) + "\n")

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        axis.plot(curve["at"], curve["resident_mb"], color="#2a6f97", linewidth=1.8)
        axis.set_xlabel(name)
        axis.set_title(f"{curve['at'][-1]:,} {name}: {curve['bytes_each']:+.1f} bytes each", fontsize=11, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e5e5e5")
        axis.set_ylim(0, 1.25 * max(max(c["resident_mb"]) for c in curves.values()))
    axes[0].set_ylabel("resident memory, MB")
    figure.savefig(args.out / "memory.png", dpi=150)
    print(f"figure: {args.out / 'memory.png'}")


if __name__ == "__main__":
    main()
