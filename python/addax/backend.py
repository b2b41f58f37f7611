"""Keras's `backend` namespace: dtypes and their promotion, global settings, automatic names."""

from addax.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_data_format,
)
from addax.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from addax.ops.keras_tensor import is_keras_tensor
from addax.ops.symbolic import compute_output_spec
from addax.utils.naming import get_uid
from addax.utils.session import clear_session

__all__ = [
    "backend",
    "clear_session",
    "compute_output_spec",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_data_format",
    "standardize_dtype",
]
