"""fused: programs of elementwise rows, through their composition. No pass makes one for this engine."""

from addax.jax.table import composed

composed("fused")
