"""norm: softmax and normalisation, through their compositions: XLA fuses those."""

from addax.jax.table import composed

composed(
    "softmax",
    "log_softmax",
    "softmax_grad",
    "log_softmax_grad",
    "layer_norm",
    "layer_norm_grad",
    "rms_norm",
    "rms_norm_grad",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_inference",
)
