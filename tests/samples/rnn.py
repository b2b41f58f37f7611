"""Samples of the rnn family: NumPy loops over the steps as the reference."""

import numpy as np

from tests.samples import ErrorSample, Sample, inputs, normal, uniform


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _steps(time, go_backwards):
    return range(time - 1, -1, -1) if go_backwards else range(time)


def _choose(mask, t, fresh, kept):
    return fresh if mask is None else np.where(mask[:, t : t + 1].astype(bool), fresh, kept)


def _simple_rnn(x, h, kernel, recurrent, bias, mask=None, go_backwards=False):
    y = np.zeros((*x.shape[:2], h.shape[1]))
    for s, t in enumerate(_steps(x.shape[1], go_backwards)):
        h = _choose(mask, t, np.tanh(x[:, t] @ kernel + h @ recurrent + bias), h)
        y[:, s] = h
    return y, h


def _simple_rnn_grad(recurrent, y, dy, dh, mask=None, go_backwards=False):
    dz = np.zeros(y.shape)
    for s, t in reversed(list(enumerate(_steps(y.shape[1], go_backwards)))):
        dh = dh + dy[:, s]
        dz[:, t] = _choose(mask, t, dh * (1 - y[:, s] ** 2), 0)
        dh = _choose(mask, t, dz[:, t] @ recurrent.T, dh)
    return dz, dh


def _lstm(x, h, c, kernel, recurrent, bias, mask=None, go_backwards=False):
    y, cells = np.zeros((*x.shape[:2], h.shape[1])), np.zeros((*x.shape[:2], h.shape[1]))
    gates = np.zeros((*x.shape[:2], kernel.shape[1]))
    for s, t in enumerate(_steps(x.shape[1], go_backwards)):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        gates[:, t] = np.concatenate([i, f, g, o], axis=1)
        fresh = f * c + i * g
        h, c = _choose(mask, t, o * np.tanh(fresh), h), _choose(mask, t, fresh, c)
        y[:, s], cells[:, t] = h, c
    return y, h, c, cells, gates


def _lstm_grad(c, recurrent, cells, gates, dy, dh, dc, mask=None, go_backwards=False):
    dz = np.zeros(gates.shape)
    steps = list(_steps(cells.shape[1], go_backwards))
    for s, t in reversed(list(enumerate(steps))):
        i, f, g, o = np.split(gates[:, t], 4, axis=1)
        before, squashed = cells[:, steps[s - 1]] if s else c, np.tanh(cells[:, t])
        dh = dh + dy[:, s]
        total = dc + dh * o * (1 - squashed**2)
        slopes = (total * g * i * (1 - i), total * before * f * (1 - f), total * i * (1 - g**2))
        slopes = np.concatenate([*slopes, dh * squashed * o * (1 - o)], axis=1)
        dz[:, t] = _choose(mask, t, slopes, 0)
        dh, dc = _choose(mask, t, dz[:, t] @ recurrent.T, dh), _choose(mask, t, total * f, dc)
    return dz, dh, dc


def _gru(x, h, kernel, recurrent, bias, mask=None, go_backwards=False, reset_after=True):
    units = h.shape[1]
    y, kept = np.zeros((*x.shape[:2], units)), np.zeros((*x.shape[:2], (4 if reset_after else 3) * units))
    outer, inner = bias if reset_after else (bias, np.zeros(3 * units))
    for s, t in enumerate(_steps(x.shape[1], go_backwards)):
        xz, xr, xg = np.split(x[:, t] @ kernel + outer, 3, axis=1)
        uz, ur, ug = np.split(recurrent, 3, axis=1)
        bz, br, bg = np.split(inner, 3)
        z, r = _sigmoid(xz + h @ uz + bz), _sigmoid(xr + h @ ur + br)
        after = h @ ug + bg
        g = np.tanh(xg + (r * after if reset_after else (r * h) @ ug))
        kept[:, t] = np.concatenate([z, r, g, after] if reset_after else [z, r, g], axis=1)
        h = _choose(mask, t, z * h + (1 - z) * g, h)
        y[:, s] = h
    return y, h, kept


