"""Size, build time, import time and the cost of one small eager op, each beside its peer.

    python benchmarks/package.py [--build] [--json FILE]

Rounds of addax and its peers are interleaved and medians compared. The peers (keras with a backend, torch) are used
where they are installed. --build also builds the wheel from a clean copy of the sources and reports its time and size.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 15


# `import addax` loads names when they are used; the second line is what a first model pays.
IMPORTS = {
    "numpy": "import numpy",
    "addax": "import addax",
    "addax, everything used": "import addax; addax.layers, addax.models, addax.optimizers, addax.saving",
    "torch": "import torch",
    "keras": "import keras",
}


def seconds_to_import(statement: str) -> float:
    """Time inside a fresh interpreter, so that the interpreter's own start does not count."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    env = {"KERAS_BACKEND": "jax", **os.environ}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return float(run.stdout)


def import_times() -> dict[str, float]:
    names = [n for n in IMPORTS if importlib.util.find_spec(n.split(",")[0])]
    rounds: dict[str, list[float]] = {n: [] for n in names}
    for n in names:
        seconds_to_import(IMPORTS[n])  # fills the file cache and writes bytecode
    for i in range(ROUNDS):
        for n in names:
            if i < 5 or n.startswith(("numpy", "addax")):
                rounds[n].append(seconds_to_import(IMPORTS[n]))
    return {n: 1e3 * statistics.median(t) for n, t in rounds.items()}


def time_add(add, a, b, calls: int = 100_000) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        add(a, b)
    return 1e9 * (time.perf_counter() - start) / calls


def eager_add() -> dict[str, float]:
    import operator

    import numpy as np

    from addax import engine

    values = np.arange(4, dtype=np.float32)
    operands = {"addax": engine.tensor(values), "numpy": values}
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        operands["torch"] = torch.tensor(values)
    rounds: dict[str, list[float]] = {name: [] for name in operands}
    for _ in range(ROUNDS):
        for name, x in operands.items():
            rounds[name].append(time_add(operator.add, x, x))
    return {name: statistics.median(t) for name, t in rounds.items()}


def build_wheel() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        shutil.copytree(
            ROOT, source, ignore=shutil.ignore_patterns("build", "dist", ".git", "*.so", "__pycache__", ".venv*")
        )
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(source)], check=True)
        seconds = time.perf_counter() - start
        (wheel,) = Path(folder).glob("addax-*.whl")
        return {"build_s": seconds, "wheel_mb": wheel.stat().st_size / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="store_true", help="also build the wheel from clean sources")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()

    results: dict[str, object] = {"python": platform.python_version(), "processor": platform.processor() or "unknown"}
    imports = results["import_ms"] = import_times()
    print("import, median of fresh interpreters:")
    for module, ms in imports.items():
        print(f"  {module:24s} {ms:8.1f} ms")
    print(f"  addax over numpy: {imports['addax'] - imports['numpy']:.1f} ms (goal: at most 60)")

    adds = results["eager_add_ns"] = eager_add()
    print("a + b on four float32 from Python, median:")
    for name, ns in adds.items():
        print(f"  {name:8s} {ns:8.0f} ns")
    if "torch" in adds:
        print(f"  addax / torch: {adds['addax'] / adds['torch']:.2f} (goal: at most 1.5)")

    if args.build:
        build = results["build"] = build_wheel()
        print(
            f"wheel: {build['wheel_mb']:.1f} MB (goal: under 15), built in {build['build_s']:.0f} s (goal: under 360)"
        )
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
