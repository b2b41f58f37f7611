"""Training: the trainer, what `compile` makes of its arguments, and the ways of data into it."""