def _gru_grad(h, recurrent, y, gates, dy, dh, mask=None, go_backwards=False, reset_after=True):
    dz = np.zeros(gates.shape)
    uz, ur, ug = np.split(recurrent, 3, axis=1)
    for s, t in reversed(list(enumerate(_steps(y.shape[1], go_backwards)))):
        z, r, g, *after = np.split(gates[:, t], gates.shape[2] // y.shape[2], axis=1)
        before = y[:, s - 1] if s else h
        dh = dh + dy[:, s]
        of_z, of_g = dh * (before - g) * z * (1 - z), dh * (1 - z) * (1 - g**2)
        if reset_after:
            of_r = of_g * after[0] * r * (1 - r)
            slopes, back = [of_z, of_r, of_g, of_g * r], dh * z + (of_g * r) @ ug.T
        else:
            of_reset = of_g @ ug.T
            of_r = of_reset * before * r * (1 - r)
            slopes, back = [of_z, of_r, of_g], dh * z + of_reset * r
        dz[:, t] = _choose(mask, t, np.concatenate(slopes, axis=1), 0)
        dh = _choose(mask, t, back + of_z @ uz.T + of_r @ ur.T, dh)
    return dz, dh


def _weights(*shape):
    """Small enough that states do not saturate."""
    return lambda rng: rng.standard_normal(shape) / np.sqrt(shape[0] or 1)


def _mask(batch, time):
    """Three of four steps, among them whole runs at either end; a sequence of nothing but masked steps."""

    def make(rng):
        mask = rng.random((batch, time)) < 0.75
        mask[0, : time // 2] = False
        mask[-1, time // 2 :] = False
        mask[batch // 2] = False
        return mask

    return make


def _forward(op, batch, time, features, units, mask=False, reset_after=True):
    states, gates = {"simple_rnn": (1, 1), "lstm": (2, 4), "gru": (1, 3)}[op]
    bias = (2, 3 * units) if op == "gru" and reset_after else (gates * units,)
    return inputs(
        normal(batch, time, features),
        *[normal(batch, units)] * states,
        _weights(features, gates * units),
        _weights(units, gates * units),
        normal(*bias),
        *[_mask(batch, time)] * mask,
    )


def _backward(op, batch, time, _, units, mask=False, reset_after=True):
    steps, state, gates = normal(batch, time, units), normal(batch, units), uniform(-1, 1, batch, time, units)
    if op == "simple_rnn":
        own = (_weights(units, units), gates, steps, state)
    elif op == "lstm":
        own = (state, _weights(units, 4 * units), steps, uniform(-1, 1, batch, time, 4 * units), steps, state, state)
    else:
        columns = (4 if reset_after else 3) * units
        own = (state, _weights(units, 3 * units), steps, uniform(-1, 1, batch, time, columns), steps, state)
    return inputs(*own, *[_mask(batch, time)] * mask)


# Errors pass from step to step, amplified by weights and gates.
CHAIN = {"float64": 1e-11, "float32": 2e-5, "float16": 8e-3, "bfloat16": 6e-2}

# batch, time, features, units: blocks of sequences, panels of columns and vectors that are full and that are not
SIZES = {"small": (3, 4, 2, 3), "wide": (9, 3, 5, 19)}
BIG = (50, 12, 20, 33)

SAMPLES: list[Sample] = []
for op, forward, backward, more in (
    ("simple_rnn", _simple_rnn, _simple_rnn_grad, {}),
    ("lstm", _lstm, _lstm_grad, {}),
    ("gru", _gru, _gru_grad, {}),
    ("gru", _gru, _gru_grad, {"reset_after": False}),
):
    for row, reference, make in ((op, forward, _forward), (f"{op}_grad", backward, _backward)):
        way = " before" if more else ""
        for label, sizes in SIZES.items():
            for masked in (False, True):
                attrs = {"go_backwards": label == "wide" or masked, **more}
                SAMPLES.append(
                    Sample(row, make(op, *sizes, mask=masked, **more), reference, attrs,
                           f"{label}{way}{' masked' * masked}", tolerance=CHAIN,
                           big=make(op, *BIG, mask=masked, **more) if label == "wide" else None)
                )  # fmt: skip
        few = () if row.endswith("grad") else None  # y and the cells have no gradient without a step that reads them
        SAMPLES += [
            Sample(row, make(op, 2, 3, 2, 2, mask=True, **more), reference, more, f"forwards{way}", tolerance=CHAIN),
            Sample(row, make(op, 1, 1, 1, 1, **more), reference, more, f"one step{way}", tolerance=CHAIN, gradient=few),
            Sample(row, make(op, 2, 0, 3, 2, **more), reference, more, f"no steps{way}", tolerance=CHAIN, gradient=()),
        ]
    SAMPLES.append(Sample(op, _forward(op, 2, 2, 0, 2, **more), forward, more, f"no features{way}", tolerance=CHAIN))


def _zeros(*shapes):
    return tuple(np.zeros(s) for s in shapes)


ERRORS: list[ErrorSample] = [
    ErrorSample("simple_rnn", _zeros((2, 3), (2, 4), (3, 4), (4, 4), 4), ValueError,
                r"x must have shape \(batch, time, features\), got \(2, 3\)"),
    ErrorSample("simple_rnn", (*_zeros((2, 5, 3), (2, 4), (3, 4), (4, 4)), np.zeros(4, "float32")), TypeError,
                "bias must be float64 as input 0 is, got float32"),
    ErrorSample("lstm", _zeros((2, 5, 3), (2, 4), (2, 4), (3, 12), (4, 16), 16), ValueError,
                r"kernel must have shape \(3, 16\) as input 0 has shape \(2, 5, 3\), got \(3, 12\)"),
    ErrorSample("lstm", _zeros((2, 5, 3), (2, 4), (2, 5), (3, 16), (4, 16), 16), ValueError,
                r"c must have shape \(2, 4\)"),
    ErrorSample("lstm", _zeros((2, 5, 3), (2, 4), (2, 4), (3, 16), (4, 16), 16, (2, 5)), TypeError,
                "mask must be bool, got float64"),
    ErrorSample("gru", _zeros((2, 5, 3), (2, 4), (3, 12), (4, 12), 12), ValueError,
                r"bias must have shape \(2, 12\)"),
    ErrorSample("gru", (*_zeros((2, 5, 3), (2, 4), (3, 12), (4, 12), (2, 12)), np.ones((2, 3), bool)), ValueError,
                r"mask must have shape \(2, 5\), got \(2, 3\)"),
    ErrorSample("gru", tuple(np.zeros(s, "int32") for s in ((2, 5, 3), (2, 4), (3, 12), (4, 12), (2, 12))), TypeError,
                "x must be floating, got int32"),
    ErrorSample("simple_rnn_grad", _zeros((4, 4), (2, 5, 4), (2, 5, 3), (2, 4)), ValueError,
                r"dy must have shape \(2, 5, 4\)"),
    ErrorSample("lstm_grad", _zeros((2, 4), (4, 16), (2, 5, 4), (2, 5, 12), (2, 5, 4), (2, 4), (2, 4)), ValueError,
                r"gates must have shape \(2, 5, 16\)"),
    ErrorSample("gru_grad", _zeros((2, 4), (4, 12), (2, 5, 4), (2, 5, 16), (2, 5, 4), (2, 3)), ValueError,
                r"dh must have shape \(2, 4\)"),
]  # fmt: skip
