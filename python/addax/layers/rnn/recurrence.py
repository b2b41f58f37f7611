"""The loop over the time steps of a sequence, for cells of any kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from addax import ops, tree
from addax.ops import control, symbolic


def run_steps(
    step: Callable,
    sequences: Any,
    states: list,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    start_from_zeros: bool = False,
    all_outputs: bool = True,
) -> tuple[Any, Any, list]:
    """Runs a cell over the second axis of `sequences`. A step whose mask is false keeps the states.

    Args:
        step: `(inputs, states) -> (output, states)`.
        sequences: Tensor of shape `(batch, time, ...)`.
        states: What the first step is given.
        mask: Bool tensor of shape `(batch, time)`; steps where it is false count as absent.
        go_backwards: Whether to start from the last step. Outputs are in the order of the steps.
        zero_output_for_mask: Whether the output of a masked step is 0. If not, it is the state, which for the usual
            cells is the output before.
        start_from_zeros: Whether the output of a masked step is the output before it instead, at first 0.
        all_outputs: Whether to stack the outputs.

    Returns:
        The last output, all of them `(batch, time, ...)` or `None`, the last states.

    Raises:
        ValueError: If there is no step.
    """
    time = sequences.shape[1]
    if time == 0:
        raise ValueError(f"RNN: expected at least one time step. Received: sequences of shape {sequences.shape}")
    if symbolic.is_active():  # one step tells the shapes of all
        output, states = step(sequences[:, 0], states)
        shape = (output.shape[0], time, *output.shape[1:])
        return output, ops.broadcast_to(ops.expand_dims(output, 1), shape), states

    def masked_step(carry: tuple, row: tuple) -> tuple:
        before, states = carry
        x, now = row
        output, new_states = step(x, states)
        if now is not None:
            if zero_output_for_mask or (start_from_zeros and before is None):
                kept = ops.zeros_like(output)
            else:
                kept = before if start_from_zeros else _output_state(states)
            output = _choose(now, output, kept)
            new_states = tree.map_structure(lambda new, old: _choose(now, new, old), new_states, states)
        return (output, new_states), output if all_outputs else None

    slices = functools.cache(lambda: steps_of(sequences))
    first = time - 1 if go_backwards else 0

    def row(t: int) -> tuple:
        x = sequences[:, t] if t == first and control.is_loop(time) else slices()[t]
        return x, None if mask is None else mask[:, t]

    def rows(start: int, stop: int) -> tuple:
        return tuple(None if x is None else ops.swapaxes(x[:, start:stop], 0, 1) for x in (sequences, mask))

    (output, states), outputs = control.run_steps(masked_step, (None, states), time, row, rows, go_backwards)
    if all_outputs:
        outputs = ops.swapaxes(outputs, 0, 1)
        if go_backwards:
            outputs = ops.flip(outputs, 1)
    return output, outputs, states


@ops.custom_gradient
def steps_of(sequences: Any) -> tuple[list, Callable]:
    """The slices along the second axis. Their gradients are stacked once, not added up as padded sequences."""
    return [sequences[:, t] for t in range(sequences.shape[1])], lambda *grads: ops.stack(grads, axis=1)


def _choose(mask: Any, fresh: Any, kept: Any) -> Any:
    return ops.where(ops.reshape(mask, (-1, *[1] * (len(fresh.shape) - 1))), fresh, kept)


def _output_state(states: list) -> Any:
    """The state that stands for the output: the first one, of the last cell if there are several."""
    return states[-1][0] if isinstance(states[-1], (list, tuple)) else states[0]
