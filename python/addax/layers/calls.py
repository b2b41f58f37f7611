"""What a call of a layer needs besides the layer: the state that nested calls share, the signature of a class's `call`,
the text that an error inside it is given."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from addax import tree
from addax.engine import Tensor
from addax.ops.keras_tensor import KerasTensor


class _Calls(threading.local):
    """Hot code takes the `__dict__`, which looks for the thread once."""

    def __init__(self):
        self.training: bool | None = None  # what the innermost running call passes on to the layers that it calls
        self.token: object | None = None  # stands for the outermost running call
        self.warnings = 0  # that calls have given


calls = _Calls()


class CallSignature:
    """The parameters of a layer class's `call` and `build`, read once per class."""

    def __init__(self, cls: type, base: type):
        parameters = list(inspect.signature(cls.call).parameters.values())[1:]
        self.names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        self.required = self.names[0] if self.names and parameters[0].default is inspect.Parameter.empty else None
        keywords = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        self.takes_training = "training" in keywords
        default = keywords["training"].default if self.takes_training else None
        self.training = None if default is inspect.Parameter.empty else default
        self.takes_mask = "mask" in keywords
        # input -> the parameter that takes its mask
        self.masks = {name: f"{name}_mask" for name in self.names if f"{name}_mask" in keywords}
        self.makes_mask = cls.compute_mask is not base.compute_mask
        # The parameters of methods that take the shapes of a call; None: not written by the class.
        self.build_names = None if cls.build is base.build else _parameters(cls.build)
        self.output_names = (
            None if cls.compute_output_shape is base.compute_output_shape else _parameters(cls.compute_output_shape)
        )

    def arguments(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        """The arguments of a call by name."""
        return {**dict(zip(self.names, args, strict=False)), **kwargs}

    def shapes(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        """The shapes of a call's tensors by the name of the argument; masks are no inputs."""
        shapes = {
            name: shape
            for name, x in self.arguments(args, kwargs).items()
            if name != "mask" and not name.endswith("_mask") and (shape := shape_of(x)) is not None
        }
        if not shapes and args:  # call(self, *args)
            shapes = {"input": shape_of(args[0])}
        return shapes


def call_with_shapes(method: Callable, names: tuple[str, ...], shapes: dict[str, Any]) -> Any:
    """Calls a method that takes shapes: a parameter `x_shape` gets that of the argument `x`; where no names agree they
    go to parameters in order."""
    given = {name: shapes[argument] for name in names if (argument := name.removesuffix("_shape")) in shapes}
    if given:
        return method(**given)
    values = list(shapes.values()) or [None]
    return method(*(values[: len(names)] if names else values))


def _parameters(method: Callable) -> tuple[str, ...]:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


def shape_of(x: Any) -> Any:
    """The shape of a tensor, or of each tensor in a structure; `None` if there are none."""
    if isinstance(x, (Tensor, KerasTensor)):
        return x.shape
    if not tree.is_nested(x):
        return None
    leaves = tree.flatten(x)
    if not any(isinstance(leaf, (Tensor, KerasTensor)) for leaf in leaves):
        return None
    return tree.map_structure(lambda leaf: getattr(leaf, "shape", None), x)


def mask_of(x: Any) -> Any:
    """The mask that a tensor carries, or those of a structure of tensors; `None` if there are none."""
    if not tree.is_nested(x):
        return getattr(x, "_keras_mask", None)
    masks = tree.map_structure(lambda leaf: getattr(leaf, "_keras_mask", None), x)
    return masks if any(mask is not None for mask in tree.flatten(masks)) else None


def set_mask(x: Any, mask: Any) -> None:
    """Lets tensors carry masks, unless they carry one."""
    tensors = tree.flatten(x)
    masks = tree.flatten(mask) if tree.is_nested(mask) else [mask] * len(tensors)
    for tensor, one in zip(tensors, masks, strict=False):
        if one is not None and isinstance(tensor, (Tensor, KerasTensor)) and not hasattr(tensor, "_keras_mask"):
            tensor._keras_mask = one


def explain(error: Exception, path: str, class_name: str, arguments: dict[str, Any]) -> None:
    """Adds to an error, once, which layer it came from and what that was called with."""
    if getattr(error, "_addax_explained", False):
        return
    lines = "\n".join(f"  • {name}={_describe(value)}" for name, value in arguments.items())
    text = (
        f"Exception encountered when calling {class_name}.call() of layer '{path}'.\n\n"
        f"Arguments received by {class_name}.call():\n{lines}"
    )
    try:
        error._addax_explained = True
    except AttributeError:
        return
    if len(error.args) == 1 and isinstance(error.args[0], str) and str(error) == error.args[0]:
        error.args = (f"{error.args[0]}\n\n{text}",)
    else:
        error.add_note(text)


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"Tensor(shape={value.shape}, dtype={value.dtype})"
    if isinstance(value, KerasTensor):
        return f"KerasTensor(shape={value.shape}, dtype={value.dtype})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_describe(item) for item in value[:8]) + (", ..." if len(value) > 8 else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
