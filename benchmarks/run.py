"""Races whole models: the same code on addax and on stock Keras over JAX, PyTorch and TensorFlow.

    python benchmarks/run.py [--only TEXT ...] [--engines addax jax torch tensorflow] [--rounds 3] [--threads 2]
                             [--near NS] [--json FILE]

Every measurement is a fresh process; processes of the engines are interleaved, and medians over the rounds compared.
Where a hypervisor moves the cores about, `--near 60` measures while they share a cache: see docs/performance.md.
Peers that are not installed are left out: `pip install ".[bench]"` brings all. Times are of wall clock.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENGINES = ("addax", "jax", "torch", "tensorflow")
# phase -> what one unit of it is
PHASES = {
    "fit": "ms/step",
    "evaluate": "ms/batch",
    "predict": "ms/batch",
    "predict one": "ms",
    "call one": "ms",
    "first epoch": "s",
    "memory": "MB",
}


def child(engine: str, name: str, threads: int, started: float) -> dict[str, float]:
    """All phases of one workload on one engine, in this process."""
    if engine != "addax":
        os.environ["KERAS_BACKEND"] = engine
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for variable in ("ADDAX_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import resource

    if engine == "addax":
        import addax as keras
    else:
        import keras

    if engine == "torch":
        import torch

        torch.set_num_threads(threads)
    import numpy as np

    sys.path.insert(0, str(HERE))
    from workloads import WORKLOADS

    w = WORKLOADS[name]
    keras.utils.set_random_seed(0)
    x, y = w.data()
    model = w.build(keras)
    model.fit(x, y, batch_size=w.batch, epochs=1, verbose=0)
    result = {"first epoch": time.time() - started}

    def median(run, least: int, seconds: float) -> float:
        times: list[float] = []
        while len(times) < least or (sum(times) < seconds and len(times) < 500):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    def materialize(output):
        return np.asarray(output.detach() if hasattr(output, "detach") and engine == "torch" else output)

    epochs = {"batch_size": w.batch, "verbose": 0}
    result["fit"] = median(lambda: model.fit(x, y, epochs=1, **epochs), 3, 2.0) / w.batches
    model.evaluate(x, y, **epochs)
    result["evaluate"] = median(lambda: model.evaluate(x, y, **epochs), 3, 1.0) / w.batches
    model.predict(x, **epochs)
    result["predict"] = median(lambda: model.predict(x, **epochs), 3, 1.0) / w.batches
    one = x[:1]
    model.predict(one, verbose=0)
    result["predict one"] = median(lambda: model.predict(one, verbose=0), 10, 0.5)
    materialize(model(one, training=False))
    result["call one"] = median(lambda: materialize(model(one, training=False)), 10, 0.5)
    result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    if engine == "addax":  # what a step must at least do
        stats = model._steps["train_step"].plans[-1].stats
        result |= {"flops": stats["flops"], "bytes": stats["bytes_moved"]}
    return result


_TRIES = 3  # of a process during which the cores were moved apart
_WAIT = 20  # seconds, at most, for them to be near


def measure(engine: str, name: str, threads: int, near: float) -> dict[str, float]:
    """What a process measures, with the nanoseconds from core to core: the more of those before and after it."""
    from machine import handover, limits

    command = [sys.executable, __file__, "--child", engine, name, str(threads)]
    for _ in range(_TRIES):
        end = time.time() + _WAIT
        apart = handover() if threads > 1 else 0.0
        while apart > near and time.time() < end:
            time.sleep(0.5)
            apart = handover()
        run = subprocess.run([*command, str(time.time())], capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{name} on {engine} failed:\n{run.stderr[-2000:]}")
        if threads > 1:
            apart = max(apart, handover())
        if apart <= near:
            break
    result = json.loads(run.stdout.splitlines()[-1]) | {"core to core": apart}
    return result | limits(threads) if engine == "addax" else result


def race(
    names: list[str], engines: list[str], rounds: int, threads: int, near: float
) -> dict[str, dict[str, dict[str, float]]]:
    from machine import typical

    results: dict[str, dict[str, dict[str, float]]] = {}
    for name in names:
        taken: dict[str, list[dict[str, float]]] = {e: [] for e in engines}
        for _ in range(rounds):
            for e in engines:
                taken[e].append(measure(e, name, threads, near))
        results[name] = {e: typical(runs) for e, runs in taken.items()}
        show(name, results[name])
    return results


def show(name: str, rows: dict[str, dict[str, float]]) -> None:
    peers = [e for e in rows if e != "addax"]
    print(f"\n{name}\n{'':22}" + "".join(f"{e:>12}" for e in rows) + ("  addax / best peer" if peers else ""))
    for phase, unit in PHASES.items():
        line = f"{phase} {unit}".ljust(22) + "".join(f"{rows[e][phase]:12.3f}" for e in rows)
        if peers and "addax" in rows:
            line += f"{rows['addax'][phase] / min(rows[e][phase] for e in peers):12.3f}"
        print(line, flush=True)
    print(f"{'core to core ns':22}" + "".join(f"{rows[e]['core to core']:12.0f}" for e in rows), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        engine, name, threads, started = sys.argv[2:]
        print(json.dumps(child(engine, name, int(threads), float(started))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="workloads whose name contains one of these")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--near",
        type=float,
        default=math.inf,
        metavar="NS",
        help="wait until the cores are so many nanoseconds apart or less, and repeat what ended otherwise",
    )
    parser.add_argument("--json", help="write the numbers to this file")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from machine import about, limits, write
    from workloads import WORKLOADS

    names = [n for n in WORKLOADS if not args.only or any(t.lower() in n.lower() for t in args.only)]
    engines = [e for e in args.engines if e == "addax" or (_has("keras") and _has(e))]
    results = race(names, engines, args.rounds, args.threads, args.near)
    if args.json:
        near = {"near ns": args.near} if args.near < math.inf else {}
        write(args.json, about(args, limits(args.threads) | near), results=results)


def _has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


if __name__ == "__main__":
    main()
