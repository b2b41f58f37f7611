"""The native engine: the names of the extension module that the package uses, and how a graph is planned."""

import sys
from typing import Any

from addax import _core
from addax._core import (
    Graph,
    Model,
    Plan,
    Tape,
    Tensor,
    Trace,
    Variable,
    active_trace,
    apply,
    blas_info,
    compose,
    cpu_isa,
    current_device,
    default_device,
    device_info,
    device_problem,
    empty_cache,
    file_content,
    from_dlpack,
    host_tensor,
    is_recording,
    is_tracing,
    is_watched,
    memory_stats,
    num_threads,
    on_host,
    op_table,
    pass_names,
    placeholder,
    record_custom,
    rematerialize,
    replay,
    reset_peak_memory,
    result_type,
    run_pass,
    set_current_device,
    set_default_device,
    set_engine,
    set_memory_limit,
    set_num_threads,
    set_passes,
    set_tf32,
    set_winograd,
    signature,
    stop_recording,
    suspend_trace,
    switches,
    synchronize,
    take_rows,
    tensor,
    tf32,
    update,
    winograd,
)

__all__ = [
    "Graph",
    "Model",
    "Plan",
    "Tape",
    "Tensor",
    "Trace",
    "Variable",
    "active_trace",
    "apply",
    "blas_info",
    "compose",
    "cpu_isa",
    "current_device",
    "default_device",
    "device_info",
    "device_problem",
    "devices",
    "distribution",
    "empty_cache",
    "file_content",
    "from_dlpack",
    "host_tensor",
    "is_recording",
    "is_tracing",
    "is_watched",
    "memory_stats",
    "name",
    "num_threads",
    "on_host",
    "op_table",
    "pass_names",
    "placeholder",
    "plan",
    "record_custom",
    "rematerialize",
    "replay",
    "reset_peak_memory",
    "result_type",
    "run_pass",
    "set_current_device",
    "set_default_device",
    "set_memory_limit",
    "set_num_threads",
    "set_passes",
    "set_tf32",
    "set_winograd",
    "signature",
    "stop_recording",
    "suspend_trace",
    "switches",
    "synchronize",
    "take_rows",
    "tensor",
    "tf32",
    "update",
    "winograd",
]

# Where the libraries lie that pip brings for CUDA devices. Opening one is the plugin's, when it needs it.
_core.set_package_folders([folder for folder in sys.path if folder])

name = "native"
distribution: Any = None
"""What lays values over several devices: a module, if the engine has one."""


def start() -> None:
    """Lets the kernels of the extension module compute every row."""
    set_engine()


def devices(kind: str | None = None) -> list[str]:
    """The names of the devices of a kind: `"cpu"`, `"gpu"` (that of `"cuda"`), or all."""
    kind = kind and kind.lower().replace("gpu", "cuda")
    return [name for name in _core.devices() if kind in (None, name.partition(":")[0])]


def plan(trace: Trace, graph: Graph, memory_budget: int | None = None, without: str = "") -> Plan:
    """A plan of a finished trace's graph.

    Args:
        trace: The trace.
        graph: Its graph.
        memory_budget: The most bytes that a run may take for inner values and results; `None`: what it takes.
        without: A pass to leave out where there is no budget.

    Raises:
        ValueError: If the budget cannot be kept.
    """
    return trace.plan(graph, memory_budget, without)
