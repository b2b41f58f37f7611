"""Samples of the random family, against Threefry-2x32 in NumPy; tests/table/test_random.py asks JAX itself."""

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, normal

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(key, high, low):
    """The block function of Salmon et al. (SC'11), 20 rounds, on arrays of counter words."""
    keys = [np.uint32(key[0]), np.uint32(key[1]), np.uint32(key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))]
    x0, x1 = high + keys[0], low + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation) | x1 >> np.uint32(32 - rotation)) ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def _random_bits(key, shape, dtype="uint32"):
    """The counter of an element is its position; 64 bits are both words, fewer are of their exclusive or."""
    n = int(np.prod(shape, dtype="int64"))
    position = np.arange(n, dtype="uint64")
    x0, x1 = threefry2x32(key, (position >> np.uint64(32)).astype("uint32"), position.astype("uint32"))
    bits = x0.astype("uint64") << np.uint64(32) | x1 if dtype == "uint64" else x0 ^ x1
    return bits.astype(dtype).reshape(shape)


def _row(label, key, shape, dtype, big=None):
    attrs = {"shape": shape, "dtype": dtype}
    return Sample(
        "random_bits", inputs(given(key, "uint32")), _random_bits, attrs, label, ("float64",), big, exact=True
    )


def dropped(x, key, rate):
    """23 bits of an element as a float below 1, against the part to keep in float32."""
    unit = (_random_bits(key, x.shape) >> 9).astype("float32") / np.float32(2**23)
    return np.where(unit < np.float32(1 - rate), x / (1 - rate), 0.0) if rate < 1 else np.zeros_like(x)


def _drop(label, shape, rate, key=(3, 2**32 - 1), big=None):
    big = big and inputs(normal(*big), given(key, "uint32"))
    return Sample("dropout", inputs(normal(*shape), given(key, "uint32")), dropped, {"rate": rate}, label, big=big)


SAMPLES: list[Sample] = [
    _row("words", (3, 2**32 - 1), (5, 7), "uint32"),
    _row("long", (1, 2), (70001,), "uint64", inputs(given((4, 5), "uint32"))),
    _row("bytes", (1, 2), (1000,), "uint8"),
    _row("halves", (1, 2), (3, 1, 5), "uint16"),
    _row("scalar", (7, 0), (), "uint32"),
    _row("empty", (7, 0), (0, 3), "uint8"),
    Sample(
        "random_bits",
        inputs(given((0, 0), "uint32")),
        # The first known answer of the authors' distribution: counter 0 under key 0.
        lambda key, shape, dtype: np.array([0x6B20015999BA4EFE], "uint64"),
        {"shape": (1,), "dtype": "uint64"},
        "known-answer",
        ("float64",),
        exact=True,
    ),
    _drop("matrix", (5, 7), 0.3, big=(70001,)),
    _drop("few", (3, 1, 47), 0.9),
    _drop("none", (17,), 0.0),
    _drop("all", (17,), 1.0),
    _drop("scalar", (), 0.5, (0, 0)),
    _drop("empty", (0, 3), 0.5),
]

_KEY = np.zeros(2, "uint32")
ERRORS: list[ErrorSample] = [
    ErrorSample("random_bits", (np.zeros(3, "uint32"),), ValueError, r"key must have shape \(2,\)", {"shape": ()}),
    ErrorSample("random_bits", (np.zeros(2, "int32"),), TypeError, "key must be uint32", {"shape": ()}),
    ErrorSample("random_bits", (_KEY,), TypeError, "dtype must be uint8", {"shape": (2,), "dtype": "int32"}),
    ErrorSample("random_bits", (_KEY,), ValueError, "sizes must be >= 0", {"shape": (-1,)}),
    ErrorSample("dropout", (np.ones(2), np.zeros(2, "int32")), TypeError, "key must be uint32"),
    ErrorSample("dropout", (np.ones(2), np.zeros(3, "uint32")), ValueError, r"key must have shape \(2,\)"),
    ErrorSample("dropout", (np.ones(2, "int32"), _KEY), TypeError, "expected a floating dtype"),
    ErrorSample("dropout", (np.ones(2), _KEY), ValueError, "rate must lie between 0 and 1", {"rate": 1.5}),
]
