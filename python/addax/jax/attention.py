"""attention: scaled dot-product attention, through its composition."""

from addax.jax.table import composed

composed("attention", "attention_grad")
