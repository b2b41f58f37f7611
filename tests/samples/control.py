"""Samples of loops and branches. A body says its dtypes, so these rows are of float64."""

import numpy as np

from addax import engine
from tests.samples import ErrorSample, Sample, given, inputs, normal

FLOAT64 = ("float64",)


def cell(batch: int, units: int) -> engine.Graph:
    """tanh(x + h w), which is also the output."""
    state, square = f"float64({batch}, {units})", f"float64({units}, {units})"
    return engine.Graph.parse(
        f"graph(%0: {state}, %1: {state}, %2: {square}) {{\n"
        f"  %3: {state} = matmul(%1, %2, transpose_a=false, transpose_b=false)\n"
        f"  %4: {state} = add(%0, %3)\n  %5: {state} = tanh(%4)\n  return %5, %5\n}}"
    )


def of(body: engine.Graph, length: int, sequences: int, carries: int, reverse: bool = False) -> dict:
    return {"body": body, "length": length, "sequences": sequences, "carries": carries, "reverse": reverse}


def _recurrence(x, h, w, reverse=False, **_):
    y = np.empty_like(x)
    for t in range(len(x))[::-1] if reverse else range(len(x)):
        y[t] = h = np.tanh(x[t] + h @ w)
    return y, h


def _big(rng):
    return rng.standard_normal((4, 300, 60)), rng.standard_normal((300, 60)), rng.standard_normal((60, 60)) * 0.1


CELL = cell(2, 3)
# No step depends on another, and one reads its input only where it is not needed.
APART = engine.Graph.parse(
    "graph(%0: float64(3,), %1: float64(3,)) {\n  %2: float64(3,) = square(%0)\n"
    "  %3: float64(3,) = multiply(%2, %1)\n  return %3\n}"
)


def branches(*shape: int) -> list[engine.Graph]:
    """(x y, x) and (exp x, tanh y), and (y, x), which computes nothing."""
    s = f"float64{shape}"
    texts = [
        f"  %2: {s} = multiply(%0, %1)\n  return %2, %0\n",
        f"  %2: {s} = exp(%0)\n  %3: {s} = tanh(%1)\n  return %2, %3\n",
        "  return %1, %0\n",
    ]
    return [engine.Graph.parse(f"graph(%0: {s}, %1: {s}) {{\n{text}}}") for text in texts]


def _choice(i, x, y, **_):
    return [(x * y, x), (np.exp(x), np.tanh(y)), (y, x)][min(max(int(i), 0), 2)]


def _pair(rng):
    return np.array(1, "int32"), rng.standard_normal((400, 300)), rng.standard_normal((400, 300))


def steps(*shape: int) -> engine.Graph:
    """x -> x tanh(y), while the sum of squares is above 1."""
    s = f"float64{shape}"
    return engine.Graph.parse(
        f"graph(%0: bool(), %1: {s}, %2: {s}) {{\n  const %3: float64() = [1]\n  %4: {s} = tanh(%2)\n"
        f"  %5: {s} = multiply(%1, %4)\n  %6: {s} = square(%5)\n"
        f"  %7: float64() = sum(%6, axes={tuple(range(len(shape)))}, keepdims=false)\n"
        "  %8: bool() = greater(%7, %3)\n  return %8, %5\n}"
    )


def _shrunk(go, x, y, maximum, **_):
    for _step in range(maximum):
        if go:
            x = x * np.tanh(y)
            go = np.square(x).sum() > 1
    return np.asarray(go), x


def _while_big(rng):
    return np.array(True), rng.standard_normal((400, 300)), rng.standard_normal((400, 300))


# The greatest common divisor.
DIVISOR = engine.Graph.parse(
    "graph(%0: bool(), %1: int32(), %2: int32()) {\n  const %3: int32() = [0]\n  %4: int32() = remainder(%1, %2)\n"
    "  %5: bool() = not_equal(%4, %3)\n  return %5, %2, %4\n}"
)


def _divided(go, a, b, **_):
    while go:
        a, b = b, a % b
        go = b != 0
    return np.asarray(go), a, b


