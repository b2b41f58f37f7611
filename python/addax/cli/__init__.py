"""The commands of `python -m addax`: those of `_COMMANDS`, each a file in this folder, and `--cmake-dir`.

To add a command: a file with `add_arguments(parser)` and `run(arguments) -> int`, and its name in `_COMMANDS`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

_COMMANDS = {
    "info": "what runs here: version, instruction set, threads, BLAS, memory; what is optional and missing",
    "demo": "train a small CNN on handwritten digits, test it, save and reload it, draw a picture",
    "export": "write a saved model as a file that runs in C++ (.addax) or elsewhere (.onnx)",
    "inspect": "what an .addax file holds: signature, ops, weights, size, FLOPs",
    "predict": "run an .addax file on arrays from .npy files",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: what follows `python -m addax`; from the command line by default.

    Returns:
        The exit status.

    Example:
        >>> from addax.cli import main
        >>> main(["--version"])
        addax 0.1.0
        0
    """
    parser = argparse.ArgumentParser(prog="python -m addax", description="The Keras API on a small native engine.")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--cmake-dir", action="store_true", help="print the folder of the CMake package (find_package)")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        importlib.import_module(f"addax.cli.{name}").add_arguments(command)
    chosen = parser.parse_args(arguments)
    if chosen.version:
        import addax

        print(f"addax {addax.__version__}")
        return 0
    if chosen.cmake_dir:
        return _print_cmake_dir()
    if chosen.command is None:
        parser.print_help()
        return 0
    return importlib.import_module(f"addax.cli.{chosen.command}").run(chosen)


def _print_cmake_dir() -> int:
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib", "cmake", "addax")
    if not os.path.isdir(folder):
        print(
            f"{folder} does not exist: the CMake package comes with the installed wheel (pip install .)",
            file=sys.stderr,
        )
        return 1
    print(folder)
    return 0
