"""loss: cross-entropies, through their compositions."""

from addax.jax.table import composed

composed(
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "sparse_softmax_cross_entropy",
    "sparse_softmax_cross_entropy_grad",
)
