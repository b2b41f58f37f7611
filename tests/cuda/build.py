"""Builds the CUDA column against emulation.h, with the host's compiler, and opens it as the device `cuda`.

`python -m tests.cuda.build` builds only, and says how long it took.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "-std=c++17",
    "-O1",
    "-g0",
    "-fPIC",
    "-fwrapv",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-DADDAX_EMULATED",
    f'-DADDAX_ROOT="{ROOT}"',
    "-w",
)


def _sources() -> list[Path]:
    kernels = [p for p in sorted((ROOT / "cuda").glob("*.cu")) if p.name != "runtime.cu"]
    return [*kernels, *sorted((ROOT / "tests/cuda").glob("*.cc")), ROOT / "cpp/ops/scalar_math.cc"]


def _stamp(compiler: str) -> str:
    """What the library depends on: sources, headers that they may include, compiler."""
    digest = hashlib.sha256(compiler.encode())
    folders = ("cuda", "tests/cuda", "cpp/core", "cpp/ops", "cpp/include")
    kinds = (".cu", ".cc", ".h", ".cuh", ".def", ".py", ".txt", ".cmake")
    for path in sorted(p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in kinds):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build() -> Path:
    """Returns the library's path."""
    import addax

    compiler = os.environ.get("CXX", "c++")
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    folder = ROOT / "build/emulated"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"libaddax_emulated-{_stamp(compiler)}.so"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if library.exists():
            return library
        include = [f"-I{ROOT / p}" for p in (".", "cpp", "cpp/include", "tests/cuda", "build/emulated")]
        embed = ["cmake", f"-DTO={folder / 'embedded.inc'}", "-P", ROOT / "cuda/embed.cmake"]
        subprocess.run(embed, check=True)

        def compile_one(source: Path) -> Path:
            target = folder / (source.name + ".o")
            subprocess.run([*launcher, compiler, *FLAGS, *include, "-x", "c++", "-c", source, "-o", target], check=True)
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, _sources()))
        libaddax = Path(addax.__file__).parent / "lib"
        # Into a file of another name first: whoever finds the library finds it whole.
        unfinished = library.with_suffix(".part")
        link = [
            compiler,
            "-shared",
            "-Wl,-z,defs",
            "-o",
            unfinished,
            *objects,
            f"-L{libaddax}",
            "-laddax",
            f"-Wl,-rpath,{libaddax}",
        ]
        subprocess.run(link, check=True)
        unfinished.rename(library)
    return library


@cache
def emulation() -> ctypes.CDLL:
    """Opens the library as device `cuda` of this process."""
    from addax import _core

    path = build()
    _core._open_plugin(str(path))
    return ctypes.CDLL(str(path))


if __name__ == "__main__":
    start = time.perf_counter()
    print(f"{build().name}: {time.perf_counter() - start:.0f} s")
