"""ExportArchive: the functions of a model that a file will hold, traced and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from addax import ops, tree
from addax.compiled import make_graph
from addax.export.addax_file import dims_text, write_addax
from addax.export.endpoint import Endpoint, make_endpoint
from addax.layers.layer import Layer
from addax.models.functional import Functional
from addax.models.model import Model
from addax.models.sequential import Sequential
from addax.saving.files import local_path
from addax.variables import Variable

_FORMATS = ("addax", "onnx")
DEFAULT_ENDPOINT = "serve"
TRAIN_ENDPOINT = "train"
_ANY_SIZE = 64


class ExportArchive:
    """Collects functions with their input signatures and writes them to one file that runs without Python.

    Args:
        format: `"addax"`, which C++ programs load (`addax::Model`), or `"onnx"`, which holds one endpoint. `None`: what
            the name of the file says.

    Raises:
        ValueError: If the format is another one.

    Example:

    >>> import os, tempfile
    >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
    >>> archive = addax.export.ExportArchive()
    >>> archive.track(model)
    >>> signature = [addax.InputSpec(shape=(None, 3), dtype="float32")]
    >>> fn = archive.add_endpoint("double", lambda x: 2 * model(x), input_signature=signature)
    >>> path = os.path.join(tempfile.mkdtemp(), "m.addax")
    >>> archive.write_out(path, verbose=False)
    >>> addax.export.load(path).endpoints
    ['double']
    """

    def __init__(self, format: str | None = None, **kwargs: Any):
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to ExportArchive: {', '.join(kwargs)}")
        self.format = None if format is None else _known_format(format)
        self._endpoints: dict[str, Endpoint] = {}
        self._resources: list[Any] = []
        self._collections: dict[str, list[Variable]] = {}

    def track(self, resource: Any) -> None:
        """Notes a layer or model whose variables keep their names in the file.

        Args:
            resource: A built layer or model.

        Raises:
            ValueError: If it is none, or not built.
        """
        if not isinstance(resource, Layer):
            raise ValueError(
                "Invalid resource type. Expected an instance of a Keras `Layer` or `Model`. "
                f"Received: {resource} of type {type(resource)}"
            )
        if not resource.built:
            raise ValueError(
                f"The layer {resource.name} has not been built. Call it on some data, or give a Sequential model an "
                "Input, before it is exported."
            )
        if resource not in self._resources:
            self._resources.append(resource)

    def add_endpoint(self, name: str, fn: Callable, input_signature: Any = None, **kwargs: Any) -> Callable:
        """Traces a function under a name.

        Args:
            name: The endpoint's name; each may be given once.
            fn: A function of tensors, such as `model.call`.
            input_signature: A list with one structure of `InputSpec`s, `KerasTensor`s or tensors for each argument. A
                dim of `None` may have any size.

        Returns:
            The function.

        Raises:
            ValueError: If the name is taken, the signature is missing, or what the function computes depends on the
                sizes in a way that no file can tell.
        """
        if kwargs:
            raise ValueError(f"add_endpoint: unknown arguments {', '.join(kwargs)}")
        self._check_free(name)
        if input_signature is None:
            raise ValueError(
                f"The input signature of endpoint '{name}' is not known. Provide the argument `input_signature`: a "
                "list of addax.InputSpec(shape=..., dtype=...), one for each argument of the function."
            )
        self._add(name, fn, input_signature)
        return fn

    def track_and_add_endpoint(self, name: str, resource: Any, input_signature: Any, **kwargs: Any) -> None:
        """Does `track` and `add_endpoint` for a layer or model, called for inference.

        Args:
            name: The endpoint's name.
            resource: The layer or model.
            input_signature: As for `add_endpoint`.
        """
        self.track(resource)
        takes_training = resource._signature().takes_training

        def fn(*args: Any) -> Any:
            return resource(*args, training=False) if takes_training else resource(*args)

        self._check_free(name)
        if isinstance(resource, Functional | Sequential) and hasattr(resource, "inputs"):
            names = {"names": _input_names(resource), "output_names": _output_names(resource)}
            self._add(name, fn, input_signature, **names, **kwargs)
        else:
            self._add(name, fn, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Sequence[Variable]) -> None:
        """Names variables that belong to no tracked layer.

        Args:
            name: The collection's name; the variables' names in the file begin with it.
            variables: A list of variables.

        Raises:
            ValueError: If it is no list of variables.
        """
        if not isinstance(variables, (list, tuple, set)) or not all(isinstance(v, Variable) for v in variables):
            raise ValueError(
                f"Expected `variables` to be a list/tuple/set of variables. Received: {type(variables)} of "
                f"{sorted({type(v).__name__ for v in variables})}"
            )
        self._collections[name] = list(variables)

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Writes the file: whole, or not at all.

        Args:
            filepath: Its path; without a format, `.onnx` at its end says ONNX, and anything else `.addax`.
            options: Must be `None`.
            verbose: Whether to print what was written.

        Raises:
            ValueError: If there is no endpoint, or several for ONNX.
        """
        if options is not None:
            raise ValueError("write_out: `options` are TensorFlow's; expected None")
        if not self._endpoints:
            raise ValueError("No endpoints have been set yet. Call add_endpoint().")
        path = local_path(filepath)
        endpoints = list(self._endpoints.values())
        if (self.format or _format_of(path)) == "onnx":
            from addax.export.onnx import export_onnx

            if len(endpoints) > 1:
                raise ValueError(f"An ONNX file holds one endpoint. Received: {', '.join(self._endpoints)}")
            export_onnx(endpoints[0], path, self._resources[0] if self._resources else None)
        else:
            names = self._names()
            write_addax(endpoints, path, lambda box: names.get(box.id, ""))
        if verbose:
            _report(path, endpoints)

    def _check_free(self, name: str) -> None:
        if name in self._endpoints:
            raise ValueError(f"Endpoint name '{name}' is already taken.")

    def _add(self, name: str, fn: Callable, signature: Any, **kwargs: Any) -> None:
        signature = signature if isinstance(signature, (list, tuple)) else [signature]
        self._endpoints[name] = make_endpoint(name, fn, signature, variable_names=self._name_of, **kwargs)

    def _name_of(self, box: Any) -> str:
        """The name of one of the engine's variables. For a few; all of them are in `_names`."""
        return self._names().get(box.id, "")

    def _names(self) -> dict[int, str]:
        """The names of all variables, by the engine's number: found by a walk over the layers."""
        names: dict[int, str] = {}
        for collection, variables in self._collections.items():
            names.update((v._box.id, f"{collection}/{v.name}") for v in variables)
        for resource in self._resources:
            names.update((v._box.id, v.path) for v in resource.variables)
        return names


