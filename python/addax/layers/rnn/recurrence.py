"""The loop over the time steps of a sequence, for cells of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax import ops, tree
from addax.ops import symbolic


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
    inputs = steps_of(sequences)
    output, outputs = None, []
    for t in reversed(range(time)) if go_backwards else range(time):
        fresh, new_states = step(inputs[t], states)
        if mask is None:
            output, states = fresh, new_states
        else:
            now = mask[:, t]
            if zero_output_for_mask or (start_from_zeros and output is None):
                kept = ops.zeros_like(fresh)
            else:
                kept = output if start_from_zeros else _output_state(states)
            output = _choose(now, fresh, kept)
            states = tree.map_structure(lambda new, old, now=now: _choose(now, new, old), new_states, states)
        outputs.append(output)
    return output, ops.stack(outputs, axis=1) if all_outputs else None, states


@ops.custom_gradient
def steps_of(sequences: Any) -> tuple[list, Callable]:
    """The slices along the second axis. Their gradients are stacked once, not added up as padded sequences."""
    return [sequences[:, t] for t in range(sequences.shape[1])], lambda *grads: ops.stack(grads, axis=1)


def _choose(mask: Any, fresh: Any, kept: Any) -> Any:
    return ops.where(ops.reshape(mask, (-1, *[1] * (len(fresh.shape) - 1))), fresh, kept)


def _output_state(states: list) -> Any:
    """The state that stands for the output: the first one, of the last cell if there are several."""
    return states[-1][0] if isinstance(states[-1], (list, tuple)) else states[0]
