"""`python -m addax info`: what runs here, for a person or a bug report."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import sys

# Module, pip name, what needs it, how to get it.
_OPTIONAL = (
    ("h5py", "h5py", "saving and loading", "pip install h5py"),
    ("sklearn", "scikit-learn", "the demo", 'pip install "addax[demo]"'),
    ("matplotlib", "matplotlib", "the demo's picture", 'pip install "addax[demo]"'),
    ("pytest", "pytest", "the tests", 'pip install "addax[test]"'),
    ("keras", "keras", "the tests, as an oracle", 'pip install "addax[test]"'),
    ("jax", "jax", "the tests, as an oracle", 'pip install "addax[test]"'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Prints the report."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)  # a report is not folded
    for title, rows in (("addax", engine_rows()), ("optional", optional_rows())):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), title=title, title_justify="left")
        table.title_style = "bold"
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)
        console.print()
    return 0


def engine_rows() -> list[tuple[str, str]]:
    """Returns name and value of what runs here."""
    import numpy

    import addax
    from addax import engine

    memory = engine.memory_stats()
    return [
        ("version", addax.__version__),
        ("python", f"{platform.python_version()}, numpy {numpy.__version__}"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processor", f"{_processor()}, {os.cpu_count()} logical cores"),
        ("engine", engine.name),
        ("instruction set", f"{engine.cpu_isa()} (ADDAX_ISA=baseline forces a lower one)"),
        ("threads", f"{engine.num_threads()} (ADDAX_NUM_THREADS or addax.config.set_num_threads)"),
        ("BLAS", str(engine.blas_info())),
        *_device_rows(),
        ("memory", f"{_machine_memory()}; addax holds {memory['live']:,} bytes, caches {memory['cached']:,} bytes"),
        ("installed in", os.path.dirname(os.path.abspath(addax.__file__))),
    ]


def optional_rows() -> list[tuple[str, str]]:
    """Returns every optional package with its version, or how to get it."""
    rows = []
    for module, package, purpose, command in _OPTIONAL:
        if importlib.util.find_spec(module) is None:
            rows.append((package, f"missing, for {purpose}: {command}"))
        else:
            rows.append((package, f"{importlib.metadata.version(package)}, for {purpose}"))
    return rows


def _device_rows() -> list[tuple[str, str]]:
    from addax import engine

    names = engine.devices()
    rows = [
        ("devices", ", ".join(names)),
        ("default device", f"{engine.default_device()} (ADDAX_DEVICE or addax.config.set_default_device)"),
    ]
    for name in names:
        if name.startswith("cpu"):
            continue
        info = engine.device_info(name)
        rows.append((name, f"{info['name']}, {info['free'] / 2**30:.1f} of {info['memory'] / 2**30:.1f} GiB free"))
        rows += info["libraries"].items()
    problem = engine.device_problem()
    return [*rows, ("CUDA", f"missing: {problem}")] if problem else rows


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def _machine_memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB in the machine"
    except (ValueError, OSError, AttributeError):  # not POSIX
        return "size unknown"
