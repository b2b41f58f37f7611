"""How cost grows: a training step against batch, depth, width, image size, sequence length and threads.

    python benchmarks/scaling.py [--only TEXT ...] [--rounds 5] [--json FILE]

For every size: milliseconds of one compiled training step (the median of rounds that go round all sizes), its rate of
arithmetic, the memory and the number of steps of its plan, and the time of the first call, which traces and plans. Cost
should grow like the arithmetic; where it does not, the rate falls.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import write


def mlp(depth: int = 3, width: int = 128, batch: int = 64) -> tuple[Any, np.ndarray, np.ndarray]:
    import addax as keras

    layers = [keras.Input((width,))] + [keras.layers.Dense(width, activation="relu") for _ in range(depth)]
    return keras.Sequential([*layers, keras.layers.Dense(10)]), *_data((batch, width), batch)


def recurrent(length: int = 50, units: int = 64, batch: int = 32) -> tuple[Any, np.ndarray, np.ndarray]:
    import addax as keras

    model = keras.Sequential([keras.Input((length, 32)), keras.layers.LSTM(units), keras.layers.Dense(10)])
    return model, *_data((batch, length, 32), batch)


def attention(length: int = 64, batch: int = 8) -> tuple[Any, np.ndarray, np.ndarray]:
    import addax as keras

    k = keras.layers
    inputs = keras.Input((length, 64))
    x = k.Add()([inputs, k.MultiHeadAttention(4, 16)(inputs, inputs)])
    model = keras.Model(inputs, k.Dense(10)(k.GlobalAveragePooling1D()(k.LayerNormalization()(x))))
    return model, *_data((batch, length, 64), batch)


def convolution(size: int = 32, channels: int = 32, batch: int = 16) -> tuple[Any, np.ndarray, np.ndarray]:
    import addax as keras

    k = keras.layers
    layers = [k.Conv2D(channels, 3, padding="same", activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((size, size, 3)), *layers, k.GlobalAveragePooling2D(), k.Dense(10)])
    return model, *_data((batch, size, size, 3), batch)


def _data(shape: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape, dtype="float32"), rng.integers(0, 10, batch).astype("int32")


# sweep -> how to build it, what varies, over which sizes
SWEEPS: dict[str, tuple[Callable, str, tuple[int, ...]]] = {
    "MLP, batch": (mlp, "batch", (1, 8, 64, 512, 4096)),
    "MLP, depth": (mlp, "depth", (1, 4, 16, 64)),
    "MLP, width (parameters)": (mlp, "width", (32, 128, 512, 2048)),
    "convolutions, image size": (convolution, "size", (8, 16, 32, 64)),
    "convolutions, batch": (convolution, "batch", (1, 4, 16, 64)),
    "LSTM, sequence length": (recurrent, "length", (10, 50, 250, 1000)),
    "attention, sequence length": (attention, "length", (32, 128, 512, 2048)),
}


class Step:
    """A compiled training step of one size."""

    def __init__(self, build: Callable, **size: int):
        import addax as keras

        keras.utils.set_random_seed(0)
        self.model, self.x, self.y = build(**size)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(optimizer="adam", loss=loss)
        start = time.perf_counter()
        self.run()
        self.first = time.perf_counter() - start
        self.plan = self.model._steps["train_step"].plans[-1]

    def run(self) -> None:
        self.model.train_on_batch(self.x, self.y)

    def seconds(self) -> float:
        """The median over about 0.1 s."""
        times: list[float] = []
        while sum(times) < 0.1 or len(times) < 3:
            start = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def sweep(name: str, rounds: int) -> list[dict[str, float]]:
    build, varies, sizes = SWEEPS[name]
    steps = {n: Step(build, **{varies: n}) for n in sizes}
    taken: dict[int, list[float]] = {n: [] for n in sizes}
    for _ in range(rounds):
        for n, step in steps.items():
            taken[n].append(step.seconds())
    rows = []
    print(f"\n{name}\n{varies:>10}{'ms/step':>12}{'GFLOP/s':>10}{'arena MB':>10}{'steps':>8}{'first ms':>10}")
    for n, step in steps.items():
        seconds, stats = statistics.median(taken[n]), step.plan.stats
        row = {
            varies: n,
            "ms": 1e3 * seconds,
            "GFLOP/s": stats["flops"] / seconds / 1e9,
            "arena MB": stats["arena_bytes"] / 1e6,
            "steps": stats["steps"],
            "first ms": 1e3 * step.first,
        }
        rows.append(row)
        line = f"{n:10}{row['ms']:12.3f}{row['GFLOP/s']:10.1f}{row['arena MB']:10.2f}"
        print(f"{line}{row['steps']:8}{row['first ms']:10.1f}")
    return rows


def threads(rounds: int) -> list[dict[str, float]]:
    """The same steps over numbers of threads."""
    import os

    from addax import config

    counts = [n for n in (1, 2, 4, 8, 16, 32) if n <= len(os.sched_getaffinity(0))]
    builds = {"MLP": (mlp, {"width": 512, "batch": 128}), "convolutions": (convolution, {}), "LSTM": (recurrent, {})}
    before, rows = config.num_threads(), []
    print(f"\nthreads, ms/step\n{'':14}" + "".join(f"{n:>10}" for n in counts) + "   speed-up")
    for name, (build, size) in builds.items():
        step = Step(build, **size)
        taken: dict[int, list[float]] = {n: [] for n in counts}
        for _ in range(rounds):
            for n in counts:
                config.set_num_threads(n)
                taken[n].append(step.seconds())
        ms = {n: 1e3 * statistics.median(t) for n, t in taken.items()}
        rows.append({"model": name, **{str(n): t for n, t in ms.items()}})
        print(f"{name:14}" + "".join(f"{t:10.3f}" for t in ms.values()) + f"{ms[1] / ms[counts[-1]]:11.2f}")
    config.set_num_threads(before)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="sweeps whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="write the numbers to this file")
    args = parser.parse_args()
    names = [n for n in SWEEPS if not args.only or any(t.lower() in n.lower() for t in args.only)]
    results: dict[str, Any] = {name: sweep(name, args.rounds) for name in names}
    if not args.only or "threads" in args.only:
        results["threads"] = threads(args.rounds)
    if args.json:
        write(args.json, {"rounds": args.rounds}, results=results)


if __name__ == "__main__":
    main()
