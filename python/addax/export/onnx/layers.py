"""Which layer uses an op: for errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from addax import engine
from addax.engine import Graph
from addax.export.endpoint import Endpoint
from addax.export.sizes import Samples


def layer_of(op: str, endpoint: Endpoint, model: Any) -> str | None:
    """Returns the path of the innermost layer that uses an op, the first one; `None` if none is found.

    The function of the endpoint is traced again, with a watch on every layer.

    Args:
        op: A row of the op table.
        endpoint: The endpoint that has it.
        model: The layer that the endpoint calls.
    """
    if endpoint.function is None or not hasattr(model, "_tree"):
        return None
    recorded = engine.Trace()
    sizes = Samples(endpoint.graph.sizes).sizes[0]
    placeholders = []
    for v in endpoint.graph.arguments:
        spec = endpoint.graph.specs[v]
        placeholders.append(recorded.argument(spec.at(sizes), spec.dtype))
    found: list[str] = []

    def watched(layer: Any, call: Callable) -> Callable:
        def function(*args: Any, **kwargs: Any) -> Any:
            before = len(recorded.eqns)
            result = call(*args, **kwargs)
            if not found and _uses(op, recorded.eqns[before:]):
                found.append(layer.path or layer.name)
            return result

        return function

    layers = model._tree()
    own = [layer.__dict__.get("call") for layer in layers]
    for layer in layers:
        layer.__dict__["call"] = watched(layer, layer.call)
    recorded.start()
    try:
        endpoint.function(*placeholders)
    finally:
        recorded.stop()
        for layer, call in zip(layers, own, strict=True):
            if call is None:
                del layer.__dict__["call"]
            else:
                layer.__dict__["call"] = call
    return found[0] if found else None


def _uses(op: str, eqns: Iterable) -> bool:
    """Whether one of them, or of those in its bodies, applies the op."""
    for name, attrs in eqns:
        if name == op:
            return True
        for _, value in attrs:
            bodies = value if isinstance(value, list) else [value]
            if any(_uses(op, [e[:2] for e in body.parts[3]]) for body in bodies if isinstance(body, Graph)):
                return True
    return False
