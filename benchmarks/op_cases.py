"""The ops that `ops.py` races: what each engine runs, and what of arithmetic and memory traffic it cannot do without.

To add an op: a `Case` in `cases()`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ENGINES = ("addax", "torch", "jax", "numpy")


@dataclass(frozen=True)
class Case:
    """An op on inputs of some shapes.

    inputs: shapes of float32 arrays of a normal distribution, or the arrays themselves. run: engine -> a function of
    (module, *inputs) that returns the result; engines without one do not take part. flops: multiplications and
    additions. traffic: bytes that must be read and written.
    """

    inputs: tuple[Any, ...]
    run: dict[str, Callable]
    flops: float = 0.0
    traffic: float = 0.0
    prepare: Callable[[str, Any, tuple], tuple] = field(default=lambda engine, module, inputs: inputs)

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.standard_normal(x, dtype="float32") if isinstance(x, tuple) else x for x in self.inputs]


def cases() -> dict[str, Case]:
    """All ops by name."""
    table: dict[str, Case] = {}
    for m, n, k in ((1024, 1024, 1024), (128, 512, 784), (32, 64, 64), (1, 512, 784), (2048, 256, 256)):
        table[f"matmul {m}x{k} by {k}x{n}"] = Case(
            ((m, k), (k, n)), _same(lambda lib, a, b: lib.matmul(a, b)), 2.0 * m * n * k, 4.0 * (m * k + k * n + m * n)
        )
    table["matmul 64 of 128x64 by 64x128"] = Case(
        ((64, 128, 64), (64, 64, 128)),
        _same(lambda lib, a, b: lib.matmul(a, b)),
        2.0 * 64 * 128 * 128 * 64,
        4.0 * 64 * (2 * 128 * 64 + 128 * 128),
    )
    for size, channels, outputs, window, stride, groups in (
        (56, 64, 64, 3, 1, 1),
        (28, 128, 128, 3, 1, 1),
        (14, 256, 256, 3, 1, 1),
        (32, 16, 16, 3, 1, 1),
        (56, 64, 256, 1, 1, 1),
        (64, 3, 32, 3, 1, 1),
        (32, 64, 64, 3, 1, 64),
        (16, 256, 256, 3, 1, 256),
    ):
        _add_convolution(table, 8, size, channels, outputs, window, stride, groups)
    _add_memory_bound(table)
    _add_normalizations(table)
    _add_attention(table)
    _add_recurrent(table)
    _add_pooling(table)
    _add_batch_norm(table)
    _add_updates(table)
    return table


def _same(f: Callable) -> dict[str, Callable]:
    """The same expression over the modules of all engines, whose names agree."""
    return dict.fromkeys(ENGINES, f)


def _add_convolution(table: dict, batch: int, size: int, inputs: int, outputs: int, k: int, stride: int, groups: int):
    out = math.ceil(size / stride)
    name = f"{'depthwise ' if groups > 1 else ''}conv {k}x{k} at {size}x{size}x{inputs}"
    name += "" if groups > 1 or inputs == outputs else f" to {outputs}"
    x, w, y = (batch, size, size, inputs), (k, k, inputs // groups, outputs), (batch, out, out, outputs)
    attrs = {
        "strides": (stride,) * 2,
        "dilation": (1, 1),
        "low": (k // 2,) * 2,
        "high": (k // 2,) * 2,
        "groups": groups,
    }
    flops = 2.0 * math.prod(y) * k * k * inputs / groups
    traffic = 4.0 * (math.prod(x) + math.prod(w) + math.prod(y))

    def prepare(engine: str, module: Any, arrays: tuple) -> tuple:
        if engine != "torch":
            return arrays
        # Channels last in memory, as they come; filters as torch wants them.
        return tuple(
            a.permute(3, 2, 0, 1).contiguous(memory_format=module.channels_last)
            if a.shape == w
            else a.permute(0, 3, 1, 2)
            for a in arrays
        )

    def addax(op: str, settings: dict) -> Callable:
        def run(lib: Any, *tensors: Any) -> Any:
            from addax import engine

            return engine.apply(op, *tensors, **attrs, **settings)

        return run

    def lax(lib: Any, x: Any, w: Any) -> Any:
        import jax

        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride,) * 2,
            [(k // 2, k // 2)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    def pulled(which: int) -> Callable:
        def run(lib: Any, first: Any, second: Any) -> Any:
            import jax
            import jax.numpy as jnp

            if which == 0:
                return jax.vjp(lambda x: lax(lib, x, second), jnp.zeros(x))[1](first)
            return jax.vjp(lambda w: lax(lib, first, w), jnp.zeros(w))[1](second)

        return run

    def backward(which: int) -> Callable:
        mask = [which == 0, which == 1, False]

        def run(torch: Any, first: Any, second: Any) -> Any:
            zeros = _torch_zeros(torch, x, w)[which]
            g, x_, w_ = (first, zeros, second) if which == 0 else (second, first, zeros)
            return torch.ops.aten.convolution_backward(
                g, x_, w_, None, [stride] * 2, [k // 2] * 2, [1, 1], False, [0, 0], groups, mask
            )[which]

        return run

    def forward(torch: Any, a: Any, b: Any) -> Any:
        return torch.nn.functional.conv2d(a, b, stride=stride, padding=k // 2, groups=groups)

    for what, shapes, row, settings, by_torch, by_jax in (
        ("", (x, w), "conv", {}, forward, lax),
        (", input gradient", (y, w), "conv_input_grad", {"input_spatial": (size, size)}, backward(0), pulled(0)),
        (", filter gradient", (x, y), "conv_filter_grad", {"filter_spatial": (k, k)}, backward(1), pulled(1)),
    ):
        run = {"addax": addax(row, settings), "torch": by_torch, "jax": by_jax}
        table[name + what] = Case(shapes, run, flops, traffic, prepare)


_ZEROS: dict[tuple, tuple] = {}


def _torch_zeros(torch: Any, x: tuple, w: tuple) -> tuple:
    """An input and a filter whose values do not matter, made once."""
    if (x, w) not in _ZEROS:
        _ZEROS[x, w] = (
            torch.zeros(x).permute(0, 3, 1, 2),
            torch.zeros(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last),
        )
    return _ZEROS[x, w]


def _add_memory_bound(table: dict) -> None:
    n = 1 << 24
    one, two, three = 4.0 * n, 8.0 * n, 12.0 * n
    sized = (4096, 4096)
    table["add, 16M"] = Case((sized, sized), _same(lambda lib, a, b: lib.add(a, b)), n, three)
    table["multiply by a row, 16M"] = Case((sized, (4096,)), _same(lambda lib, a, b: lib.multiply(a, b)), n, two)
    for name in ("exp", "tanh", "sqrt"):
        table[f"{name}, 16M"] = Case((sized,), _same(lambda lib, a, name=name: getattr(lib, name)(a)), n, two)
    functional = {
        "addax": lambda lib, a: lib.relu(a),
        "torch": lambda torch, a: torch.relu(a),
        "jax": lambda lib, a: lib.maximum(a, 0),
        "numpy": lambda lib, a: lib.maximum(a, 0),
    }
    table["relu, 16M"] = Case((sized,), functional, n, two)
    table["gelu, 16M"] = Case(
        (sized,),
        {
            "addax": lambda lib, a: lib.gelu(a, approximate=False),
            "torch": lambda torch, a: torch.nn.functional.gelu(a),
            "jax": lambda lib, a: _jax().nn.gelu(a, approximate=False),
        },
        n,
        two,
    )
    table["chain a * b + sin(a) / (1 + b * b), 16M"] = Case(
        (sized, sized),
        {
            "addax": lambda lib, a, b: _compiled(lib)(a, b),
            "torch": lambda torch, a, b: a * b + torch.sin(a) / (1 + b * b),
            "jax": lambda lib, a, b: a * b + lib.sin(a) / (1 + b * b),
            "numpy": lambda lib, a, b: a * b + lib.sin(a) / (1 + b * b),
        },
        6 * n,
        three,
    )
    table["transpose, 16M"] = Case(
        (sized,),
        {
            "addax": lambda lib, a: lib.transpose(a) + 0.0,
            "torch": lambda torch, a: a.T.contiguous(),
            "jax": lambda lib, a: lib.transpose(a),
            "numpy": lambda lib, a: lib.ascontiguousarray(a.T),
        },
        0,
        two,
    )
    for axis, what in ((1, "rows"), (0, "columns")):
        table[f"sum of {what}, 16M"] = Case((sized,), _same(lambda lib, a, axis=axis: lib.sum(a, axis)), n, one)
    rows = _looked_up_rows()
    table["take 2560 rows of 20000x128"] = Case(
        ((20000, 128), rows),
        {
            "addax": lambda lib, a, i: lib.take(a, i, axis=0),
            "torch": lambda torch, a, i: torch.index_select(a, 0, i),
            "jax": lambda lib, a, i: lib.take(a, i, axis=0),
            "numpy": lambda lib, a, i: lib.take(a, i, axis=0),
        },
        0,
        8.0 * len(rows) * 128,
    )


def _looked_up_rows() -> np.ndarray:
    """Which rows of an embedding a batch of 32 x 80 tokens reads."""
    return np.random.default_rng(1).integers(0, 20000, 32 * 80)


def _jax() -> Any:
    import jax

    return jax


_MADE: dict[Any, Callable] = {}


def _compiled(lib: Any) -> Callable:
    if "chain" not in _MADE:
        import addax

        _MADE["chain"] = addax.compile(lambda a, b: a * b + lib.sin(a) / (1 + b * b))
    return _MADE["chain"]


def _gradients(name: str, functions: dict[str, Callable]) -> dict[str, Callable]:
    """Forward and backward pass of a function of tensors, with the sum of the result as the loss."""

    def addax(lib: Any, *tensors: Any) -> Any:
        if name not in _MADE:
            import addax as keras

            def step(*t: Any) -> Any:
                with keras.GradientTape(watch_accessed_variables=False) as tape:
                    for x in t:
                        tape.watch(x)
                    loss = lib.sum(functions["addax"](lib, *t))
                return tape.gradient(loss, list(t))

            _MADE[name] = keras.compile(step)
        return _MADE[name](*tensors)

    def torch(torch: Any, *tensors: Any) -> Any:
        leaves = [t.detach().requires_grad_() for t in tensors]
        functions["torch"](torch, *leaves).sum().backward()
        return leaves[0].grad

    def jax(lib: Any, *tensors: Any) -> Any:
        wrt = tuple(range(len(tensors)))
        return _jax().grad(lambda *t: lib.sum(functions["jax"](lib, *t)), argnums=wrt)(*tensors)

    return {"addax": addax, "torch": torch, "jax": jax}


def _normalized(lib: Any, x: Any, gamma: Any, beta: Any, axes: Any) -> Any:
    """Normalization over some axes, for engines without one of their own."""
    mean = lib.mean(x, axes, keepdims=True)
    variance = lib.mean(lib.square(x - mean), axes, keepdims=True)
    return (x - mean) / lib.sqrt(variance + 1e-3) * gamma + beta


def _add_normalizations(table: dict) -> None:
    for rows, width in ((2048, 256), (8192, 1024)):
        n = rows * width
        norms = {
            "addax": lambda lib, x, g, b: lib.layer_normalization(x, g, b, axis=-1, epsilon=1e-3),
            "torch": lambda torch, x, g, b, width=width: torch.nn.functional.layer_norm(x, (width,), g, b, 1e-3),
            "jax": lambda lib, x, g, b: _normalized(lib, x, g, b, -1),
        }
        # A factor between result and sum keeps the gradients from vanishing.
        weighted = {k: (lambda lib, x, g, b, f=f: f(lib, x, g, b) * x) for k, f in norms.items()}
        shapes = ((rows, width), (width,), (width,))
        table[f"layer norm {rows}x{width}"] = Case(shapes, norms, 8 * n, 8.0 * n)
        table[f"layer norm {rows}x{width}, forward and backward"] = Case(
            shapes, _gradients(f"norm {width}", weighted), 20 * n, 16.0 * n
        )
        soft = {
            "addax": lambda lib, x: lib.softmax(x),
            "torch": lambda torch, x: torch.softmax(x, -1),
            "jax": lambda lib, x: _jax().nn.softmax(x),
        }
        weighted_soft = {k: (lambda lib, x, f=f: f(lib, x) * x) for k, f in soft.items()}
        table[f"softmax {rows}x{width}"] = Case(((rows, width),), soft, 5 * n, 8.0 * n)
        table[f"softmax {rows}x{width}, forward and backward"] = Case(
            ((rows, width),), _gradients(f"softmax {width}", weighted_soft), 12 * n, 12.0 * n
        )


def _add_attention(table: dict) -> None:
    batch, length, heads, dim = 16, 128, 4, 64
    shape = (batch, length, heads, dim)
    attention = {
        "addax": lambda lib, q, k, v: lib.dot_product_attention(q, k, v),
        "torch": lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        ),
        "jax": lambda lib, q, k, v: _jax().nn.dot_product_attention(q, k, v),
    }
    flops, traffic = 4.0 * batch * heads * length * length * dim, 16.0 * math.prod(shape)
    table[f"attention {batch}x{length}x{heads}x{dim}"] = Case((shape,) * 3, attention, flops, traffic)
    table[f"attention {batch}x{length}x{heads}x{dim}, forward and backward"] = Case(
        (shape,) * 3, _gradients("attention", attention), 3.5 * flops, 2 * traffic
    )


def _recurrence(op: str) -> dict[str, Callable]:
    """The outputs of all steps of an LSTM, or of a GRU that resets after the product."""

    def addax(lib: Any, *tensors: Any) -> Any:
        from addax import engine

        return engine.apply(op, *tensors, **_RECURRENT[op])[0]

    def torch(torch: Any, x: Any, *rest: Any) -> Any:
        *states, w, u, b = rest
        states = tuple(s[None] for s in states)
        run = getattr(torch, op)
        bias = [b, b] if b.dim() == 1 else list(b)
        return run(x, states if op == "lstm" else states[0], [w, u, *bias], True, 1, 0.0, True, False, True)[0]

    def lstm_step(lib: Any, state: tuple, z: Any, u: Any, _: Any) -> tuple:
        sigmoid = _jax().nn.sigmoid
        h, c = state
        i, f, g, o = lib.split(z + h @ u, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * lib.tanh(g)
        return sigmoid(o) * lib.tanh(c), c

    def gru_step(lib: Any, state: tuple, z: Any, u: Any, b: Any) -> tuple:
        sigmoid = _jax().nn.sigmoid
        (h,) = state
        update, reset, new = lib.split(z, 3, axis=-1)
        by_update, by_reset, by_new = lib.split(h @ u + b, 3, axis=-1)
        keep = sigmoid(update + by_update)
        return (keep * h + (1 - keep) * lib.tanh(new + sigmoid(reset + by_reset) * by_new),)

    def jax(lib: Any, x: Any, *rest: Any) -> Any:
        *states, w, u, b = rest
        bias, own = (b, None) if b.ndim == 1 else b
        step = lstm_step if op == "lstm" else gru_step

        def scanned(state: tuple, z: Any) -> tuple:
            state = step(lib, state, z, u, own)
            return state, state[0]

        return lib.swapaxes(_jax().lax.scan(scanned, tuple(states), lib.swapaxes(x @ w + bias, 0, 1))[1], 0, 1)

    return {"addax": addax, "torch": torch, "jax": jax}


_RECURRENT = {"lstm": {"go_backwards": False}, "gru": {"go_backwards": False, "reset_after": True}}


def _add_recurrent(table: dict) -> None:
    batch, length, dim, units = 32, 100, 64, 128
    for op, gates, states in (("lstm", 4, 2), ("gru", 3, 1)):
        wide = gates * units
        weights = ((dim, wide), (units, wide))
        shapes = ((batch, length, dim), *[(batch, units)] * states, *weights, (wide,) if op == "lstm" else (2, wide))

        def prepare(engine: str, module: Any, arrays: tuple, weights: tuple = weights) -> tuple:
            if engine != "torch":
                return arrays
            return tuple(a.T.contiguous() if a.shape in weights else a for a in arrays)

        run = _recurrence(op)
        flops = 2.0 * batch * length * (dim + units) * wide
        traffic = 4.0 * (batch * length * (dim + units) + sum(map(math.prod, weights)))
        name = f"{op} {batch}x{length}x{dim} to {units}"
        table[name] = Case(shapes, run, flops, traffic, prepare)
        table[f"{name}, forward and backward"] = Case(shapes, _gradients(op, run), 3 * flops, 2 * traffic, prepare)


def _channels_second(engine: str, module: Any, arrays: tuple) -> tuple:
    """Images as torch wants them, channels last in memory."""
    return tuple(a.permute(0, 3, 1, 2) if engine == "torch" and len(a.shape) == 4 else a for a in arrays)


def _add_pooling(table: dict) -> None:
    shape = (8, 56, 56, 64)
    run = {
        "addax": lambda lib, x: lib.max_pool(x, 2, 2),
        "torch": lambda torch, x: torch.nn.functional.max_pool2d(x, 2, 2),
        "jax": lambda lib, x: _jax().lax.reduce_window(
            x, -lib.inf, _jax().lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        ),
    }
    n = math.prod(shape)
    table["max pool 2x2 at 56x56x64"] = Case((shape,), run, n, 5.0 * n, _channels_second)
    table["max pool 2x2 at 56x56x64, forward and backward"] = Case(
        (shape,), _gradients("pool", run), 2.0 * n, 9.0 * n, _channels_second
    )


def _add_batch_norm(table: dict) -> None:
    shape, channels = (8, 56, 56, 64), (64,)

    def addax(lib: Any, x: Any, gamma: Any, beta: Any) -> Any:
        from addax import engine

        return engine.apply("batch_norm", x, gamma, beta, axis=3, epsilon=1e-3)[0]

    run = {
        "addax": addax,
        "torch": lambda torch, x, g, b: torch.nn.functional.batch_norm(x, None, None, g, b, True, 0.0, 1e-3),
        "jax": lambda lib, x, g, b: _normalized(lib, x, g, b, (0, 1, 2)),
    }
    weighted = {k: (lambda lib, x, g, b, f=f: f(lib, x, g, b) * x) for k, f in run.items()}
    n, shapes = math.prod(shape), (shape, channels, channels)
    table["batch norm of training at 56x56x64"] = Case(shapes, run, 8 * n, 8.0 * n, _channels_second)
    table["batch norm of training at 56x56x64, forward and backward"] = Case(
        shapes, _gradients("batch norm", weighted), 20 * n, 16.0 * n, _channels_second
    )


def _add_updates(table: dict) -> None:
    sized = (4096, 1024)
    n = math.prod(sized)

    def addax(lib: Any, w: Any, g: Any) -> Any:
        if "adam" not in _MADE:
            import addax as keras

            variable, optimizer = keras.Variable(w), keras.optimizers.Adam(1e-3)
            optimizer.build([variable])
            _MADE["adam"] = keras.compile(lambda g: optimizer.apply([g], [variable]))
        return _MADE["adam"](g)

    def torch(torch: Any, w: Any, g: Any) -> Any:
        if "adam" not in _MADE:
            w.grad = g
            _MADE["adam"] = torch.optim.Adam([w], 1e-3, fused=True).step
        return _MADE["adam"]()

    def jax(lib: Any, w: Any, g: Any, m: Any, v: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return w - 1e-3 * m / (lib.sqrt(v) + 1e-7), m, v

    def prepare(engine: str, module: Any, arrays: tuple) -> tuple:
        return (*arrays, module.zeros(sized), module.zeros(sized)) if engine == "jax" else arrays

    run = {"addax": addax, "torch": torch, "jax": jax}
    table["adam step of 4M"] = Case((sized, sized), run, 10 * n, 28.0 * n, prepare)
    rows = _looked_up_rows()

    def looked_up(lib: Any, table: Any) -> Any:
        return lib.take(table, rows, axis=0)

    functions = {
        "addax": looked_up,
        "torch": lambda torch, t: torch.nn.functional.embedding(torch.from_numpy(rows), t),
        "jax": looked_up,
    }
    table["take 2560 rows of 20000x128, forward and backward"] = Case(
        ((20000, 128),), _gradients("take", functions), 0, 4.0 * (20000 * 128 + 4 * len(rows) * 128)
    )