SAMPLES = [
    Sample(
        "scan",
        inputs(normal(5, 2, 3), normal(2, 3), normal(3, 3)),
        _recurrence,
        of(CELL, 5, 1, 1),
        label="recurrence",
        dtypes=FLOAT64,
    ),
    Sample(
        "scan",
        inputs(normal(4, 2, 3), normal(2, 3), normal(3, 3)),
        _recurrence,
        of(CELL, 4, 1, 1, reverse=True),
        label="reverse",
        dtypes=FLOAT64,
    ),
    Sample(
        "scan",
        inputs(normal(4, 3), normal(3)),
        lambda x, k, **_: x**2 * k,
        of(APART, 4, 1, 0),
        label="no-carry",
        dtypes=FLOAT64,
    ),
    *(
        Sample(
            "cond",
            inputs(given(i, "int32"), normal(2, 3), normal(2, 3)),
            _choice,
            {"bodies": branches(2, 3)},
            label=f"branch{i}",
            dtypes=FLOAT64,
        )
        for i in (-1, 0, 1, 2, 7)
    ),
    Sample("cond", _pair, _choice, {"bodies": branches(400, 300)}, "large", FLOAT64, _pair, ()),
    *(
        Sample(
            "while_loop",
            inputs(given(go, "bool"), normal(2, 3), normal(2, 3)),
            _shrunk,
            {"body": steps(2, 3), "maximum": maximum},
            label=label,
            dtypes=FLOAT64,
        )
        for label, go, maximum in [("until-false", True, 9), ("cut-short", True, 1), ("none", False, 4)]
    ),
    Sample(
        "while_loop",
        _while_big,
        _shrunk,
        {"body": steps(400, 300), "maximum": 3},
        label="large",
        dtypes=FLOAT64,
        big=_while_big,
        gradient=(),
    ),
    *(
        Sample(
            "while_loop",
            inputs(given(True, "bool"), given(a, "int32"), given(b, "int32")),
            _divided,
            {"body": DIVISOR},
            label=f"divisor-{a}-{b}",
            dtypes=("int32",),
        )
        for a, b in [(12, 5), (1071, 462)]
    ),
    Sample("scan", _big, _recurrence, of(cell(300, 60), 4, 1, 1), label="large", dtypes=FLOAT64, big=_big, gradient=()),
]

INDEX, A = np.array(0, "int32"), np.ones((2, 3))
CHOICE, AGAIN, CUT = {"bodies": branches(2, 3)}, {"body": steps(2, 3)}, {"maximum": -2}
ONE_AND_TWO = [engine.Graph.parse(f"graph(%0: float64(2, 3)) {{\n  return {r}\n}}") for r in ("%0", "%0, %0")]
ACROSS = engine.Graph.parse(
    "graph(%0: float64(2, 3)) {\n  %1: float64(3, 2) = transpose(%0, axes=(1, 0))\n  return %1\n}"
)
MORE = engine.Graph.parse("graph(%0: bool()) {\n  return %0, %0\n}")
TURN = engine.Graph.parse(
    "graph(%0: bool(), %2: float64(2, 3)) {\n  %1: float64(3, 2) = transpose(%2, axes=(1, 0))\n  return %0, %1\n}"
)

ERRORS = [
    ErrorSample("scan", (np.ones(3),), ValueError, "scan: expected a body"),
    ErrorSample("scan", (np.ones(3),), ValueError, "the body takes 2 inputs, got 1", of(APART, 4, 1, 0)),
    ErrorSample("scan", (np.ones((4, 3)), np.ones(3)), ValueError, "a length of at least 1, got 0", of(APART, 0, 1, 0)),
    ErrorSample(
        "scan", (np.ones((4, 3)), np.ones(3)), ValueError, "2 sequences and 1 carries do not fit", of(APART, 4, 2, 1)
    ),
    ErrorSample(
        "scan",
        (np.ones((5, 3)), np.ones(3)),
        ValueError,
        r"input 0 must be float64\(4, 3\) for the body, got float64\(5, 3\)",
        of(APART, 4, 1, 0),
    ),
    ErrorSample("cond", (INDEX,), ValueError, "cond: expected one body or more"),
    ErrorSample("cond", (np.float64(0), A, A), ValueError, r"input 0 must be int32\(\) .* got float64\(\)", CHOICE),
    ErrorSample("cond", (INDEX, A), ValueError, "the body takes 2 inputs, got 1", CHOICE),
    ErrorSample("cond", (INDEX, A, A[:1]), ValueError, r"input 2 must be float64\(2, 3\) for the body", CHOICE),
    ErrorSample("cond", (INDEX, A), ValueError, "body 1 gives 2 results, body 0 gives 1", {"bodies": ONE_AND_TWO}),
    ErrorSample(
        "cond",
        (INDEX, A),
        ValueError,
        r"result 0 of body 1 is float64\(3, 2\), of body 0 float64\(2, 3\)",
        {"bodies": [ONE_AND_TWO[0], ACROSS]},
    ),
    ErrorSample("cond", (INDEX, A), TypeError, "attribute bodies must be a list of Graphs, got 3", {"bodies": 3}),
    ErrorSample("while_loop", (np.array(True),), ValueError, "while_loop: expected a body"),
    ErrorSample("while_loop", (np.array(True), A, A), ValueError, "a maximum of steps or -1, got -2", AGAIN | CUT),
    ErrorSample("while_loop", (A,), ValueError, "a body whose first result is a bool", {"body": ONE_AND_TWO[0]}),
    ErrorSample("while_loop", (A,), ValueError, "2 carries do not fit a body of 1 inputs", {"body": MORE}),
    ErrorSample("while_loop", (np.array(True), A, A[:1]), ValueError, r"input 2 must be float64\(2, 3\)", AGAIN),
    ErrorSample(
        "while_loop", (np.array(True), A), ValueError, r"input 1 must be float64\(3, 2\) .* got", {"body": TURN}
    ),
    ErrorSample("scan", (np.ones(3),), TypeError, "attribute body must be a Graph, got 3", {"body": 3}),
]
