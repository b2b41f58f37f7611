"""addax: the Keras API on an engine of its own.

Names are loaded when they are first used, so that `import addax` costs little over NumPy's own import. Type checkers
read the imports below; `_HOMES` says the same to the interpreter, and a test compares the two.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from addax._core import __version__ as __version__

if TYPE_CHECKING:
    from addax import activations as activations
    from addax import backend as backend
    from addax import callbacks as callbacks
    from addax import config as config
    from addax import constraints as constraints
    from addax import distribution as distribution
    from addax import dtype_policies as dtype_policies
    from addax import export as export
    from addax import initializers as initializers
    from addax import layers as layers
    from addax import losses as losses
    from addax import metrics as metrics
    from addax import models as models
    from addax import ops as ops
    from addax import optimizers as optimizers
    from addax import random as random
    from addax import regularizers as regularizers
    from addax import saving as saving
    from addax import tree as tree
    from addax import utils as utils
    from addax.autograd import GradientTape as GradientTape
    from addax.autograd import custom_gradient as custom_gradient
    from addax.autograd import grad as grad
    from addax.autograd import stop_gradient as stop_gradient
    from addax.autograd import value_and_grad as value_and_grad
    from addax.autograd import vjp as vjp
    from addax.compiled import compile as compile
    from addax.compiled import make_graph as make_graph
    from addax.devices import device as device
    from addax.dtype_policies import DTypePolicy as DTypePolicy
    from addax.dtype_policies import FloatDTypePolicy as FloatDTypePolicy
    from addax.initializers import Initializer as Initializer
    from addax.layers import Input as Input
    from addax.layers import InputSpec as InputSpec
    from addax.layers import Layer as Layer
    from addax.losses import Loss as Loss
    from addax.metrics import Metric as Metric
    from addax.models import Model as Model
    from addax.models import Sequential as Sequential
    from addax.ops.function import Function as Function
    from addax.ops.keras_tensor import KerasTensor as KerasTensor
    from addax.ops.operation import Operation as Operation
    from addax.optimizers import Optimizer as Optimizer
    from addax.regularizers import Regularizer as Regularizer
    from addax.rematerialization import RematScope as RematScope
    from addax.rematerialization import remat as remat
    from addax.variables import StatelessScope as StatelessScope
    from addax.variables import Variable as Variable
    from addax.variables import name_scope as name_scope

_MODULES = frozenset(
    (
        "activations",
        "backend",
        "callbacks",
        "config",
        "constraints",
        "distribution",
        "dtype_policies",
        "export",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "ops",
        "optimizers",
        "random",
        "regularizers",
        "saving",
        "tree",
        "utils",
    )
)
_HOMES = {
    "addax.autograd": "GradientTape custom_gradient grad stop_gradient value_and_grad vjp",
    "addax.compiled": "compile make_graph",
    "addax.devices": "device",
    "addax.dtype_policies": "DTypePolicy FloatDTypePolicy",
    "addax.initializers": "Initializer",
    "addax.layers": "Input InputSpec Layer",
    "addax.losses": "Loss",
    "addax.metrics": "Metric",
    "addax.models": "Model Sequential",
    "addax.ops.function": "Function",
    "addax.ops.keras_tensor": "KerasTensor",
    "addax.ops.operation": "Operation",
    "addax.optimizers": "Optimizer",
    "addax.regularizers": "Regularizer",
    "addax.rematerialization": "RematScope remat",
    "addax.variables": "StatelessScope Variable name_scope",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"addax.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'addax' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOME_OF})


def version() -> str:
    """Returns the version of addax.

    Example:

    >>> addax.version() == addax.__version__
    True
    """
    return __version__
