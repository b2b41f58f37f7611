"""Model: a layer that is trained, saved and summarized as a whole.

Graphs of layers are in `functional.py`, stacks in `sequential.py`, training in `trainers/`, files in `saving/`.
"""

from __future__ import annotations

import copyreg
import functools
import json
from collections.abc import Callable
from typing import Any

from addax import saving
from addax.layers.layer import Layer
from addax.trainers.trainer import Trainer


class Model(Trainer, Layer):
    """A layer that is trained, saved and summarized as a whole.

    There are three ways to make one: subclass it, with layers made in `__init__` and used in `call`; give it the inputs
    and outputs of a graph of layers, `Model(inputs, outputs)`; or stack layers in a `Sequential`.

    Args:
        inputs: KerasTensors in any structure, where the graph begins; only for a model made of a graph.
        outputs: KerasTensors in any structure, where it ends.
        name: A name without `/`, made up if not given.
        **kwargs: Arguments of `Layer`.

    Example:

    >>> class Classifier(addax.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = addax.layers.Dense(8, activation="relu")
    ...         self.scores = addax.layers.Dense(3)
    ...     def call(self, x):
    ...         return self.scores(self.hidden(x))
    >>> Classifier()(addax.ops.ones((2, 4))).shape
    (2, 3)
    >>> x = addax.Input((4,))
    >>> addax.Model(x, addax.layers.Dense(3)(x))(addax.ops.ones((2, 4))).shape
    (2, 3)
    """

    def __new__(cls, *args, **kwargs):
        if cls is Model and _is_graph(args, kwargs):
            from addax.models.functional import Functional

            return super().__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        from addax.models.functional import Functional

        if _is_graph(args, kwargs) and not isinstance(self, Functional):
            # A subclass that passes its graph to super().__init__: the instance becomes a Functional of that class.
            self.__class__ = _functional_class(type(self))
            Functional.__init__(self, *args, **kwargs)
            return
        Trainer.__init__(self)
        Layer.__init__(self, *args, **kwargs)

    def call(self, *args, **kwargs):
        """The computation; written by subclasses."""
        raise NotImplementedError(f"Model {type(self).__name__} does not have a `call()` method implemented.")

    def _pass_mask(self, inputs: Any, outputs: Any, mask: Any) -> None:
        # The layers inside have passed on the masks that they were given.
        if self.supports_masking:
            super()._pass_mask(inputs, outputs, mask)

    def __reduce__(self) -> tuple:
        """`pickle` and `copy.deepcopy` make what saving and loading a `.keras` file would, once there are weights."""
        if not self.built:
            state = {**self.__getstate__(), "_steps": None}  # they are this model's
            return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]
        from addax.saving.api import reduce_model

        return reduce_model(self)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly in the model."""
        return self._sublayers()

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer of the model.

        Args:
            name: Its name.
            index: Its place in `layers`, in place of a name.

        Raises:
            ValueError: If there is no such layer.
        """
        if index is not None and name is not None:
            raise ValueError(f"Provide only a layer name or a layer index. Received: index={index}, name={name}.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: list[str] | None = None,
    ) -> None:
        """Prints a table of the layers, their output shapes and numbers of weights.

        Args:
            line_length: Width of the table in characters.
            positions: Where the columns end, as fractions of the width or in characters.
            print_fn: Called with the text in place of printing it.
            expand_nested: Whether to show the layers inside nested models.
            show_trainable: Whether to show which layers are trainable.
            layer_range: Names, or patterns of names, of the first and the last layer to show.

        Raises:
            ValueError: If an argument is out of its domain.
        """
        from addax.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs) -> None:
        """Saves architecture, weights and optimizer to a file that `load_model` reads; see `addax.saving.save_model`.

        Args:
            filepath: Path that ends in `.keras`.
            overwrite: Whether to replace an existing file without asking.
            zipped: Whether to write one zip file; a folder if false.
            **kwargs: Further arguments of `save_model`.
        """
        saving.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Saves the weights; see `addax.saving.save_weights`.

        Args:
            filepath: Path that ends in `.weights.h5`.
            overwrite: Whether to replace an existing file without asking.
            max_shard_size: Size in GB above which the weights are split over several files.
        """
        saving.save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs) -> None:
        """Loads weights from a file; see `addax.saving.load_weights`.

        Args:
            filepath: Path to a `.weights.h5` or `.keras` file.
            skip_mismatch: Whether to leave out layers whose weights do not fit.
            **kwargs: Further arguments of `load_weights`.
        """
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str | None = None,
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes the model's inference to a file that runs without Python.

        Args:
            filepath: The file's path.
            format: `"addax"`, for `addax::Model` in C++ and `addax.export.load`, or `"onnx"`. `None`: what the end of
                the path says, `.onnx` or anything else.
            verbose: Whether to print what was written; `None` is True.
            input_signature: A list with one structure of `InputSpec`s for each argument of `call`; dims of `None` may
                have any size. Needed for subclassed models only.

        Raises:
            ValueError: If the format is another one, the inputs are not known, or what the model computes depends on
                sizes in a way that no file can tell.

        Example:

        >>> import os, tempfile
        >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
        >>> path = os.path.join(tempfile.mkdtemp(), "m.addax")
        >>> model.export(path, verbose=False)
        >>> addax.export.load(path).inputs
        [('input', 'float32', ('batch', 3))]
        """
        from addax.export.archive import export_model

        if kwargs:
            raise ValueError(f"export: unknown arguments {', '.join(kwargs)}")
        export_model(self, filepath, format, verbose, input_signature)

    def export_training(
        self, filepath: Any, input_signature: Any = None, target_signature: Any = None, verbose: bool | None = None
    ) -> None:
        """Writes the model's training step to a file that trains without Python (`addax::Trainer` in C++).

        The file also serves: its second endpoint is the model's inference, over the same weights. After training, the
        C++ program saves the file again, and `addax.export.load_weights` reads it.

        Args:
            filepath: The file's path.
            input_signature: As for `export`.
            target_signature: A structure of `InputSpec`s of the targets; by default like the model's outputs, with the
                dtype and shape that the loss gets. Sparse labels need `InputSpec(shape=(None,), dtype="int32")`.
            verbose: Whether to print what was written; `None` is True.

        Raises:
            ValueError: If the model is not compiled, or a signature is not known.

        Example:

        >>> import os, tempfile
        >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> path = os.path.join(tempfile.mkdtemp(), "t.addax")
        >>> model.export_training(path, verbose=False)
        >>> addax.export.load(path).endpoints
        ['train', 'serve']
        """
        from addax.export.archive import export_training

        export_training(self, filepath, input_signature, target_signature, verbose)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict:
        """Returns all variables as nested dicts, keyed by the parts of their paths.

        Args:
            value_format: `"backend_tensor"` or `"numpy_array"`.

        Raises:
            ValueError: If `value_format` is neither, or two variables have the same path.
        """
        if value_format not in ("backend_tensor", "numpy_array"):
            raise ValueError(
                "Invalid `value_format` argument. Expected one of {'numpy_array', 'backend_tensor'}. "
                f"Received: value_format={value_format}"
            )
        return {
            kind: _nested(
                {v.path: v.numpy() if value_format == "numpy_array" else v.value for v in variables}, variables
            )
            for kind, variables in self._state().items()
        }

    def set_state_tree(self, state_tree: dict) -> None:
        """Assigns to all variables named in a tree.

        Args:
            state_tree: What `get_state_tree` returned, or a part of it.

        Raises:
            ValueError: If the tree names something that the model does not have.
        """
        state = self._state()
        for kind, values in state_tree.items():
            if kind not in state:
                raise ValueError(f"Unknown variable name: {kind}. Expected one of {list(state)}")
            own = {v.path: v for v in state[kind]}
            for path, value in _flat(values).items():
                if path not in own:
                    raise ValueError(f"set_state_tree: the model has no variable '{path}' among its {kind}")
                own[path].assign(value)

    def _state(self) -> dict[str, list]:
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": self.optimizer.variables if self.optimizer else [],
            "metrics_variables": self.metrics_variables,
        }

    def to_json(self, **kwargs) -> str:
        """Returns the architecture as JSON text, for `model_from_json`; weights are not in it.

        Args:
            **kwargs: Arguments of `json.dumps`.
        """
        return json.dumps(saving.serialize_keras_object(self), **kwargs)

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Model:
        """Makes a model of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further classes and functions by name.
        """
        if {"layers", "input_layers", "output_layers"} <= set(config):
            from addax.models.functional_config import model_from_graph_config

            return model_from_graph_config(cls, config, custom_objects)
        with saving.custom_object_scope(custom_objects or {}):
            return super().from_config(config)


