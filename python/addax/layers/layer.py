"""Layer: the base of all layers and models: building, calling, configs.

What it holds is in `state.py`; what a call needs besides the layer in `calls.py`; the demands on inputs in
`input_spec.py`; training in `trainers/`.
"""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from addax import constraints, dtype_policies, initializers, regularizers, tree
from addax.distribution.placement import lay_out_outputs
from addax.dtypes import FLOAT_DTYPES
from addax.engine import Tensor, tensor
from addax.layers.calls import CallSignature, call_with_shapes, calls, explain, mask_of, set_mask
from addax.layers.input_spec import check_inputs
from addax.layers.state import LayerState
from addax.ops import convert, symbolic
from addax.ops.keras_tensor import KerasTensor
from addax.ops.node import Node
from addax.ops.operation import Operation
from addax.variables import StatelessScope, Variable, abstract_variables, layer_scope, scopes


@functools.cache
def _parameters(function: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _managed_build(build: Callable) -> Callable:
    """A `build` method inside the layer's name scope that remembers its shapes and marks the layer as built."""

    @functools.wraps(build)
    def wrapper(self, *args, **kwargs):
        if self._building:  # called by the build method of a subclass
            return build(self, *args, **kwargs)
        outer = scopes.names
        scopes.names = (*outer, self.name)
        self._path = "/".join(scopes.names)
        self._building = True
        try:
            with symbolic.suspended():
                build(self, *args, **kwargs)
        finally:
            self._building = False
            scopes.names = outer
        self._build_shapes = {**dict(zip(_parameters(build)[1:], args, strict=False)), **kwargs}
        self.built = True
        self._locked = True

    return wrapper


class Layer(LayerState, Operation):
    """A function of tensors with weights: the base of all layers and models.

    Subclasses create weights in `build(input_shape)` with `add_weight`, other layers in `__init__`, and compute in
    `call`. Layers and variables are found wherever they are: in attributes, lists, tuples and dicts.

    Args:
        activity_regularizer: Penalty on the outputs, added to the losses (per example).
        trainable: Whether training changes the weights.
        dtype: Dtype or dtype policy: what the layer computes in and keeps its weights in; the global policy if `None`.
        autocast: Whether float inputs are cast to the compute dtype.
        name: A name without `/`, made up if not given.

    Raises:
        ValueError: If an argument is unknown or out of its domain.

    Example:

    >>> class Scale(addax.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
    ...     def call(self, x):
    ...         return x * self.factor
    >>> layer = Scale(name="scale")
    >>> layer(addax.ops.ones((2, 3))).shape
    (2, 3)
    >>> [w.path for w in layer.weights]
    ['scale/factor']
    """

    built: bool | None = None  # None: super().__init__() has not run
    supports_jit = True
    _allow_non_tensor_positional_args = False
    _call_signature: CallSignature | None = None

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        # Only configs that nobody wrote need the arguments.
        if cls.get_config is Layer.get_config and cls.__init__ is not Layer.__init__:
            self._init_arguments = (args, kwargs)
        return self

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._call_signature = None
        if "build" in cls.__dict__:
            cls.build = _managed_build(cls.__dict__["build"])

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs,
    ):
        input_shape = _legacy_input_shape(kwargs)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        super().__init__(name=name)
        if input_shape is not None:
            self._input_shape_arg = input_shape
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.dtype_policy = dtype
        self.built = False
        self._building = False
        self._locked = False
        self._build_shapes: dict[str, Any] | None = None
        self._path: str | None = None
        self._remat = scopes.remat  # the RematScope that it was made in
        self._trainable = bool(trainable)
        self._input_spec: Any = None
        self._accepted: tuple | None = None  # shape and dtype of the last input that satisfied the input spec
        self._supports_masking = type(self).compute_mask is not Layer.compute_mask
        self._weights: list[Variable] = []
        self._losses: list[Tensor] = []
        self._losses_token: object | None = None
        self._last_call: object | None = None

    # -- dtypes

    @property
    def dtype_policy(self):
        """The dtype policy."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = policy = dtype_policies.get(value)
        self._compute_dtype = policy.compute_dtype
        self._casts = self.autocast and policy.compute_dtype in FLOAT_DTYPES
        # Variables are read in the compute dtype where that differs from their own.
        self._variable_cast = policy.compute_dtype if self._casts and policy.name.startswith("mixed") else None

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self._dtype_policy.variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self._dtype_policy.compute_dtype

    @property
    def quantization_mode(self) -> str | None:
        """Always `None`: weights are not quantized."""
        return self._dtype_policy.quantization_mode

    # -- building

    def build(self, input_shape: Any) -> None:
        """Creates the weights; written by subclasses that have any.

        Without it, nested layers are built by running `call` on tensors of this shape that have no values.

        Args:
            input_shape: Shape of the first input, or a structure of shapes; `None` for dims that are not known.
        """
        if self._building:
            return
        self._mark_built(input_shape)
        if any(not layer.built for layer in self._tree()):
            spec = _specs_of(input_shape, self.input_dtype)
            with layer_scope(self.name):
                try:
                    symbolic.compute_output_spec(self.call, spec)
                except Exception as error:
                    self.built = False
                    raise ValueError(
                        f"{type(self).__name__}.build: running {self.name!r} on a {self.input_dtype} input of shape "
                        f"{input_shape} failed, so its layers could not be built. Call it on data instead, or write a "
                        f"build() method that builds them. The error was: {error}"
                    ) from error

    def _mark_built(self, input_shape: Any) -> None:
        self._path = "/".join((*scopes.names, self.name))
        self._build_shapes = {"input_shape": input_shape}
        self.built = True

    def _build_for(self, args: tuple, kwargs: dict) -> None:
        """Builds for the arguments of a call."""
        signature = self._signature()
        shapes = signature.shapes(args, kwargs)
        if symbolic.is_active():
            shapes = tree.map_shape_structure(symbolic.declared_shape, shapes)
        if signature.build_names is None:
            self._mark_built(next(iter(shapes.values()), None))
        else:
            call_with_shapes(self.build, signature.build_names, shapes)

    def get_build_config(self) -> dict | None:
        """Returns the shapes that the layer was built with, for `build_from_config`; `None` if it was not."""
        if self._build_shapes is None:
            return None
        if len(self._build_shapes) == 1:
            return {"input_shape": next(iter(self._build_shapes.values()))}
        return {"shapes_dict": dict(self._build_shapes)}

    def build_from_config(self, config: dict) -> None:
        """Builds with what `get_build_config` returned."""
        if "shapes_dict" in config:
            self.build(**{key: _as_shapes(shape) for key, shape in config["shapes_dict"].items()})
        elif "input_shape" in config:
            self.build(_as_shapes(config["input_shape"]))

    @property
    def path(self) -> str | None:
        """The layer's name behind those of the layers it was built in; `None` before it is built."""
        return self._path

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Creates a variable that belongs to the layer.

        Args:
            shape: The shape; `()` if not given.
            initializer: Initializer, its name, or a function `(shape, dtype) -> tensor`; `"glorot_uniform"` for floats
                and `"zeros"` for other dtypes if not given.
            dtype: The dtype; that of the policy if not given.
            trainable: Whether training changes it.
            autocast: Whether it is read in the layer's compute dtype.
            regularizer: Penalty on it, added to the losses.
            constraint: Projection applied to it after every update.
            aggregation: How replicas would combine updates.
            overwrite_with_gradient: Whether optimizers store the gradient itself in it.
            name: A name without `/`.

        Returns:
            The `Variable`.

        Raises:
            ValueError: If the shape is not fully known, or the layer is already built.
        """
        if isinstance(shape, str):
            raise ValueError(
                "`name` must be passed as a keyword argument. "
                f"Received: add_weight({shape!r}, ...). Use: add_weight(shape=..., name={shape!r})."
            )
        if self._locked and not self._building:
            raise ValueError(
                f"Layer '{self.name}': you cannot add new weights to a layer that is already built. Create them in "
                "`__init__()` or in `build()`."
            )
        dtype = dtype_policies.get(dtype).variable_dtype if dtype is not None else self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if dtype in FLOAT_DTYPES else "zeros"
        with layer_scope(self.name):
            variable = Variable(
                initializers.get(initializer),
                shape=() if shape is None else shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        if not self._trainable:
            variable.trainable = False
        self._weights.append(variable)
        self._found = None
        return variable

    add_variable = add_weight

    # -- calls

    @property
    def input_spec(self):
        """The demands on the inputs: an `InputSpec`, a structure of them, or `None`."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value) -> None:
        self._input_spec = value
        self._accepted = None

    @property
    def supports_masking(self) -> bool:
        """Whether the layer passes masks on."""
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value: bool) -> None:
        self._supports_masking = bool(value)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the mask of the outputs: that of the inputs, unless a subclass says otherwise."""
        return previous_mask

    def call(self, *args, **kwargs):
        """The computation; written by subclasses."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")

    @classmethod
    def _signature(cls) -> CallSignature:
        signature = cls._call_signature
        if signature is None:
            signature = cls._call_signature = CallSignature(cls, Layer)
        return signature

    def __call__(self, *args, **kwargs):
        if self.built is None:
            name = type(self).__name__
            raise RuntimeError(
                f"In layer {name}, you forgot to call `super().__init__()` as the first statement in `__init__()`."
            )
        signature = self._call_signature or self._signature()
        training = kwargs.pop("training", None) if kwargs else None

        # Inputs: arrays become tensors, floats take the compute dtype. One tensor is the usual case.
        is_symbolic = False
        first = args[0] if args else None
        if type(first) is np.ndarray and len(args) == 1 and not kwargs:
            first = tensor(first)
            args = (first,)
        if type(first) is Tensor and len(args) == 1 and not kwargs:
            mask = getattr(first, "_keras_mask", None)
            if self._casts and first.dtype != self._compute_dtype:
                first = self._cast(first)
                args = (first,)
            if mask is not None and signature.takes_mask:
                kwargs = {"mask": mask}
        else:
            args, kwargs, is_symbolic = self._convert(args, kwargs)
            first, mask = self._take_masks(signature, args, kwargs)
            if is_symbolic and signature.takes_mask and len(args) == 1 and not kwargs and training is None:
                kwargs["mask"] = None  # Keras's files have it
        if self._input_spec is not None:
            self._check(first)
        if not self.built:
            self._build_for(args, kwargs)

        # Training: what the caller says, or the call around this one, or the default of `call`.
        here, call = scopes.__dict__, calls.__dict__
        outer_training = call["training"]
        if training is None:
            training = signature.training if outer_training is None else outer_training
        if training is not None and signature.takes_training:
            kwargs["training"] = training

        outer_token, outer_names, outer_autocast = call["token"], here["names"], here["autocast"]
        self.__dict__["_last_call"] = call["token"] = outer_token or object()
        call["training"] = training
        here["names"] = (*outer_names, self.name)
        here["autocast"] = self._variable_cast
        if self._path is None:
            self._path = "/".join(here["names"])
        try:
            if is_symbolic:
                outputs = self.symbolic_call(*args, **kwargs)
            elif self._remat is None:
                outputs = self.call(*args, **kwargs)
            else:
                outputs = self.rematerialized_call(self.call, *args, **kwargs)
            if here["distribution"] is not None:
                made, outputs = outputs, lay_out_outputs(outputs, here["names"])
                set_mask(outputs, mask_of(made))
            if self.activity_regularizer is not None:
                self._regularize(outputs)
            if mask is not None or signature.makes_mask:
                self._pass_mask(first, outputs, mask)
        except Exception as error:
            explain(error, self._path, type(self).__name__, signature.arguments(args, kwargs))
            raise
        finally:
            call["token"], call["training"] = outer_token, outer_training
            here["names"], here["autocast"] = outer_names, outer_autocast
        return outputs

    def symbolic_call(self, *args, **kwargs):
        """Calls the layer on KerasTensors and records the call as a node of the graph."""

        def cast(x):
            # The cast is no node of the graph: the layer casts again when the graph runs.
            if isinstance(x, KerasTensor) and self._casts and x.dtype in FLOAT_DTYPES:
                return KerasTensor(x.shape, self._compute_dtype, name=x.name)
            return x

        cast_args, cast_kwargs = tree.map_structure(cast, (args, kwargs))
        outputs = self.compute_output_spec(*cast_args, **cast_kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def rematerialized_call(self, layer_call: Callable, *args, **kwargs):
        """Calls `layer_call` as the `RematScope` says in which the layer was made.

        Args:
            layer_call: The layer's `call`.
            *args: Arguments of the call.
            **kwargs: The same, by name.

        Returns:
            What the call returns.
        """
        return (
            layer_call(*args, **kwargs) if self._remat is None else self._remat.call(self, layer_call, *args, **kwargs)
        )

    def _check(self, first: Any) -> None:
        """Checks the input, unless one like it has been accepted."""
        like = (first.shape, first.dtype) if type(first) is Tensor else None
        if like is None or like != self._accepted:
            check_inputs(self._input_spec, first, self.name)
            self._accepted = like

    def _cast(self, x):
        if x.dtype == self._compute_dtype or x.dtype not in FLOAT_DTYPES:
            return x
        y = convert.cast(x, self._compute_dtype)
        mask = getattr(x, "_keras_mask", None)
        if mask is not None:
            y._keras_mask = mask
        return y

    def _convert(self, args: tuple, kwargs: dict) -> tuple[tuple, dict, bool]:
        """The arguments with tensors for arrays and floats cast, and whether there are KerasTensors among them."""
        is_symbolic = False

        def to_tensor(x):
            nonlocal is_symbolic
            if isinstance(x, KerasTensor):
                is_symbolic = True
                return x
            if type(x) is not Tensor:
                if not hasattr(x, "__array__"):
                    return x
                x = convert.as_tensor(x)
            return self._cast(x) if self._casts else x

        args, kwargs = tree.map_structure(to_tensor, (args, kwargs))
        if not self._allow_non_tensor_positional_args:
            for x in tree.flatten(args):
                if x is not None and not isinstance(x, (Tensor, KerasTensor)):
                    raise ValueError(
                        "Only input tensors may be passed as positional arguments. The following argument value should "
                        f"be passed as a keyword argument: {x} (of type {type(x)}). To pass data given as a list, "
                        "convert it with numpy.array first."
                    )
        return args, kwargs, is_symbolic

    def _take_masks(self, signature: CallSignature, args: tuple, kwargs: dict) -> tuple[Any, Any]:
        """The first input and its masks; hands the masks that inputs carry to the parameters that take them."""
        arguments = signature.arguments(args, kwargs)
        if signature.required is not None and signature.required not in arguments:
            raise TypeError(f"{type(self).__name__}.call() missing 1 required argument: '{signature.required}'")
        first = args[0] if args else next((x for name, x in arguments.items() if name != "mask"), None)
        mask = kwargs.get("mask")
        if mask is None:
            mask = mask_of(first)
            if mask is not None and signature.takes_mask:
                kwargs["mask"] = mask
        for name, parameter in signature.masks.items():
            if (
                name in arguments
                and kwargs.get(parameter) is None
                and (carried := mask_of(arguments[name])) is not None
            ):
                kwargs[parameter] = carried
        return first, mask

    def _pass_mask(self, inputs: Any, outputs: Any, mask: Any) -> None:
        if self._supports_masking:
            if any(not hasattr(x, "_keras_mask") for x in tree.flatten(outputs)):
                set_mask(outputs, self.compute_mask(inputs, mask))
        elif mask is not None:
            calls.warnings += 1
            warnings.warn(
                f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to it. "
                "However, this layer does not support masking and will therefore destroy the mask information. "
                "Downstream layers will not see the mask.",
                stacklevel=3,
            )

    def _regularize(self, outputs: Any) -> None:
        for x in tree.flatten(outputs):
            if isinstance(x, Tensor):
                self.add_loss(self.activity_regularizer(x) / (x.shape[0] if x.shape else 1))

    def compute_output_spec(self, *args, **kwargs):
        """Returns KerasTensors of the shapes and dtypes that the call returns.

        Args:
            *args: The arguments of `call`, with KerasTensors for tensors.
            **kwargs: The same.
        """
        signature = self._signature()
        if signature.output_names is not None:
            shapes = signature.shapes(args, kwargs)
            names = signature.output_names
            return _specs_of(call_with_shapes(self.compute_output_shape, names, shapes), self.compute_dtype)
        return self._spec_of_call(args, kwargs)

    def _spec_of_call(self, args: tuple, kwargs: dict) -> Any:
        """The same, found by calling."""
        if self.built:
            return symbolic.compute_output_spec(self.call, *args, **kwargs)
        # Building has effects; a copy with weights that have no values does not.
        twin = copy.deepcopy(self)
        with abstract_variables():
            twin._build_for(args, kwargs)
            return symbolic.compute_output_spec(twin.call, *args, **kwargs)

    def compute_output_shape(self, *args, **kwargs):
        """Returns the shape(s) of the outputs.

        Args:
            *args: The shape of each input, or a structure of shapes; `None` for dims that are not known.
            **kwargs: The same by name: `query_shape=(None, 4)`.
        """
        args = tuple(_specs_of(shape, self.input_dtype) for shape in args)
        kwargs = {key.removesuffix("_shape"): _specs_of(shape, self.input_dtype) for key, shape in kwargs.items()}
        if not args and list(kwargs) == ["input"]:  # build's name for a shape that call names otherwise
            args, kwargs = (kwargs["input"],), {}
        return tree.map_structure(lambda x: x.shape, self.compute_output_spec(*args, **kwargs))

    def stateless_call(
        self,
        trainable_variables: list,
        non_trainable_variables: list,
        *args,
        return_losses: bool = False,
        **kwargs,
    ):
        """Calls the layer with other values of its variables and leaves the variables as they are.

        Args:
            trainable_variables: Values for `layer.trainable_variables`, in order.
            non_trainable_variables: Values for `layer.non_trainable_variables`, in order.
            *args: Arguments of the call.
            return_losses: Whether to return the losses as well.
            **kwargs: Arguments of the call.

        Returns:
            The outputs and the new values of the non-trainable variables, then the losses if asked for.

        Raises:
            ValueError: If the layer is not built or the lists have other lengths.

        Example:

        >>> layer = addax.layers.Dense(1, use_bias=False)
        >>> layer.build((None, 2))
        >>> y, state = layer.stateless_call([addax.ops.ones((2, 1))], [], addax.ops.ones((1, 2)))
        >>> y.tolist(), state
        ([[2.0]], [])
        """
        if not self.built:
            raise ValueError(
                f"To call stateless_call, {type(self).__name__} must be built (i.e. its variables must have been "
                "already created). You can build it by calling it on some data."
            )
        state = self.non_trainable_variables
        pairs = []
        for what, own, values in (
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", state, non_trainable_variables),
        ):
            if len(own) != len(values):
                raise ValueError(
                    f"Argument `{what}` must be a list of tensors corresponding 1:1 to {type(self).__name__}().{what}. "
                    f"Received list with length {len(values)}, but expected {len(own)} variables."
                )
            pairs.extend(zip(own, values, strict=True))
        with StatelessScope(pairs) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else None
        new_state = [scope.get_current_value(v) for v in state]
        return (outputs, new_state, losses) if return_losses else (outputs, new_state)

    # -- configs

    def get_config(self) -> dict:
        """Returns the constructor's arguments, from which `from_config` makes an equal layer without weights.

        A subclass whose constructor takes plain values only need not write it.

        Raises:
            NotImplementedError: If the constructor was given something that is no plain value.
        """
        base: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return self._constructor_config(base) if type(self).get_config is Layer.get_config else base

    def _constructor_config(self, base: dict[str, Any]) -> dict:
        """The arguments that the constructor was given, and those of `base` that it takes."""
        cls = type(self)
        if cls.__init__ is Layer.__init__:
            return base
        args, kwargs = self._init_arguments
        signature = inspect.signature(cls.__init__)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        config: dict[str, Any] = {}
        takes_any = False
        for key, value in list(bound.arguments.items())[1:]:
            kind = signature.parameters[key].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                takes_any = True
                config.update({k: v for k, v in value.items() if k not in base})
            elif kind is inspect.Parameter.VAR_POSITIONAL and value:
                config[key] = object()
            elif key not in base:
                config[key] = value
        for key, value in config.items():
            if not _is_plain(value):
                raise NotImplementedError(
                    f"Layer {cls.__name__} was created with {key}={_short(value)}, which is no plain value: "
                    "the class must write `get_config()` to be saved. Example:\n\n"
                    f"class {cls.__name__}(addax.layers.Layer):\n"
                    f"    def __init__(self, {key}, **kwargs):\n"
                    "        super().__init__(**kwargs)\n"
                    f"        self.{key} = {key}\n\n"
                    "    def get_config(self):\n"
                    f'        return {{**super().get_config(), "{key}": ...}}'
                )
        accepted = {k: v for k, v in base.items() if takes_any or k in signature.parameters}
        return {**accepted, **config}

    @classmethod
    def from_config(cls, config: dict) -> Layer:
        """Makes a layer of what `get_config` returned."""
        try:
            return cls(**config)
        except Exception as error:
            raise TypeError(
                f"Error when deserializing class '{cls.__name__}' using config={config}.\n\n"
                f"Exception encountered: {error}"
            ) from error

    def __getattr__(self, name: str):
        if hasattr(type(self), name):  # a property that raised AttributeError: let it say why
            return object.__getattribute__(self, name)
        message = f"'{type(self).__name__}' object has no attribute '{name}'"
        if not name.startswith("_") and self.__dict__.get("built") is False:
            message += (
                f". Layer '{self.name}' is not built yet: its weights appear when it is called on data or build() is "
                "called with the shape of the input"
            )
        raise AttributeError(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _specs_of(shape: Any, dtype: str) -> Any:
    """KerasTensors of a shape or of a structure of shapes."""
    return tree.map_shape_structure(lambda s: KerasTensor(s, dtype), shape)


def _as_shapes(shape: Any) -> Any:
    """Shapes as tuples: JSON turned them into lists."""
    if isinstance(shape, dict):
        return {key: _as_shapes(item) for key, item in shape.items()}
    if isinstance(shape, (list, tuple)):
        if all(dim is None or isinstance(dim, int) for dim in shape):
            return tuple(shape)
        return type(shape)(_as_shapes(item) for item in shape)
    return shape


def _legacy_input_shape(kwargs: dict) -> tuple | None:
    """Takes Keras 2's ways to say the input shape out of the arguments; the shape without the batch axis."""
    shape = kwargs.pop("input_shape", None)
    if (dim := kwargs.pop("input_dim", None)) is not None:
        shape = (dim,)
    batch_shape = kwargs.pop("batch_shape", None) or kwargs.pop("batch_input_shape", None)
    if batch_shape is not None:
        shape = tuple(batch_shape)[1:]
    if shape is None:
        return None
    warnings.warn(
        "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer using an "
        "`Input(shape)` object as the first layer in the model instead.",
        stacklevel=4,
    )
    return tuple(shape)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
