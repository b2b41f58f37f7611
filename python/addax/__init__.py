"""addax: the Keras API on an engine of its own."""

from addax import backend as backend
from addax import config as config
from addax import ops as ops
from addax import tree as tree
from addax import utils as utils
from addax.ops.function import Function as Function
from addax.ops.keras_tensor import KerasTensor as KerasTensor
from addax.ops.operation import Operation as Operation
