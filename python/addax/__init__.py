"""addax: the Keras API on an engine of its own."""

from addax import activations as activations
from addax import backend as backend
from addax import config as config
from addax import initializers as initializers
from addax import ops as ops
from addax import random as random
from addax import tree as tree
from addax import utils as utils
from addax.autograd import GradientTape as GradientTape
from addax.autograd import custom_gradient as custom_gradient
from addax.autograd import grad as grad
from addax.autograd import stop_gradient as stop_gradient
from addax.autograd import value_and_grad as value_and_grad
from addax.autograd import vjp as vjp
from addax.initializers import Initializer as Initializer
from addax.ops.function import Function as Function
from addax.ops.keras_tensor import KerasTensor as KerasTensor
from addax.ops.operation import Operation as Operation
from addax.variables import StatelessScope as StatelessScope
from addax.variables import Variable as Variable
from addax.variables import name_scope as name_scope