def export_model(
    model: Model, filepath: Any, format: str | None = None, verbose: bool | None = None, input_signature: Any = None
) -> None:
    """Writes a model's inference. See `Model.export`."""
    archive = ExportArchive(format or _format_of(local_path(filepath)))
    archive.track_and_add_endpoint(DEFAULT_ENDPOINT, model, input_signature or input_signature_of(model))
    archive.write_out(filepath, verbose=True if verbose is None else bool(verbose))


def export_training(
    model: Model, filepath: Any, input_signature: Any = None, target_signature: Any = None, verbose: bool | None = None
) -> None:
    """Writes a compiled model's training step. See `Model.export_training`."""
    if not getattr(model, "compiled", False):
        raise ValueError("You must call `compile()` before exporting a training step.")
    inputs = input_signature or input_signature_of(model)
    if target_signature is None:
        if not hasattr(model, "outputs"):
            raise ValueError("export_training: expected a `target_signature`, since the model's outputs are not known")
        target_signature = _targets(model)
    signature = [inputs[0] if len(inputs) == 1 else tuple(inputs), target_signature]
    archive = ExportArchive("addax")
    archive.track(model)

    def train(x: Any, y: Any) -> dict[str, Any]:
        return model.train_step((x, y))

    _make_states(model, train, signature)
    model.reset_metrics()
    names = archive._names()
    names |= {v._box.id: f"optimizer/{v.path}" for v in model.optimizer.variables}
    names |= {v._box.id: f"metrics/{v.path}" for metric in model.metrics for v in metric.variables}

    def name_of(box: Any) -> str:
        return names.get(box.id, "")

    targets = tree.flatten(target_signature)
    target_names = ["target"] if len(targets) == 1 else [f"target_{i}" for i in range(len(targets))]
    endpoints = [
        make_endpoint(
            TRAIN_ENDPOINT,
            train,
            signature,
            names=[*_input_names(model, inputs), *target_names],
            variable_names=name_of,
            fixed_states=False,
        )
    ]
    archive.track_and_add_endpoint(DEFAULT_ENDPOINT, model, inputs, fold=False)
    endpoints += archive._endpoints.values()
    path = local_path(filepath)
    write_addax(endpoints, path, name_of)
    if verbose is None or verbose:
        _report(path, endpoints)


