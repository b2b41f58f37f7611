"""Measures a CUDA device: training steps, kernels bound by memory, convolution; beside torch.compile and JAX.

    python benchmarks/gpu.py [--engines addax torch jax] [--json FILE] [--emulated]

Every engine runs in a fresh process. Peers that are not installed, or see no GPU, are left out. `--emulated` runs all
of it at tiny sizes over the device that the tests emulate, peers on the CPU: its times say nothing, but that it works.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENGINES = ("addax", "torch", "jax")
MODELS = {
    "MLP": "MLP 784-512-512-10",
    "CNN": "ResNet-20 32x32x3",
    "LSTM": "LSTM 100x64 -> 128",
    "Transformer": "Transformer encoder 128 x 256, 2 blocks",
}
BATCHES = (32, 256)
# Batch, size, channels in and out, filter.
CONVOLUTIONS = ((32, 56, 64, 64, 3), (32, 28, 128, 128, 3), (32, 14, 256, 256, 3), (32, 28, 256, 512, 1))

# The traffic of the driver's own copy within the device, bytes read plus bytes written, in GB/s.
COPY = r"""
#include <cuda_runtime.h>
#include <cstdio>
int main() {
  const size_t bytes = size_t{256} << 20;
  void *from, *to;
  cudaEvent_t start, stop;
  if (cudaMalloc(&from, bytes) || cudaMalloc(&to, bytes)) return 1;
  cudaEventCreate(&start), cudaEventCreate(&stop);
  float best = 1e30f;
  for (int round = 0; round < 10; ++round) {
    cudaEventRecord(start);
    for (int i = 0; i < 10; ++i) cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice);
    cudaEventRecord(stop);
    if (cudaEventSynchronize(stop)) return 1;
    float ms = 0;
    cudaEventElapsedTime(&ms, start, stop);
    best = ms < best ? ms : best;
  }
  std::printf("%.1f\n", 20e-6 * bytes / best);
}
"""


def copy_bandwidth(emulated: bool) -> float:
    """What a copy within the device moves, in GB/s."""
    if emulated:
        import numpy as np

        source = np.ones(1 << 22, "float32")
        target = np.empty_like(source)
        return 2e-9 * source.nbytes / timed(lambda: np.copyto(target, source), lambda: None, 0.1)
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "copy.cu"), Path(folder, "copy")
        source.write_text(COPY)
        subprocess.run([os.environ.get("NVCC", "nvcc"), "-O2", "-o", str(program), str(source)], check=True)
        return float(subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout)


def timed(run: Callable[[], Any], wait: Callable[[], Any], seconds: float) -> float:
    """Seconds that a call takes on the device: the median over groups of calls, each waited for as a whole."""
    run()
    run()
    wait()
    start = time.perf_counter()
    run()
    wait()
    group = max(1, min(200, int(seconds / 10 / max(time.perf_counter() - start, 1e-6))))
    times = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(group):
            run()
        wait()
        times.append((time.perf_counter() - start) / group)
    return statistics.median(times)


class Library:
    """What one engine needs: arrays on the device, compiled functions, waiting."""

    def __init__(self, engine: str, emulated: bool):
        self.name = engine
        self.device = ""
        if engine == "addax":
            import addax
            from addax import engine as native

            if emulated:
                sys.path.insert(0, str(HERE.parent))
                from tests.cuda.build import emulation

                emulation()
            if native.device_problem():
                raise SystemExit(f"gpu.py: {native.device_problem()}")
            addax.config.set_default_device("cuda:0")
            self.device = native.device_info("cuda:0")["name"].split(",")[0]
            self.array, self.wait, self.compiled = native.tensor, lambda: native.synchronize("cuda:0"), addax.compile
        elif engine == "torch":
            import torch

            place = "cpu" if emulated else "cuda"
            if not emulated and not torch.cuda.is_available():
                raise SystemExit("torch sees no GPU")
            torch.backends.cudnn.benchmark = True
            self.array = lambda a: torch.from_numpy(a).to(place)
            self.wait = (lambda: None) if emulated else torch.cuda.synchronize
            self.compiled = (lambda f: f) if emulated else torch.compile
        else:
            import jax

            if not emulated and jax.default_backend() != "gpu":
                raise SystemExit("JAX sees no GPU")
            last: list = []

            def compiled(f: Callable) -> Callable:
                jitted = jax.jit(f)

                def call(*arrays: Any) -> Any:
                    last[:] = [jitted(*arrays)]
                    return last[0]

                return call

            self.array, self.compiled = jax.device_put, compiled
            self.wait = lambda: jax.block_until_ready(last)


def memory_cases(library: Library) -> dict[str, tuple[Callable, int, int]]:
    """Name -> (function, arrays of the full size that it takes, values it moves for each of the size)."""
    if library.name == "addax":
        from addax import ops

        exp, relu, softmax = ops.exp, ops.relu, ops.softmax
        mean, root, total = (lambda x: ops.mean(x, axis=-1, keepdims=True)), ops.rsqrt, ops.sum
        turned = lambda x: ops.transpose(x) + 0.0  # noqa: E731
    elif library.name == "torch":
        import torch

        exp, relu, softmax = torch.exp, torch.relu, lambda x: torch.softmax(x, -1)
        mean, root, total = (lambda x: x.mean(-1, keepdim=True)), torch.rsqrt, torch.sum
        turned = lambda x: x.T.contiguous()  # noqa: E731
    else:
        import jax
        import jax.numpy as jnp

        exp, relu, softmax = jnp.exp, jax.nn.relu, jax.nn.softmax
        mean, root, total = (lambda x: x.mean(-1, keepdims=True)), jax.lax.rsqrt, jnp.sum
        turned = lambda x: x.T + 0.0  # noqa: E731

    def normalized(x: Any) -> Any:
        centred = x - mean(x)
        return centred * root(mean(centred * centred) + 1e-5)

    return {
        "add": (lambda x, y: x + y, 2, 3),
        "exp": (exp, 1, 2),
        "relu(x * 2 + y)": (lambda x, y: relu(x * 2.0 + y), 2, 3),
        "sum": (total, 1, 1),
        "transpose": (turned, 1, 2),
        "softmax": (softmax, 1, 2),
        "normalization": (normalized, 1, 2),
    }


def memory(library: Library, emulated: bool) -> dict[str, float]:
    """GB/s of kernels that memory bounds, over 64M values in rows of 4096; what must be moved counts."""
    import numpy as np

    rows, columns = (16, 64) if emulated else (1 << 14, 1 << 12)
    rng = np.random.default_rng(0)
    arrays = [library.array(rng.standard_normal((rows, columns), dtype="float32")) for _ in range(2)]
    found = {}
    for name, (function, count, moved) in memory_cases(library).items():
        call = library.compiled(function)
        seconds = timed(lambda call=call, count=count: call(*arrays[:count]), library.wait, 0.02 if emulated else 1.0)
        found[name] = 4e-9 * moved * rows * columns / seconds
    return found


def convolution(library: Library, emulated: bool) -> dict[str, float]:
    """Milliseconds of a convolution, and of its two gradients."""
    import numpy as np

    if library.name == "addax":
        import addax
        from addax import ops

        def forward(x: Any, w: Any) -> Any:
            return ops.conv(x, w, padding="same")

        def gradients(x: Any, w: Any, g: Any) -> Any:
            with addax.GradientTape() as tape:
                tape.watch([x, w])
                total = ops.sum(forward(x, w) * g)
            return tape.gradient(total, [x, w])

    elif library.name == "torch":
        import torch

        def forward(x: Any, w: Any) -> Any:
            return torch.nn.functional.conv2d(x, w, padding="same")

        def gradients(x: Any, w: Any, g: Any) -> Any:
            return torch.ops.aten.convolution_backward(
                g, x, w, None, [1, 1], [w.shape[2] // 2] * 2, [1, 1], False, [0, 0], 1, [True, True, False]
            )[:2]

    else:
        import jax

        def forward(x: Any, w: Any) -> Any:
            return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def gradients(x: Any, w: Any, g: Any) -> Any:
            return jax.vjp(forward, x, w)[1](g)

    found = {}
    rng = np.random.default_rng(0)
    for batch, size, inputs, outputs, k in ((1, 6, 3, 4, 3),) if emulated else CONVOLUTIONS:
        shapes = [(batch, size, size, inputs), (k, k, inputs, outputs), (batch, size, size, outputs)]
        arrays = [library.array(rng.standard_normal(s, dtype="float32")) for s in shapes]
        if library.name == "torch":  # channels last, as it likes them on a GPU
            import torch

            x, w, g = arrays
            arrays = [x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), g.permute(0, 3, 1, 2)]
            arrays[1] = arrays[1].contiguous(memory_format=torch.channels_last)
        name = f"{batch} x {size}x{size}x{inputs}, {k}x{k} -> {outputs}"
        for what, function, used in (("forward", forward, arrays[:2]), ("gradients", gradients, arrays)):
            call = library.compiled(function)
            seconds = timed(lambda call=call, used=used: call(*used), library.wait, 0.02 if emulated else 1.0)
            found[f"{name} {what}"] = 1e3 * seconds
    return found


def training(library: Library, emulated: bool) -> dict[str, float]:
    """Milliseconds of a training step in `fit` over arrays in memory."""
    import numpy as np

    if library.name == "addax":
        import addax as keras
    else:
        import keras
    from workloads import WORKLOADS

    found = {}
    for short, name in list(MODELS.items())[: 1 if emulated else None]:
        w = WORKLOADS[name]
        for batch in (2,) if emulated else BATCHES:
            steps = 2 if emulated else 50
            keras.utils.set_random_seed(0)
            x, y = (np.resize(a, (batch * steps, *a.shape[1:])) for a in w.data())
            model = w.build(keras)
            # Keras compiles what JAX runs; PyTorch it compiles if asked.
            model.compile(optimizer="adam", loss=model.loss, metrics=["accuracy"], jit_compile=not emulated or "auto")

            def epoch(model: Any = model, x: Any = x, y: Any = y, batch: int = batch) -> None:
                model.fit(x, y, batch_size=batch, epochs=1, verbose=0)

            epoch()
            epoch()
            times = []
            for _ in range(1 if emulated else 5):
                start = time.perf_counter()
                epoch()  # ends by reading the logs, which waits
                times.append(time.perf_counter() - start)
            found[f"{short}, batch {batch}"] = 1e3 * statistics.median(times) / steps
    return found


def child(engine: str, emulated: bool) -> dict[str, Any]:
    """All measurements of one engine, in this process."""
    if engine != "addax":
        os.environ["KERAS_BACKEND"] = engine
    sys.path.insert(0, str(HERE))
    library = Library(engine, emulated)
    results: dict[str, Any] = {f.__name__: f(library, emulated) for f in (memory, convolution)}
    if engine == "addax" or importlib.util.find_spec("keras"):
        results["training"] = training(library, emulated)
    return {"device": library.device, **results}


def table(results: dict[str, dict[str, Any]], copy: float) -> str:
    """The measurements as text."""
    lines = []
    units = {
        "training": "training step, ms",
        "convolution": "convolution, ms",
        "memory": f"bound by memory, fraction of {copy:.0f} GB/s",
    }
    for what, title in units.items():
        rows = {e: r[what] for e, r in results.items() if what in r}
        lines.append(f"\n{title:44}" + "".join(f"{e:>12}" for e in rows) + f"{'of best':>12}")
        for name in rows["addax"]:
            values = [r[name] / copy if what == "memory" else r[name] for r in rows.values()]
            best = (max if what == "memory" else min)(values[1:], default=None)
            ratio = "" if best is None else f"{values[0] / best:12.2f}"
            lines.append(f"{name:44}" + "".join(f"{v:12.3f}" for v in values) + ratio)
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(sys.argv[2], sys.argv[3:] == ["--emulated"])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--json", help="the file to write; benchmarks/results/<device>-<date>.json unless given")
    parser.add_argument("--emulated", action="store_true", help="at tiny sizes, over the tests' emulated device")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from machine import write

    results: dict[str, dict[str, Any]] = {}
    for engine in ("addax", *(e for e in args.engines if e != "addax")):
        command = [sys.executable, __file__, "--child", engine, *(["--emulated"] if args.emulated else [])]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode == 0:
            results[engine] = json.loads(run.stdout.splitlines()[-1])
        elif engine == "addax":
            raise SystemExit(run.stderr[-2000:])
        else:
            print(f"{engine} is left out: {(run.stderr.splitlines() or ['?'])[-1]}")
    copy = copy_bandwidth(args.emulated)
    device = results["addax"]["device"]
    print(f"{device}, copies at {copy:.0f} GB/s\n{table(results, copy)}")
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-") + time.strftime("-%Y-%m-%d.json")
    file = args.json or str(HERE / "results" / name)
    write(file, {"device": device, "copy GB/s": copy}, results=results)
    print(f"\nwritten to {file}")


if __name__ == "__main__":
    main()
