"""Races one trained model's inference: C++ over the exported file, Python, ONNX Runtime, stock Keras on JAX.

    python benchmarks/inference.py [--only TEXT ...] [--rounds 5] [--threads 2] [--json FILE]

Every runner is a process that lives through the race; in each round they take turns. Latency of one example (p50 and
p99 in microseconds) and examples per second in batches of 32; medians over the rounds. Peers that are not installed
are left out: `pip install ".[bench]"` brings all. Then: how long a model of 100 MB takes to load from a warm cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODELS = ("tabular", "MLP 784", "LeNet", "LSTM 100", "Transformer", "ResNet")
RUNNERS = {
    "C++ Model::run": None,
    "addax model(x)": "addax",
    "ONNX Runtime": "onnxruntime",
    "Keras predict": "keras",
    "Keras model(x)": "keras",
}


def build(folder: Path) -> Path:
    """Compiles inference.cc against the package."""
    import addax

    package = Path(addax.__file__).parent
    include = package / "include" if (package / "include").is_dir() else HERE.parent / "cpp" / "include"
    program = folder / "inference"
    flags = ["-std=c++17", "-O2", f"-I{include}", f"-L{package / 'lib'}", f"-Wl,-rpath,{package / 'lib'}"]
    subprocess.run(["c++", *flags, str(HERE / "inference.cc"), "-laddax", "-o", str(program)], check=True)
    return program


def runner(kind: str, name: str, folder: str, threads: int) -> Callable[[Any], Any]:
    """A function of a batch, in this process."""
    if kind.startswith("Keras"):
        os.environ["KERAS_BACKEND"] = "jax"
    if kind == "ONNX Runtime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(f"{folder}/m.onnx", options, providers=["CPUExecutionProvider"])
        key = session.get_inputs()[0].name
        return lambda x: session.run(None, {key: x})[0]
    import importlib

    import numpy as np
    from workloads import WORKLOADS

    keras = importlib.import_module("keras" if kind.startswith("Keras") else "addax")
    model = WORKLOADS[name].build(keras)
    if kind == "Keras predict":
        return lambda x: model.predict(x, batch_size=32, verbose=0)
    return lambda x: np.asarray(model(x, training=False))


def serve(kind: str, name: str, folder: str, threads: int) -> None:
    """Does a round for each line that comes."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sys.path.insert(0, str(HERE))
    from workloads import WORKLOADS

    x, _ = WORKLOADS[name].data()
    run = runner(kind, name, folder, threads)
    one, many = x[:1], x[:32]
    run(one), run(many)
    for _ in sys.stdin:
        times = []
        begin = time.perf_counter()
        while len(times) < 50 or (time.perf_counter() - begin < 0.5 and len(times) < 20000):
            start = time.perf_counter()
            run(one)
            times.append(time.perf_counter() - start)
        times.sort()
        start, runs = time.perf_counter(), 0
        while runs < 5 or time.perf_counter() - start < 0.5:
            run(many)
            runs += 1
        throughput = 32 * runs / (time.perf_counter() - start)
        p50, p99 = 1e6 * times[len(times) // 2], 1e6 * times[len(times) * 99 // 100]
        print(json.dumps({"p50": p50, "p99": p99, "throughput": throughput}), flush=True)


def race(name: str, program: Path, rounds: int, threads: int) -> dict[str, dict[str, float]]:
    from workloads import WORKLOADS

    import addax

    with tempfile.TemporaryDirectory() as folder:
        model = WORKLOADS[name].build(addax)
        model.export(f"{folder}/m.addax", verbose=False)
        kinds = [k for k, package in RUNNERS.items() if package is None or importlib.util.find_spec(package)]
        if "ONNX Runtime" in kinds:
            model.export(f"{folder}/m.onnx", verbose=False)
        environment = dict(os.environ)
        for variable in ("ADDAX_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[variable] = str(threads)
        processes = {}
        for kind in kinds:
            own = [str(program), "latency", f"{folder}/m.addax", str(threads)]
            other = [sys.executable, __file__, "--serve", kind, name, folder, str(threads)]
            processes[kind] = subprocess.Popen(
                own if kind == "C++ Model::run" else other,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, process in processes.items():
                process.stdin.write("go\n")
                process.stdin.flush()
                taken[kind].append(json.loads(process.stdout.readline()))
        for process in processes.values():
            process.stdin.close()
            process.wait()
    return {k: {m: statistics.median(r[m] for r in runs) for m in runs[0]} for k, runs in taken.items()}


def show(name: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"\n{name}\n{'':18}{'p50 us':>10}{'p99 us':>10}{'batch 32, 1/s':>16}")
    for kind, r in rows.items():
        print(f"{kind:18}{r['p50']:10.1f}{r['p99']:10.1f}{r['throughput']:16.0f}", flush=True)


def loading(program: Path) -> dict[str, float]:
    """Of a model with 100 MB of weights."""
    import addax

    with tempfile.TemporaryDirectory() as folder:
        dense = addax.layers.Dense
        model = addax.Sequential([addax.Input((5000,)), dense(2500), dense(5000)])
        path = f"{folder}/large.addax"
        model.export(path, verbose=False)
        Path(path).read_bytes()  # into the cache
        done = subprocess.run([str(program), "load", path], capture_output=True, text=True, check=True)
        return {"file MB": os.path.getsize(path) / 1e6, **json.loads(done.stdout)}


def main() -> None:
    sys.path.insert(0, str(HERE))
    if sys.argv[1:2] == ["--serve"]:
        kind, name, folder, threads = sys.argv[2:]
        serve(kind, name, folder, int(threads))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(MODELS), help="models whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the numbers to this file")
    args = parser.parse_args()
    from machine import about, limits, write
    from workloads import WORKLOADS

    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        results = {}
        for name in WORKLOADS:
            if any(text.lower() in name.lower() for text in args.only):
                results[name] = race(name, program, args.rounds, args.threads)
                show(name, results[name])
        load = loading(program)
        print("\n" + ", ".join(f"{k} {v:.3g}" for k, v in load.items()))
    if args.json:
        write(args.json, about(args, limits(args.threads)), results=results, loading=load)


if __name__ == "__main__":
    main()