def input_signature_of(model: Model) -> list:
    """The signature of a model's `call`, one structure for each argument.

    Raises:
        ValueError: If the model's inputs are not known.
    """
    if isinstance(model, Functional):
        return [model._inputs_struct]
    if isinstance(model, Sequential) and model.built and model.inputs:
        return [model.inputs[0]]
    raise ValueError(
        f"The inputs of model '{model.name}' are not known, since it is a subclass. Provide `input_signature`: a list "
        "of addax.InputSpec(shape=..., dtype=...), one structure for each argument of its call."
    )


def _make_states(model: Model, step: Callable, signature: Sequence[Any]) -> None:
    """Makes what a first step would: the optimizer's state and the metrics'. Nothing is computed."""
    model.optimizer.build(model.trainable_variables)

    def example(x: Any) -> Any:
        return ops.zeros([_ANY_SIZE if d is None else d for d in x.shape], x.dtype)

    make_graph(step)(*tree.map_structure(example, tuple(signature)))


def _targets(model: Model) -> Any:
    return model.outputs[0] if len(model.outputs) == 1 else list(model.outputs)


def _input_names(model: Any, inputs: Any = None) -> list[str] | None:
    if isinstance(model, Functional):
        return model.input_names
    given = getattr(model.inputs[0], "name", "") if isinstance(model, Sequential) and model.inputs else ""
    if given and not re.fullmatch(r"input_layer(_\d+)?", given):  # the name that the user chose
        return [given]
    count = len(tree.flatten(inputs)) if inputs is not None else 1
    return ["input"] if count == 1 else [f"input_{i}" for i in range(count)]


def _output_names(model: Any) -> list[str] | None:
    if isinstance(model, Functional):
        return model.output_names
    return [model.layers[-1].name] if model.layers else None


def _format_of(path: str) -> str:
    return "onnx" if path.endswith(".onnx") else "addax"


def _known_format(format: str) -> str:
    if format not in _FORMATS:
        raise ValueError(
            f"Unrecognized format={format!r}. Supported formats are 'addax', which addax's C++ library loads, and "
            "'onnx'; TensorFlow's formats need TensorFlow, which addax does not use."
        )
    return format


def _report(path: str, endpoints: Sequence[Endpoint]) -> None:
    print(f"Saved artifact at '{path}'.\n")
    for endpoint in endpoints:
        print(_described(endpoint))


def _described(endpoint: Endpoint) -> str:
    """The signature as a person reads it."""
    graph = endpoint.graph

    def port(name: str, v: int) -> str:
        spec = graph.specs[v]
        return f"    {name}: {spec.dtype}({dims_text(spec)})"

    lines = [f"* Endpoint '{endpoint.name}'", "  Inputs:"]
    lines += [port(name, v) for name, v in zip(endpoint.input_names, graph.arguments, strict=True)]
    lines += ["  Outputs:"]
    lines += [port(name, v) for name, v in zip(endpoint.output_names, graph.results, strict=True)]
    return "\n".join(lines)
