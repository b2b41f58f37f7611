"""Operation, the base of ops and layers, and `@op`, which makes a public op of a plain function.

To add an op: write a documented function in the file of its family under `@op("Name")`, over primitives or other ops.
The decorator makes the symbolic call and the Operation class for it. Nothing else is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from addax.engine import Tensor
from addax.ops.keras_tensor import KerasTensor, any_symbolic_tensors
from addax.ops.node import Node
from addax.ops.symbolic import compute_output_spec
from addax.utils.naming import auto_name


class Operation:
    """A function with a name and a configuration that can be called on tensors and on KerasTensors.

    Subclasses write `call`. On KerasTensors the call is not computed: it returns KerasTensors that remember it.

    Args:
        name: A name without `/`, made up of the class's if not given.

    Raises:
        ValueError: If the name is not such a string.

    Example:

    >>> class Twice(addax.Operation):
    ...     def call(self, x):
    ...         return 2 * x
    >>> Twice()(addax.KerasTensor((None, 3))).shape
    (None, 3)
    """

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        object.__setattr__(self, "_init_arguments", (args, kwargs))
        return self

    def __init__(self, name: str | None = None):
        if name is None:
            name = auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"{type(self).__name__}: expected a string without '/' as `name`. "
                f"Received: name={name!r} (of type {type(name).__name__})"
            )
        self.name = name
        self._inbound_nodes: list[Node] = []

    def __call__(self, *args, **kwargs):
        if any_symbolic_tensors(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def symbolic_call(self, *args, **kwargs):
        """Calls the operation on KerasTensors and records the call as a node of the graph."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def compute_output_spec(self, *args, **kwargs):
        """Returns KerasTensors of the shapes and dtypes that the call returns."""
        return compute_output_spec(self.call, *args, **kwargs)

    def call(self, *args, **kwargs):
        """The computation; written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must implement `call`")

    def get_config(self) -> dict:
        """Returns the arguments of the constructor, from which `from_config` makes an equal operation.

        Raises:
            NotImplementedError: If one of them is neither a plain value nor a structure of them.
        """
        import inspect

        args, kwargs = self._init_arguments
        signature = inspect.signature(type(self).__init__)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        config: dict[str, Any] = {"name": self.name}
        for key, value in list(bound.arguments.items())[1:]:
            kind = signature.parameters[key].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                config.update(value)
            elif kind is inspect.Parameter.VAR_POSITIONAL or not _is_plain(value):
                raise NotImplementedError(
                    f"{type(self).__name__} was created with the argument {key}={value!r}, which is no plain value: "
                    "write get_config() to make it serializable, for example\n\n"
                    "    def get_config(self):\n"
                    f'        return {{**super().get_config(), "{key}": ...}}\n'
                )
            elif key != "name":
                config[key] = value
        return config

    @classmethod
    def from_config(cls, config: dict):
        """Makes an operation of what `get_config` returned.

        Raises:
            TypeError: If the constructor does not take the entries.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(f"Cannot make a {cls.__name__} from config={config}: {error}") from error

    @property
    def input(self):
        """The input KerasTensor(s) of the first symbolic call."""
        return self._first_call("input_tensors", "input")

    @property
    def output(self):
        """The output KerasTensor(s) of the first symbolic call."""
        return self._first_call("output_tensors", "output")

    def _first_call(self, attribute: str, what: str):
        if not self._inbound_nodes:
            raise AttributeError(f"{self.name!r} has never been called on a KerasTensor, so it has no {what}.")
        tensors = getattr(self._inbound_nodes[0], attribute)
        return tensors[0] if len(tensors) == 1 else tensors

    def __repr__(self) -> str:
        return f"<Operation name={self.name}>"


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


