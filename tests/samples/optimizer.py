"""Samples of the optimizer family: the formulas of Keras's optimizers, one step from a given state."""

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, integers, normal, uniform


def _sgd(p, g, lr):
    return p - lr * g


def _momentum(p, v, g, lr, momentum, nesterov=False):
    v = momentum * v - lr * g
    return (p + momentum * v - lr * g if nesterov else p + v), v


def _adam(p, m, v, g, lr, step, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    p = p - p * weight_decay * lr
    alpha = lr * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    m = m + (g - m) * (1 - beta_1)
    v = v + (g * g - v) * (1 - beta_2)
    return p - m * alpha / (np.sqrt(v) + epsilon), m, v


def _amsgrad(p, m, v, vhat, g, lr, step, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    p = p - p * weight_decay * lr
    alpha = lr * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    m = m + (g - m) * (1 - beta_1)
    v = v + (g * g - v) * (1 - beta_2)
    vhat = np.maximum(vhat, v)
    return p - m * alpha / (np.sqrt(vhat) + epsilon), m, v, vhat


def _rmsprop(p, v, g, lr, rho=0.9, epsilon=1e-7):
    v = rho * v + (1 - rho) * g * g
    return p - lr * g / np.sqrt(v + epsilon), v


def _rmsprop_full(p, v, b, d, g, lr, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    v = rho * v + (1 - rho) * g * g
    d = rho * d + (1 - rho) * g if centered else d
    increment = lr * g / np.sqrt(v - d * d + epsilon if centered else v + epsilon)
    b = momentum * b + increment if momentum else b
    return p - (b if momentum else increment), v, b, d


squares = lambda *shape: uniform(1.0, 4.0, *shape)  # noqa: E731
RATE = given(0.01, "float32")
STEP = given(3, "int32")


def _row(op, reference, states, attrs=(), label="", step=False):
    """`states`: makers of a shape, the parameter first; the gradient follows."""

    def make(*shape):
        return inputs(*(s(*shape) for s in states), normal(*shape), RATE, *([STEP] if step else []))

    # The rate is float32: in float64 its rounding counts, and the reference is given the same number.
    return Sample(op, make(3, 7), reference, dict(attrs), label, big=make(70_000), gradient=())


def _joined(op, reference, states, attrs=(), step=False):
    """Three variables, which a kernel cuts into tiles together."""

    def make(*shapes):
        gradients = [normal(*shape) for shape in shapes]
        return inputs(*(s(*shape) for shape in shapes for s in states), *gradients, RATE, *([STEP] if step else []))

    def each(*all_inputs, **attrs):
        k = len(states)
        values, gradients, scalars = all_inputs[: 3 * k], all_inputs[3 * k : 3 * k + 3], all_inputs[3 * k + 3 :]
        results = [reference(*values[i * k : i * k + k], gradients[i], *scalars, **attrs) for i in range(3)]
        return tuple(r for result in results for r in (result if isinstance(result, tuple) else (result,)))

    big = make((70_000,), (5,), (300, 90))
    return Sample(op, make((3, 7), (), (4,)), each, dict(attrs), "joined", big=big, gradient=())


def _scattered(op, reference, states, attrs=(), step=False):
    """A table whose gradient is told as updates of some rows, several of one among them, and one counted from the
    end."""

    def make(shape, points, low):
        rest = shape[points[-1] :]
        gradient = [integers(low, 3, *points), normal(*points[:-1], *rest)]
        return inputs(*(s(*shape) for s in states), *gradient, RATE, *([STEP] if step else []))

    def dense(*all_inputs, **attrs):
        k = len(states)
        gradient = np.zeros_like(all_inputs[0])
        np.add.at(gradient, tuple(np.moveaxis(all_inputs[k], -1, 0)), all_inputs[k + 1])
        return reference(*all_inputs[:k], gradient, *all_inputs[k + 2 :], **attrs)

    small, big = make((5, 3, 4), (2, 4, 2), -2), make((800, 90), (1, 3000, 1), -700)
    # A 16-bit sum of updates is rounded before it counts.
    return Sample(f"{op}_rows", small, dense, dict(attrs), big=big, gradient=(), tolerance={"float16": 4e-3})


# What is updated for several variables at once and from scattered gradients: row, reference, states, attributes, step.
_RULES = [
    ("sgd_update", _sgd, [normal]),
    ("sgd_momentum_update", _momentum, [normal, normal], {"momentum": 0.9}),
    ("adam_update", _adam, [normal, normal, squares], {"weight_decay": 0.1}, True),
    ("adam_amsgrad_update", _amsgrad, [normal, normal, squares, squares], (), True),
    ("rmsprop_update", _rmsprop, [normal, squares]),
    ("rmsprop_full_update", _rmsprop_full, [normal, squares, normal, normal], {"momentum": 0.9}),
]

SAMPLES: list[Sample] = [
    _row("sgd_update", _sgd, [normal]),
    _row("sgd_momentum_update", _momentum, [normal, normal], {"momentum": 0.9}),
    _row("sgd_momentum_update", _momentum, [normal, normal], {"momentum": 0.9, "nesterov": True}, "nesterov"),
    _row("adam_update", _adam, [normal, normal, squares], step=True),
    _row("adam_update", _adam, [normal, normal, squares], {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3,
         "weight_decay": 0.1}, "adamw", step=True),
    _row("adam_amsgrad_update", _amsgrad, [normal, normal, squares, squares], {"weight_decay": 0.01}, step=True),
    _row("rmsprop_update", _rmsprop, [normal, squares], {"rho": 0.8, "epsilon": 1e-4}),
    _row("rmsprop_full_update", _rmsprop_full, [normal, squares, normal, normal], {"momentum": 0.9}, "momentum"),
    _row("rmsprop_full_update", _rmsprop_full, [normal, squares, normal, lambda *s: uniform(-0.5, 0.5, *s)],
         {"centered": True}, "centered"),
    _row("rmsprop_full_update", _rmsprop_full, [normal, squares, normal, lambda *s: uniform(-0.5, 0.5, *s)],
         {"momentum": 0.5, "centered": True}, "both"),
    *(make(*rule) for make in (_joined, _scattered) for rule in _RULES),
]  # fmt: skip

_P, _LR, _STEP = np.zeros(3), np.float32(0.1), np.int32(1)
_AT = np.zeros((2, 1), "int32")
ERRORS: list[ErrorSample] = [
    *(ErrorSample(op, (_P,) * states + (np.zeros(2), _LR) + ((_STEP,) if step else ()), ValueError,
                  r"the gradient must have the parameter's shape \(3,\), got \(2,\)")
      for op, states, step in (("sgd_update", 1, False), ("sgd_momentum_update", 2, False), ("adam_update", 3, True),
                               ("adam_amsgrad_update", 4, True), ("rmsprop_update", 2, False),
                               ("rmsprop_full_update", 4, False))),
    ErrorSample("sgd_update", (_P, np.zeros(3, "float32"), _LR), TypeError,
                "the gradient must have the parameter's dtype float64, got float32"),
    ErrorSample("adam_update", (_P, _P, _P, _P, _LR, np.float32(1)), ValueError, "the step must be an integer tensor"),
    ErrorSample("sgd_update", (_P, _P, np.zeros(1, "float32")), ValueError, "the learning rate must be"),
    *(ErrorSample(f"{op}_rows", (_P,) * states + (_AT, _P, _LR) + ((_STEP,) if step else ()), ValueError,
                  r"updates have shape \(3,\), but x \(3,\) at indices \(2, 1\) has \(2,\)")
      for op, states, step in (("sgd_update", 1, False), ("sgd_momentum_update", 2, False), ("adam_update", 3, True),
                               ("adam_amsgrad_update", 4, True), ("rmsprop_update", 2, False),
                               ("rmsprop_full_update", 4, False))),
    ErrorSample("sgd_update_rows", (_P, _AT + 3, np.zeros(2), _LR), IndexError,
                "sgd_update_rows: index 3 is out of range for axis 0 of size 3"),
    ErrorSample("sgd_update_rows", (_P, _AT, np.zeros(2), np.zeros(2)), ValueError, "the learning rate must be"),
    ErrorSample("sgd_update", (_P, _P, _P, _LR), ValueError, "expected 1 states and a gradient for each variable"),
    ErrorSample("sgd_update", (_P, np.zeros(2), _P, _P, _LR), ValueError,
                r"the gradient must have the parameter's shape \(2,\), got \(3,\) as input 3"),
]  # fmt: skip
