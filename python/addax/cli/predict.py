"""`python -m addax predict m.addax input.npy`: runs an exported model on arrays from files."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", help="the .addax file")
    parser.add_argument("input", nargs="+", help=".npy files, one per input in order, or one .npz with inputs by name")
    parser.add_argument("--output", help="a .npy file for the result, or .npz for several by name; else it is printed")
    parser.add_argument("--endpoint", help="which function of the file; the first by default")
    parser.add_argument("--verify", action="store_true", help="check the weights and the recorded example first")


def run(arguments: argparse.Namespace) -> int:
    """Runs the model. Exit status 1 if a file cannot be read or does not fit."""
    import numpy as np

    from addax.export import load
    from addax.saving.files import atomic_file

    try:
        model = load(arguments.model, arguments.endpoint, arguments.verify)
        if model.initial_state() is not None:
            raise ValueError(f"{arguments.model}: the model has a state; run it from C++ or with addax.export.load")
        given = [np.load(path, allow_pickle=False) for path in arguments.input]
        if len(given) == 1 and isinstance(given[0], np.lib.npyio.NpzFile):
            with given[0] as named:
                inputs = [named[name] for name, _, _ in model.inputs]
        else:
            inputs = given
        results = _by_name(model, model(*map(_cast, inputs, [dtype for _, dtype, _ in model.inputs])))
        if arguments.output is None:
            for name, value in results.items():
                print(f"{name}: {value.dtype}{value.shape}\n{np.array2string(value, precision=6, threshold=100)}")
        else:
            with atomic_file(arguments.output) as file:
                if arguments.output.endswith(".npz"):
                    np.savez(file, **results)
                elif len(results) == 1:
                    np.save(file, next(iter(results.values())))
                else:
                    raise ValueError(f"--output: the model has {len(results)} outputs; expected a .npz file for them")
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _cast(array: Any, dtype: str) -> Any:
    """Arrays of another float or integer width as the model wants them: NumPy's own are 64 bits wide."""
    import numpy as np

    kinds = {"f": ("float16", "float32", "float64"), "i": ("int8", "int16", "int32", "int64", "uint8")}
    return array.astype(np.dtype(dtype)) if dtype in kinds.get(array.dtype.kind, ()) else array


def _by_name(model: Any, results: Any) -> dict[str, Any]:
    import numpy as np

    named = results if isinstance(results, dict) else {model.outputs[0][0]: results}
    return {name: np.asarray(value) for name, value in named.items()}
