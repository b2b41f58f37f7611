"""Races single ops: addax beside PyTorch, JAX and NumPy, each as a fraction of what this machine can do.

    python benchmarks/ops.py [--only TEXT ...] [--engines addax torch jax numpy] [--rounds 7] [--threads 2]
                             [--json FILE]

Every engine is a process of its own that waits while others work; rounds are interleaved, and medians compared. The
floor of an op is the longer of its arithmetic at the peak rate and its necessary traffic at the rate of a large copy
(benchmarks/machine.py). Both limits are measured right after each measurement of addax, which is a fraction of them:
on a shared machine they change within seconds. Small ops that stay in cache may beat a floor of traffic. Peers that are
not installed are left out: `pip install ".[bench]"` brings all.

The ops are in `op_cases.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import about, least, limits, processor, typical, write
from op_cases import ENGINES, cases

SLICE = 0.1  # seconds of one measurement


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
            call = jax.jit(lambda *t: run(module, *t)) if engine == "jax" else (lambda *t: run(module, *t))  # noqa: B023
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


def race(
    names: list[str], engines: list[str], rounds: int, threads: int, report: Callable
) -> tuple[dict[str, dict], dict[str, dict]]:
    """The seconds of each op on each engine. And its flops and bytes, the machine's limits meanwhile, and the part of
    its floor at them that the first of the engines reaches. All are medians of the rounds."""
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

    results, floors = {}, {}
    for name in names:
        taking = [e for e in engines if e in table[name].run]
        taken: dict[str, list[float]] = {e: [] for e in taking}
        reached = []
        for _ in range(rounds):
            for e in taking:
                taken[e].append(measure(e, name))
                if e == taking[0]:
                    now = limits(threads)
                    floor = max(least(table[name].flops, table[name].traffic, now))
                    reached.append(now | {"of the floor": floor / taken[e][-1]})
        results[name] = {e: statistics.median(t) for e, t in taken.items()}
        floors[name] = {"flops": table[name].flops, "bytes": table[name].traffic} | typical(reached)
        report(name, results[name], floors[name])
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return results, floors


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
    table = cases()
    names = [n for n in table if not args.only or any(t in n for t in args.only)]
    engines = [e for e in ENGINES if e in args.engines and importlib.util.find_spec(e)]
    print(f"{processor()}, {args.threads} threads")
    print(f"{'':52}" + "".join(f"{e:>10}" for e in engines) + "   ms   rate of addax      of floor  addax / best peer")

    def report(name: str, times: dict[str, float], floor: dict[str, float]) -> None:
        line = name.ljust(52) + "".join(f"{1e3 * times[e]:10.3f}" if e in times else " " * 10 for e in engines)
        if "addax" in times:
            own = times["addax"]
            arithmetic, memory = least(floor["flops"], floor["bytes"], floor)
            amount, unit = (floor["flops"], "GFLOP/s") if arithmetic > memory else (floor["bytes"], "GB/s   ")
            rate = f"{amount / own / 1e9:8.1f} {unit}"
            line += f"   {rate:>18}{floor['of the floor']:10.2f}"
            peers = [t for e, t in times.items() if e != "addax"]
            line += f"{own / min(peers):12.2f}" if peers else ""
        print(line, flush=True)

    results, floors = race(names, engines, args.rounds, args.threads, report)
    if args.json:
        usual = typical([{key: f[key] for key in ("peak GFLOP/s", "copy GB/s")} for f in floors.values()])
        write(args.json, about(args, usual), seconds=results, floors=floors)


if __name__ == "__main__":
    main()
