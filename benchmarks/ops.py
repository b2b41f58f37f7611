"""Races single ops: addax beside PyTorch, JAX and NumPy, each as a fraction of what this machine can do.

    python benchmarks/ops.py [--only TEXT ...] [--engines addax torch jax numpy] [--rounds 7] [--threads 2]
                             [--json FILE]

Every engine is a process of its own that waits while others work; rounds are interleaved, and medians compared. The
floor of an op is the longer of its arithmetic at the peak rate and its necessary traffic at the rate of a large copy
(benchmarks/machine.py); small ops that stay in cache may beat a floor of traffic. Peers that are not installed are left
out: `pip install ".[bench]"` brings all.

To add an op: a `Case` in `cases()`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from machine import limits, processor, write

ENGINES = ("addax", "torch", "jax", "numpy")
SLICE = 0.1  # seconds of one measurement


@dataclass(frozen=True)
class Case:
    """An op on inputs of some shapes.

    inputs: shapes of float32 arrays of a normal distribution, or the arrays themselves. run: engine -> a function of
    (module, *inputs) that returns the result; engines without one do not take part. flops: multiplications and
    additions. traffic: bytes that must be read and written.
    """

    inputs: tuple[Any, ...]
    run: dict[str, Callable]
    flops: float = 0.0
    traffic: float = 0.0
    prepare: Callable[[str, Any, tuple], tuple] = field(default=lambda engine, module, inputs: inputs)

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.standard_normal(x, dtype="float32") if isinstance(x, tuple) else x for x in self.inputs]


def cases() -> dict[str, Case]:
    """All ops by name."""
    table: dict[str, Case] = {}
    for m, n, k in ((1024, 1024, 1024), (128, 512, 784), (32, 64, 64), (1, 512, 784), (2048, 256, 256)):
        table[f"matmul {m}x{k} by {k}x{n}"] = Case(
            ((m, k), (k, n)), _same(lambda lib, a, b: lib.matmul(a, b)), 2.0 * m * n * k, 4.0 * (m * k + k * n + m * n)
        )
    table["matmul 64 of 128x64 by 64x128"] = Case(
        ((64, 128, 64), (64, 64, 128)),
        _same(lambda lib, a, b: lib.matmul(a, b)),
        2.0 * 64 * 128 * 128 * 64,
        4.0 * 64 * (2 * 128 * 64 + 128 * 128),
    )
    for size, channels, outputs, window, stride, groups in (
        (56, 64, 64, 3, 1, 1),
        (28, 128, 128, 3, 1, 1),
        (14, 256, 256, 3, 1, 1),
        (32, 16, 16, 3, 1, 1),
        (56, 64, 256, 1, 1, 1),
        (64, 3, 32, 3, 1, 1),
        (32, 64, 64, 3, 1, 64),
        (16, 256, 256, 3, 1, 256),
    ):
        _add_convolution(table, 8, size, channels, outputs, window, stride, groups)
    _add_memory_bound(table)
    _add_normalizations(table)
    _add_attention(table)
    return table


def _same(f: Callable) -> dict[str, Callable]:
    """The same expression over the modules of all engines, whose names agree."""
    return dict.fromkeys(ENGINES, f)


def _add_convolution(table: dict, batch: int, size: int, inputs: int, outputs: int, k: int, stride: int, groups: int):
    out = math.ceil(size / stride)
    name = f"{'depthwise ' if groups > 1 else ''}conv {k}x{k} at {size}x{size}x{inputs}"
    name += "" if groups > 1 or inputs == outputs else f" to {outputs}"
    x, w, y = (batch, size, size, inputs), (k, k, inputs // groups, outputs), (batch, out, out, outputs)
    attrs = {
        "strides": (stride,) * 2,
        "dilation": (1, 1),
        "low": (k // 2,) * 2,
        "high": (k // 2,) * 2,
        "groups": groups,
    }
    flops = 2.0 * math.prod(y) * k * k * inputs / groups
    traffic = 4.0 * (math.prod(x) + math.prod(w) + math.prod(y))

    def prepare(engine: str, module: Any, arrays: tuple) -> tuple:
        if engine != "torch":
            return arrays
        # Channels last in memory, as they come; filters as torch wants them.
        return tuple(
            a.permute(3, 2, 0, 1).contiguous(memory_format=module.channels_last)
            if a.shape == w
            else a.permute(0, 3, 1, 2)
            for a in arrays
        )

    def addax(op: str, settings: dict) -> Callable:
        def run(lib: Any, *tensors: Any) -> Any:
            from addax import engine

            return engine.apply(op, *tensors, **attrs, **settings)

        return run

    def lax(lib: Any, x: Any, w: Any) -> Any:
        import jax

        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride,) * 2,
            [(k // 2, k // 2)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    def pulled(which: int) -> Callable:
        def run(lib: Any, first: Any, second: Any) -> Any:
            import jax
            import jax.numpy as jnp

            if which == 0:
                return jax.vjp(lambda x: lax(lib, x, second), jnp.zeros(x))[1](first)
            return jax.vjp(lambda w: lax(lib, first, w), jnp.zeros(w))[1](second)

        return run

    def backward(which: int) -> Callable:
        mask = [which == 0, which == 1, False]

        def run(torch: Any, first: Any, second: Any) -> Any:
            zeros = _torch_zeros(torch, x, w)[which]
            g, x_, w_ = (first, zeros, second) if which == 0 else (second, first, zeros)
            return torch.ops.aten.convolution_backward(
                g, x_, w_, None, [stride] * 2, [k // 2] * 2, [1, 1], False, [0, 0], groups, mask
            )[which]

        return run

    def forward(torch: Any, a: Any, b: Any) -> Any:
        return torch.nn.functional.conv2d(a, b, stride=stride, padding=k // 2, groups=groups)

    for what, shapes, row, settings, by_torch, by_jax in (
        ("", (x, w), "conv", {}, forward, lax),
        (", input gradient", (y, w), "conv_input_grad", {"input_spatial": (size, size)}, backward(0), pulled(0)),
        (", filter gradient", (x, y), "conv_filter_grad", {"filter_spatial": (k, k)}, backward(1), pulled(1)),
    ):
        run = {"addax": addax(row, settings), "torch": by_torch, "jax": by_jax}
        table[name + what] = Case(shapes, run, flops, traffic, prepare)


_ZEROS: dict[tuple, tuple] = {}


def _torch_zeros(torch: Any, x: tuple, w: tuple) -> tuple:
    """An input and a filter whose values do not matter, made once."""
    if (x, w) not in _ZEROS:
        _ZEROS[x, w] = (
            torch.zeros(x).permute(0, 3, 1, 2),
            torch.zeros(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last),
        )
    return _ZEROS[x, w]


def _add_memory_bound(table: dict) -> None:
    n = 1 << 24
    one, two, three = 4.0 * n, 8.0 * n, 12.0 * n
    sized = (4096, 4096)
    table["add, 16M"] = Case((sized, sized), _same(lambda lib, a, b: lib.add(a, b)), n, three)
    table["multiply by a row, 16M"] = Case((sized, (4096,)), _same(lambda lib, a, b: lib.multiply(a, b)), n, two)
    for name in ("exp", "tanh", "sqrt"):
        table[f"{name}, 16M"] = Case((sized,), _same(lambda lib, a, name=name: getattr(lib, name)(a)), n, two)
    functional = {
        "addax": lambda lib, a: lib.relu(a),
        "torch": lambda torch, a: torch.relu(a),
        "jax": lambda lib, a: lib.maximum(a, 0),
        "numpy": lambda lib, a: lib.maximum(a, 0),
    }
    table["relu, 16M"] = Case((sized,), functional, n, two)
    table["gelu, 16M"] = Case(
        (sized,),
        {
            "addax": lambda lib, a: lib.gelu(a, approximate=False),
            "torch": lambda torch, a: torch.nn.functional.gelu(a),
            "jax": lambda lib, a: _jax().nn.gelu(a, approximate=False),
        },
        n,
        two,
    )
    table["chain a * b + sin(a) / (1 + b * b), 16M"] = Case(
        (sized, sized),
        {
            "addax": lambda lib, a, b: _compiled(lib)(a, b),
            "torch": lambda torch, a, b: a * b + torch.sin(a) / (1 + b * b),
            "jax": lambda lib, a, b: a * b + lib.sin(a) / (1 + b * b),
            "numpy": lambda lib, a, b: a * b + lib.sin(a) / (1 + b * b),
        },
        6 * n,
        three,
    )
    table["transpose, 16M"] = Case(
        (sized,),
        {
            "addax": lambda lib, a: lib.transpose(a) + 0.0,
            "torch": lambda torch, a: a.T.contiguous(),
            "jax": lambda lib, a: lib.transpose(a),
            "numpy": lambda lib, a: lib.ascontiguousarray(a.T),
        },
        0,
        two,
    )
    for axis, what in ((1, "rows"), (0, "columns")):
        table[f"sum of {what}, 16M"] = Case((sized,), _same(lambda lib, a, axis=axis: lib.sum(a, axis)), n, one)
    rows = np.random.default_rng(1).integers(0, 20000, 32 * 80)
    table["take 2560 rows of 20000x128"] = Case(
        ((20000, 128), rows),
        {
            "addax": lambda lib, a, i: lib.take(a, i, axis=0),
            "torch": lambda torch, a, i: torch.index_select(a, 0, i),
            "jax": lambda lib, a, i: lib.take(a, i, axis=0),
            "numpy": lambda lib, a, i: lib.take(a, i, axis=0),
        },
        0,
        8.0 * len(rows) * 128,
    )


def _jax() -> Any:
    import jax

    return jax


_MADE: dict[Any, Callable] = {}


def _compiled(lib: Any) -> Callable:
    if "chain" not in _MADE:
        import addax

        _MADE["chain"] = addax.compile(lambda a, b: a * b + lib.sin(a) / (1 + b * b))
    return _MADE["chain"]


def _gradients(name: str, functions: dict[str, Callable]) -> dict[str, Callable]:
    """Forward and backward pass of a function of tensors, with the sum of the result as the loss."""

    def addax(lib: Any, *tensors: Any) -> Any:
        if name not in _MADE:
            import addax as keras

            def step(*t: Any) -> Any:
                with keras.GradientTape(watch_accessed_variables=False) as tape:
                    for x in t:
                        tape.watch(x)
                    loss = lib.sum(functions["addax"](lib, *t))
                return tape.gradient(loss, list(t))

            _MADE[name] = keras.compile(step)
        return _MADE[name](*tensors)

    def torch(torch: Any, *tensors: Any) -> Any:
        leaves = [t.detach().requires_grad_() for t in tensors]
        functions["torch"](torch, *leaves).sum().backward()
        return leaves[0].grad

    def jax(lib: Any, *tensors: Any) -> Any:
        wrt = tuple(range(len(tensors)))
        return _jax().grad(lambda *t: lib.sum(functions["jax"](lib, *t)), argnums=wrt)(*tensors)

    return {"addax": addax, "torch": torch, "jax": jax}


def _add_normalizations(table: dict) -> None:
    def jax_norm(lib: Any, x: Any, gamma: Any, beta: Any) -> Any:
        mean = lib.mean(x, -1, keepdims=True)
        variance = lib.mean(lib.square(x - mean), -1, keepdims=True)
        return (x - mean) / lib.sqrt(variance + 1e-3) * gamma + beta

    for rows, width in ((2048, 256), (8192, 1024)):
        n = rows * width
        norms = {
            "addax": lambda lib, x, g, b: lib.layer_normalization(x, g, b, axis=-1, epsilon=1e-3),
            "torch": lambda torch, x, g, b, width=width: torch.nn.functional.layer_norm(x, (width,), g, b, 1e-3),
            "jax": jax_norm,
        }
        # A factor between result and sum keeps the gradients from vanishing.
        weighted = {k: (lambda lib, x, g, b, f=f: f(lib, x, g, b) * x) for k, f in norms.items()}
        shapes = ((rows, width), (width,), (width,))
        table[f"layer norm {rows}x{width}"] = Case(shapes, norms, 8 * n, 8.0 * n)
        table[f"layer norm {rows}x{width}, forward and backward"] = Case(
            shapes, _gradients(f"norm {width}", weighted), 20 * n, 16.0 * n
        )
        soft = {
            "addax": lambda lib, x: lib.softmax(x),
            "torch": lambda torch, x: torch.softmax(x, -1),
            "jax": lambda lib, x: _jax().nn.softmax(x),
        }
        weighted_soft = {k: (lambda lib, x, f=f: f(lib, x) * x) for k, f in soft.items()}
        table[f"softmax {rows}x{width}"] = Case(((rows, width),), soft, 5 * n, 8.0 * n)
        table[f"softmax {rows}x{width}, forward and backward"] = Case(
            ((rows, width),), _gradients(f"softmax {width}", weighted_soft), 12 * n, 12.0 * n
        )


def _add_attention(table: dict) -> None:
    batch, length, heads, dim = 16, 128, 4, 64
    shape = (batch, length, heads, dim)
    attention = {
        "addax": lambda lib, q, k, v: lib.dot_product_attention(q, k, v),
        "torch": lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        ),
        "jax": lambda lib, q, k, v: _jax().nn.dot_product_attention(q, k, v),
    }
    flops, traffic = 4.0 * batch * heads * length * length * dim, 16.0 * math.prod(shape)
    table[f"attention {batch}x{length}x{heads}x{dim}"] = Case((shape,) * 3, attention, flops, traffic)
    table[f"attention {batch}x{length}x{heads}x{dim}, forward and backward"] = Case(
        (shape,) * 3, _gradients("attention", attention), 3.5 * flops, 2 * traffic
    )


def child(engine: str, threads: int) -> None:
    """Measures on request: a name comes in, the seconds of one call go out."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for variable in ("ADDAX_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if engine == "addax":
        import addax

        module: Any = addax.ops
        convert: Callable = addax.ops.convert_to_tensor
        wait: Callable = lambda x: x  # noqa: E731
    elif engine == "torch":
        import torch

        torch.set_num_threads(threads)
        module, convert, wait = torch, torch.from_numpy, lambda x: x
    elif engine == "jax":
        import jax

        module, convert, wait = jax.numpy, jax.numpy.asarray, jax.block_until_ready
    else:
        module, convert, wait = np, np.asarray, lambda x: x
    table, ready = cases(), {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready.clear()  # one op's arrays at a time
            case = table[name]
            inputs = case.prepare(engine, module, tuple(convert(a) for a in case.arrays()))
            run = case.run[engine]
            call = _jax().jit(lambda *t: run(module, *t)) if engine == "jax" else (lambda *t: run(module, *t))  # noqa: B023
            wait(call(*inputs))
            ready[name] = call, inputs
        call, inputs = ready[name]
        wait(call(*inputs))
        times: list[float] = []
        while sum(times) < SLICE or len(times) < 3:
            start = time.perf_counter()
            wait(call(*inputs))
            times.append(time.perf_counter() - start)
        print(statistics.median(times), flush=True)


def race(names: list[str], engines: list[str], rounds: int, threads: int, report: Callable) -> dict[str, dict]:
    table = cases()
    workers = {
        e: subprocess.Popen(
            [sys.executable, __file__, "--child", e, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for e in engines
    }

    def measure(engine: str, name: str) -> float:
        worker = workers[engine]
        print(name, file=worker.stdin, flush=True)
        answer = worker.stdout.readline()
        if not answer:
            raise SystemExit(f"{name} on {engine} failed; see its error above")
        time.sleep(0.1)  # until threads that look for work have gone to sleep: those of NumPy's BLAS take some 30 ms
        return float(answer)

    for e in engines:  # until all have been imported, which keeps every processor busy
        measure(e, next(name for name in names if e in table[name].run))

    results = {}
    for name in names:
        taking = [e for e in engines if e in table[name].run]
        taken: dict[str, list[float]] = {e: [] for e in taking}
        for _ in range(rounds):
            for e in taking:
                taken[e].append(measure(e, name))
        results[name] = {e: statistics.median(t) for e, t in taken.items()}
        report(name, results[name])
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return results


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="ops whose name contains one of these")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the numbers to this file")
    args = parser.parse_args()
    peak, copy = limits(args.threads)
    table = cases()
    names = [n for n in table if not args.only or any(t in n for t in args.only)]
    engines = [e for e in args.engines if importlib.util.find_spec(e)]
    print(f"{processor()}, {args.threads} threads: {peak:.1f} GFLOP/s, copies at {copy:.1f} GB/s")
    print(f"{'':52}" + "".join(f"{e:>10}" for e in engines) + "   ms   rate of addax      of floor  addax / best peer")

    def report(name: str, times: dict[str, float]) -> None:
        case = table[name]
        line = name.ljust(52) + "".join(f"{1e3 * times[e]:10.3f}" if e in times else " " * 10 for e in engines)
        if "addax" in times:
            own = times["addax"]
            arithmetic, memory = case.flops / peak / 1e9, case.traffic / copy / 1e9
            amount, unit = (case.flops, "GFLOP/s") if arithmetic > memory else (case.traffic, "GB/s   ")
            rate = f"{amount / own / 1e9:8.1f} {unit}"
            line += f"   {rate:>18}{max(arithmetic, memory) / own:10.2f}"
            peers = [t for e, t in times.items() if e != "addax"]
            line += f"{own / min(peers):12.2f}" if peers else ""
        print(line, flush=True)

    results = race(names, engines, args.rounds, args.threads, report)
    if args.json:
        floors = {n: {"flops": table[n].flops, "bytes": table[n].traffic} for n in results}
        about = {"threads": args.threads, "rounds": args.rounds, "peak GFLOP/s": peak, "copy GB/s": copy}
        write(args.json, about, seconds=results, floors=floors)


if __name__ == "__main__":
    main()
