"""addax: the Keras API on an engine of its own."""

from addax import backend, config, ops, tree, utils
from addax.ops.function import Function
from addax.ops.keras_tensor import KerasTensor
from addax.ops.operation import Operation
