"""`python -m addax export model.keras m.addax`: a saved model to a file that runs without Python."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", help="the .keras file")
    parser.add_argument("file", help="what to write: m.addax or m.onnx")
    parser.add_argument("--format", choices=("addax", "onnx"), help="if the end of the name does not say it")
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(arguments: argparse.Namespace) -> int:
    """Loads the model and exports it. Exit status 1 if one of them fails."""
    from addax import models

    try:
        model = models.load_model(arguments.model, compile=False)
        model.export(arguments.file, format=arguments.format, verbose=not arguments.quiet)
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