def model_from_json(json_string: str, custom_objects: dict | None = None) -> Model:
    """Makes a model, without its weights, of what `model.to_json()` returned.

    Args:
        json_string: The text.
        custom_objects: Further classes and functions by name.

    Returns:
        A model, not compiled unless the text says how.

    Raises:
        TypeError: If the text names an unknown class.

    Example:

    >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
    >>> addax.models.model_from_json(model.to_json()).output_shape
    (None, 2)
    """
    return saving.deserialize_keras_object(json.loads(json_string), custom_objects=custom_objects)


def _is_graph(args: tuple, kwargs: dict) -> bool:
    return len(args) == 2 or (len(args) == 1 and "outputs" in kwargs) or {"inputs", "outputs"} <= set(kwargs)


@functools.cache
def _functional_class(cls: type) -> type:
    from addax.models.functional import Functional

    return type(cls.__name__, (cls, Functional), {"__module__": cls.__module__, "__qualname__": cls.__qualname__})


def _nested(values: dict[str, Any], variables: list) -> dict:
    if len(values) != len(variables):
        raise ValueError(
            "The following variable paths are found twice in the model, so the tree is ambiguous: name the "
            f"layers differently. Paths: {sorted(v.path for v in variables)}"
        )
    result: dict = {}
    for path, value in values.items():
        *folders, name = path.split("/")
        node = result
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = value
    return result


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}/{key}" if prefix else key
        result.update(_flat(value, path) if isinstance(value, dict) else {path: value})
    return result
