"""What a layer holds: variables, nested layers, metrics and losses, and how weights get in and out.

Creating weights, calling and configs are in `layer.py`.
"""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from addax import tree
from addax.dtype_policies import DTypePolicy
from addax.engine import Tensor
from addax.layers.calls import calls
from addax.layers.input_spec import InputSpec
from addax.metrics.metric import Metric
from addax.ops import symbolic
from addax.ops.control import give_aside
from addax.ops.keras_tensor import KerasTensor
from addax.random.seed_generator import SeedGenerator
from addax.variables import Variable

# What cannot hold a variable or a layer; most attributes are one of these.
_LEAVES = frozenset(
    {bool, int, float, str, bytes, type(None), type, type(lambda: 0), type(len), Tensor, InputSpec, DTypePolicy}
)
# Attributes of the base that are no members; setting one does not change the members.
BOOKKEEPING = frozenset(
    {
        "_accepted",
        "_build_shapes",
        "_building",
        "_found",
        "_inbound_nodes",
        "_init_arguments",
        "_inputs",
        "_inputs_struct",
        "_last_call",
        "_locked",
        "_losses",
        "_losses_token",
        "_nodes",
        "_nodes_by_depth",
        "_on_change",
        "_operations_by_depth",
        "_outputs",
        "_outputs_struct",
        "_path",
        "_tensors",
        "_weights",
        "built",
    }
)
# Attributes of models that say nothing of what a call computes; training sets them.
_OF_TRAINING = frozenset(
    {"_compiled", "_steps", "history", "optimizer", "stop_evaluating", "stop_predicting", "stop_training"}
)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_listening = threading.Lock()


def elements(container: Any) -> tuple:
    """What a list, tuple, dict or set holds."""
    return tuple(container.values() if isinstance(container, dict) else container)


def hold_the_same(containers: list[tuple[Any, tuple]]) -> bool:
    """Whether containers still hold what they held: each comes with its `elements` of then."""
    for container, values in containers:
        if len(container) != len(values):
            return False
        now = container.values() if isinstance(container, dict) else container
        if not all(map(operator.is_, now, values)):
            return False
    return True


class _Members:
    """What was found in a layer's attributes, and the containers in which it was found, as they were."""

    __slots__ = ("containers", "layers", "metrics", "states", "weights")

    def __init__(self, layer: LayerState):
        self.containers: list[tuple[Any, tuple]] = []
        weights: dict[int, Variable] = {id(v): v for v in layer._weights}
        states: dict[int, Variable] = {}
        layers: dict[int, LayerState] = {}
        metrics: dict[int, Metric] = {}
        for value in self._attributes(layer):
            if isinstance(value, LayerState):
                layers[id(value)] = value
            elif isinstance(value, Variable):
                weights[id(value)] = value
            elif isinstance(value, SeedGenerator):
                states[id(value.state)] = value.state
            elif isinstance(value, Metric):
                metrics[id(value)] = value
        layers.pop(id(layer), None)
        # Keras's order: those made trainable first, each kind as created.
        self.weights = sorted(weights.values(), key=_creation_order)
        self.states = list(states.values())
        self.layers = list(layers.values())
        self.metrics = list(metrics.values())

    def _attributes(self, layer: LayerState) -> Iterator[Any]:
        """The attributes and what the lists, tuples, dicts and sets among them hold, without leaves."""
        for name, value in vars(layer).items():
            if type(value) not in _LEAVES and name not in BOOKKEEPING:
                if isinstance(value, _CONTAINERS):
                    yield from self._contents(value)
                else:
                    yield value

    def _contents(self, container: Any) -> Iterator[Any]:
        values = elements(container)
        if not isinstance(container, (tuple, frozenset)):
            self.containers.append((container, values))
        for value in values:
            if isinstance(value, _CONTAINERS):
                yield from self._contents(value)
            elif type(value) not in _LEAVES:
                yield value

    def is_current(self) -> bool:
        """Whether the containers hold what they held. Attributes that are set anew are noticed by the layer."""
        return hold_the_same(self.containers)


