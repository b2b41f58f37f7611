"""Rematerialization: activations that are computed again for the gradient instead of being kept.

The tape does it (`cpp/autograd`): inside of a `remat` it keeps which ops were called, but no values of theirs. Scopes
say which layers do so.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from addax import engine, tree
from addax.variables import scopes

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """A scope whose layers compute activations again for the gradient instead of keeping them.

    It is the innermost scope around the making of a layer that counts; the layer then does so whenever it is called.

    Args:
        mode: `"full"`: all layers, each by itself (a model is as its layers are); `"activations"`: only the activation
            functions of layers that have one; `"larger_than"`: layers whose output has more than
            `output_size_threshold` elements; `"list_of_layers"`: layers named in `layer_names`; `None`: no layer.
        output_size_threshold: For `"larger_than"`.
        layer_names: For `"list_of_layers"`.

    Raises:
        ValueError: If the mode is unknown.

    Example:

    >>> with addax.RematScope("list_of_layers", layer_names=["wide"]):
    ...     model = addax.Sequential([addax.layers.Dense(64, "gelu", name="wide"), addax.layers.Dense(1)])
    >>> model(addax.ops.ones((2, 3))).shape
    (2, 1)
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: list[str] | None = None
    ):
        if mode not in _MODES:
            raise ValueError(
                f"Invalid mode '{mode}'. Supported modes are: 'full', 'activations', 'larger_than', 'list_of_layers', "
                "or None."
            )
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = layer_names or []
        self._outer: list[RematScope | None] = []

    def __enter__(self) -> RematScope:
        self._outer.append(scopes.remat)
        scopes.remat = self
        return self

    def __exit__(self, *exc_info) -> None:
        scopes.remat = self._outer.pop()

    def call(self, layer: Any, layer_call: Callable, *args: Any, **kwargs: Any) -> Any:
        """Calls a layer as the scope says.

        Args:
            layer: The layer.
            layer_call: Its `call`.
            *args: Arguments of the call.
            **kwargs: The same, by name.

        Returns:
            What the call returns.
        """
        # No tape, nothing to keep.
        if not engine.is_recording() or not self._applies(layer, args, kwargs):
            return layer_call(*args, **kwargs)
        if self.mode != "activations":
            return remat(layer_call)(*args, **kwargs)
        activation = layer.activation
        layer.__dict__["activation"] = remat(activation)
        try:
            return layer_call(*args, **kwargs)
        finally:
            layer.__dict__["activation"] = activation

    def _applies(self, layer: Any, args: tuple, kwargs: dict) -> bool:
        if self.mode == "activations":
            return callable(getattr(layer, "activation", None))
        if self.mode == "larger_than":
            outputs = tree.flatten(layer.compute_output_spec(*args, **kwargs))
            return sum(math.prod(y.shape) for y in outputs if y is not None) > self.output_size_threshold
        if self.mode == "list_of_layers":
            return layer.name in self.layer_names
        return self.mode == "full" and not hasattr(layer, "layers")


def remat(f: Callable) -> Callable:
    """Makes a function whose inner values are computed again for the gradient instead of being kept.

    Gradients have the same bits, and random numbers are the same ones: the Python of `f` runs once, its ops run again.

    Args:
        f: A function of tensors, or a layer.

    Returns:
        The same function with this property. Without a `GradientTape` around it nothing differs.

    Example:

    >>> f = addax.remat(lambda x: addax.ops.exp(addax.ops.sin(x)))
    >>> addax.grad(f)(0.0).item()
    1.0
    """

    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with engine.rematerialize():
            return f(*args, **kwargs)

    return wrapped
