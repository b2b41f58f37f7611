"""The JAX engine: one lowering row per primitive, in a file per family; eager rows and whole graphs go through jax.jit.

`addax.config.set_backend("jax")` or `ADDAX_BACKEND=jax` chooses it; nothing else in the package imports jax.

To add a row: a function of the op's name in the family's file here, marked `@row`. It takes the op's inputs as arrays
and the attributes by name, and gives an array or a tuple. tests/table/test_complete.py names whatever is missing.
"""