class LayerState:
    """The half of `Layer` that holds its variables and nested layers, found by looking through its attributes."""

    _found: _Members | None = None
    _on_change: tuple[weakref.ref, ...] = ()  # whose `forget` is called when an attribute changes

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in BOOKKEEPING:
            self._changes(name)
        elif name == "built" and not value:
            self._tell_of_change()
        object.__setattr__(self, name, value)

    def _changes(self, name: str) -> None:
        self.__dict__["_found"] = None
        if name not in _OF_TRAINING:
            self._tell_of_change()

    def _tell_of_change(self) -> None:
        for reference in self._on_change:
            listener = reference()
            if listener is not None:
                listener.forget()

    def _tell_changes_to(self, listener: Any) -> None:
        """Lets `listener.forget()` be called when an attribute changes, as long as somebody holds it."""
        with _listening:
            living = [reference for reference in self._on_change if reference() is not None]
            self._on_change = (*living, weakref.ref(listener))

    def __delattr__(self, name: str) -> None:
        self._changes(name)
        value = self.__dict__.get(name)
        if isinstance(value, Variable):
            self._weights = [v for v in self._weights if v is not value]
        object.__delattr__(self, name)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_found": None, "_on_change": ()}

    def _members(self) -> _Members:
        found = self._found
        if found is None or not found.is_current():
            found = self.__dict__["_found"] = _Members(self)
        return found

    def _sublayers(self) -> list[LayerState]:
        """The layers directly in this one."""
        return list(self._members().layers)

    def _tree(self) -> list[LayerState]:
        """This layer and all in it, at any depth, parents first, each once."""
        found: dict[int, LayerState] = {}
        stack = [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                layers = layer._members().layers
                if layers:
                    stack.extend(reversed(layers))
        return list(found.values())

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[LayerState]:
        layers = self._tree()[1:] if recursive else self._sublayers()
        return [self, *layers] if include_self else layers

    @property
    def variables(self) -> list[Variable]:
        """All variables: weights and the states of random generators, of nested layers too."""
        return _unique(v for layer in self._tree() for v in (*layer._found.weights, *layer._found.states))

    @property
    def weights(self) -> list[Variable]:
        """All weights, of nested layers too: the variables without the states of random generators."""
        return _unique(v for layer in self._tree() for v in layer._found.weights)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes."""
        return [v for v in self.variables if v.trainable] if self._trainable else []

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training does not change: statistics, states of random generators, frozen weights."""
        return [v for v in self.variables if not v.trainable] if self._trainable else self.variables

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change."""
        return [v for v in self.weights if not v.trainable] if self._trainable else self.weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all nested layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        for layer in self._tree():
            layer._trainable = value
            for v in layer._members().weights:
                if v._created_trainable:
                    v.trainable = value

    @property
    def metrics(self) -> list:
        """The metrics in the layer and in nested layers."""
        return _unique(metric for layer in self._tree() for metric in layer._found.metrics)

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def count_params(self) -> int:
        """Returns how many numbers the weights hold.

        Raises:
            ValueError: If the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build it "
                "manually via: `layer.build(input_shape)`."
            )
        return sum(v.value.size for v in self.weights)

    def get_weights(self) -> list:
        """Returns the values of the weights as NumPy arrays, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list) -> None:
        """Sets the weights.

        Args:
            weights: Arrays in the order and with the shapes of `get_weights()`.

        Raises:
            ValueError: If their number or a shape differs.
        """
        own = self.weights
        if len(weights) != len(own):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, but the layer was expecting {len(own)} weights."
            )
        for v, value in zip(own, weights, strict=True):
            shape = tuple(getattr(value, "shape", ()))
            if shape != v.shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {v.shape} is not compatible with provided weight shape {shape}. "
                    f"The weight is '{v.path}'."
                )
        for v, value in zip(own, weights, strict=True):
            v.assign(value)

    def save_own_variables(self, store: dict) -> None:
        """Puts the layer's own weights, without those of nested layers, into a dict under "0", "1", ..."""
        for i, v in enumerate(self._members().weights):
            store[str(i)] = v

    def load_own_variables(self, store: dict) -> None:
        """Sets the layer's own weights from what `save_own_variables` stored.

        Raises:
            ValueError: If their number or a shape differs.
        """
        own = self._members().weights
        if len(store) != len(own):
            if not own and not self.built:
                raise ValueError(
                    f"Layer '{self.name}' was never built and thus it doesn't have any variables. However the weights "
                    f"file lists {len(store)} variables for this layer. Call the layer on data, or build() it, before "
                    "loading; a custom layer that holds others must build them in its own build(), or write "
                    "build_from_config()."
                )
            raise ValueError(
                f"Layer '{self.name}' expected {len(own)} variables, but received {len(store)} variables during "
                f"loading. Expected: {[v.name for v in own]}"
            )
        for i, v in enumerate(own):
            v.assign(store[str(i)])

    # -- losses

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar, computed from the inputs of the running call, to what training minimizes.

        Args:
            loss: A scalar tensor, or a list of them.

        Raises:
            ValueError: If it is not.
        """
        for one in tree.flatten(loss):
            if not isinstance(one, (Tensor, KerasTensor)) or one.shape != ():
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input of shape (). "
                    f"Received invalid value: {one}"
                )
            if isinstance(one, KerasTensor) or symbolic.is_active() or give_aside(self.add_loss, one):
                continue
            if self._losses_token is not calls.token:
                self._losses, self._losses_token = [], calls.token
            self._losses.append(one)

    @property
    def losses(self) -> list:
        """The losses added during the last call, of nested layers too, then the penalties on trainable weights."""
        losses, weights = [], []
        for layer in self._tree():
            # A layer that the last call of this one did not reach still holds losses of an earlier call.
            if layer._losses and (layer._losses_token is self._last_call or layer._losses_token is None):
                losses.extend(layer._losses)
            weights.extend(layer._found.weights)
        if self._trainable:
            losses.extend(v.regularizer(v) for v in _unique(weights) if v.regularizer is not None and v.trainable)
        return losses


def _creation_order(v: Variable) -> tuple[bool, int]:
    return not v._created_trainable, v._serial


def _unique(items) -> list:
    return list({id(item): item for item in items}.values())
