"""A distribution over 8 devices, and where values lie."""

import jax.numpy as jnp

import addax
from addax.distribution import DeviceMesh, LayoutMap, ModelParallel


def model_parallel():
    layout_map = LayoutMap(DeviceMesh((2, 4), ("batch", "model")))
    layout_map["(net/)?(wide|lstm/lstm_cell)/(kernel|recurrent_kernel)"] = (None, "model")
    layout_map[".*wide/bias"] = ("model",)
    layout_map[".*narrow/kernel"] = ("model", None)
    layout_map["net/wide/output"] = ("batch", "model")
    return ModelParallel(layout_map=layout_map, batch_dim_name="batch")


def array(value):
    return jnp.asarray(value.value if isinstance(value, addax.Variable) else value)


def shards(value):
    """How many devices hold a part of a value, and the shape of a part."""
    pieces = array(value).addressable_shards
    assert len({piece.data.shape for piece in pieces}) == 1
    return len(pieces), pieces[0].data.shape