class FunctionOperation(Operation):
    """Base of the classes that `@op` makes: the constructor takes the settings, the call takes the tensors."""

    function: Callable
    keras_path: tuple[str, str]  # the module and class by which Keras's files name the operation
    _parameters: tuple[str, ...]
    _defaults: dict[str, Any]
    _inputs: tuple[str, ...]
    _before_varargs: int | None  # how many parameters stand before *args; None: there is no *args
    _varkw: str | None  # the name of **kwargs, which are settings too

    def __init__(self, *args, name: str | None = None, **kwargs):
        super().__init__(name=name)
        settings = [p for p in self._parameters if p not in self._inputs]
        given = dict(zip(settings, args, strict=False), **kwargs)
        unknown = [key for key in given if key not in settings and self._varkw is None]
        missing = [p for p in settings if p not in given and p not in self._defaults]
        if len(args) > len(settings) or unknown or missing:
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(settings) or 'no settings'}. Received: {args}, {kwargs}"
            )
        self._settings = {**{p: self._defaults.get(p) for p in settings}, **given}

    def __getattr__(self, name: str):
        settings = self.__dict__.get("_settings", {})
        if name in settings:
            return settings[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def call(self, *args, **kwargs):
        function = type(self).function
        n = self._before_varargs
        if n is not None:
            settings = list(self._settings.items())
            return function(*[value for _, value in settings[:n]], *args, **dict(settings[n:]), **kwargs)
        return function(**{**self._settings, **dict(zip(self._inputs, args, strict=False)), **kwargs})

    def get_config(self) -> dict:
        return {"name": self.name, **self._settings}


# (Keras's module, class name) -> the public function.
_ops: dict[tuple[str, str], Callable] = {}


def op(name: str, inputs: str | None = None) -> Callable[[Callable], Callable]:
    """Makes a public op of a function: called on KerasTensors, it records a symbolic call.

    Args:
        name: Class name of the Operation, behind Keras's module of it if that is not `numpy`: `"Add"`, `"nn.Relu"`.
        inputs: The parameters that may be tensors, separated by spaces; the others are settings, part of the config.
            Without it, the parameters that have no default.

    Returns:
        A decorator. The function it returns checks the arguments for KerasTensors and calls the plain one, which stays
        at hand as `__wrapped__`.
    """
    namespace, _, class_name = name.rpartition(".")

    def decorate(fn: Callable) -> Callable:
        @functools.wraps(fn)
        def public(*args, **kwargs):
            for x in args:
                kind = type(x)
                if kind is Tensor:
                    continue
                if kind is list or kind is tuple:
                    for e in x:
                        if isinstance(e, KerasTensor):
                            return _call_symbolic(public, args, kwargs)
                elif isinstance(x, KerasTensor):
                    return _call_symbolic(public, args, kwargs)
            if kwargs:
                for x in kwargs.values():
                    if isinstance(x, KerasTensor):
                        return _call_symbolic(public, args, kwargs)
                    if isinstance(x, (list, tuple)) and any(isinstance(e, KerasTensor) for e in x):
                        return _call_symbolic(public, args, kwargs)
            return fn(*args, **kwargs)

        public.keras_path = (f"keras.src.ops.{namespace or 'numpy'}", class_name)
        public.inputs = inputs
        _ops[public.keras_path] = public
        return public

    return decorate


def _call_symbolic(public: Callable, args: tuple, kwargs: dict):
    cls = operation_class(*public.keras_path)
    n = cls._before_varargs
    if n is not None:
        return cls(*args[:n], **kwargs).symbolic_call(*args[n:])
    import inspect

    arguments = inspect.signature(public.__wrapped__).bind(*args, **kwargs).arguments
    settings = {key: value for key, value in arguments.items() if key not in cls._inputs}
    settings.update(settings.pop(cls._varkw, {}))
    # Tensors by position up to the first that is left out, as Keras's files have them; a tensor in place of a setting
    # by name.
    by_name = {key: value for key, value in settings.items() if any_symbolic_tensors((value,))}
    settings = {key: value for key, value in settings.items() if key not in by_name}
    settings.update((key, None) for key in by_name if key not in cls._defaults)
    tensors = []
    for key in cls._inputs:
        if key in arguments:
            if len(tensors) == cls._inputs.index(key):
                tensors.append(arguments[key])
            else:
                by_name[key] = arguments[key]
    return cls(**settings).symbolic_call(*tensors, **by_name)


@functools.cache
def operation_class(module: str, class_name: str) -> type[FunctionOperation]:
    """The Operation class of a public op, by the names that Keras's files give it.

    Args:
        module: Such as `"keras.src.ops.numpy"`.
        class_name: Such as `"Add"`.

    Raises:
        ValueError: If there is no such op.

    Example:

    >>> from addax.ops.operation import operation_class
    >>> operation_class("keras.src.ops.numpy", "Mean")(axis=1).get_config()
    {'name': 'mean', 'axis': 1, 'keepdims': False}
    """
    public = _ops.get((module, class_name))
    if public is None:
        raise ValueError(f"There is no op {class_name!r} in {module!r}")
    fn = public.__wrapped__
    code = fn.__code__
    count = code.co_argcount
    positional = code.co_varnames[:count]
    parameters = code.co_varnames[: count + code.co_kwonlyargcount]
    defaults = dict(zip(positional[count - len(fn.__defaults__ or ()) :], fn.__defaults__ or (), strict=True))
    defaults.update(fn.__kwdefaults__ or {})
    varargs = bool(code.co_flags & 0x04)
    if varargs:
        inputs = ()
    else:
        inputs = tuple(public.inputs.split()) if public.inputs else tuple(p for p in positional if p not in defaults)
    return type(
        class_name,
        (FunctionOperation,),
        {
            "__doc__": fn.__doc__,
            "__module__": fn.__module__,
            "function": staticmethod(public),
            "keras_path": public.keras_path,
            "_parameters": parameters,
            "_defaults": defaults,
            "_inputs": inputs,
            "_before_varargs": count if varargs else None,
            "_varkw": code.co_varnames[len(parameters) + varargs] if code.co_flags & 0x08 else None,
        },
    )


def is_operation(module: str, class_name: str) -> bool:
    """Whether `operation_class` knows the names."""
    return (module, class_name) in _ops


def namespace(module: str) -> dict[str, Callable]:
    """The public ops that Keras keeps in a module, by their names."""
    return {public.__name__: public for (home, _), public in _ops.items() if home == module}
