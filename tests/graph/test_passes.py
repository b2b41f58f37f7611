"""Passes, text in and text out; and everything they make runs to the same bits."""

import itertools

import numpy as np
import pytest

import addax
from addax import engine
from tests.samples import samples
from tests.table.helpers import bits, cast_inputs, run


def after(name: str, text: str) -> list[str]:
    """The lines of the body that a pass makes of a body over x: float32(4, 3), y: float32(3,)."""
    graph = engine.Graph.parse(f"graph(%0: float32(4, 3), %1: float32(3,)) {{\n{text}\n}}")
    result = engine.run_pass(name, graph)
    result.verify()
    return [line.strip() for line in str(result).splitlines()[1:-1]]


def test_dead_code():
    assert after(
        "dce",
        """const %5: float32() = [1]
        const %6: float32() = [2]
        %2: float32(4, 3) = exp(%0)
        %3: float32(4, 3) = add(%0, %5)
        %4: float32(4, 3) = log(%3)
        return %2""",
    ) == ["%2: float32(4, 3) = exp(%0)", "return %2"]


def test_common_subexpressions():
    assert after(
        "cse",
        """const %7: float32() = [1]
        const %8: float32() = [1]
        %2: float32(4, 3) = add(%0, %7)
        %3: float32(4, 3) = add(%0, %8)
        %4: float32(4,) = sum(%2, axes=(1,), keepdims=false)
        %5: float32(4,) = sum(%3, axes=(1,), keepdims=false)
        %6: float32(4, 1) = sum(%3, axes=(1,), keepdims=true)
        return %4, %5, %6""",
    ) == [
        "const %2: float32() = [1]",
        "const %3: float32() = [1]",
        "%4: float32(4, 3) = add(%0, %2)",
        "%5: float32(4,) = sum(%4, axes=(1,), keepdims=false)",
        "%6: float32(4, 1) = sum(%4, axes=(1,), keepdims=true)",
        "return %5, %5, %6",
    ]


def test_algebra():
    assert after(
        "algebra",
        """const %8: float32(4, 3) = all [1]
        const %9: float32() = [0]
        %2: float32(4, 3) = multiply(%8, %0)
        %3: float32(4, 3) = cast(%2, dtype=float32)
        %4: float32(4, 3) = add(%3, %9)
        %5: float32(12,) = reshape(%4, shape=(12,))
        %6: float32(2, 6) = reshape(%5, shape=(2, 6))
        %7: float32(2, 6) = transpose(%6, axes=(0, 1))
        %10: float32(6, 2) = transpose(%7, axes=(1, 0))
        return %7, %10""",
    ) == [
        "const %2: float32(4, 3) = all [1]",
        "const %3: float32() = [0]",
        "%4: float32(4, 3) = add(%0, %3)",  # x + 0 stays: it turns -0 into 0
        "%5: float32(12,) = reshape(%4, shape=(12,))",
        "%6: float32(2, 6) = reshape(%4, shape=(2, 6))",
        "%7: float32(6, 2) = transpose(%6, axes=(1, 0))",
        "return %6, %7",
    ]


def test_algebra_masks_before_a_pool():
    """What relu's slope leaves of a pool's gradient is chosen among the pooled values."""
    geometry = "window=(2,), strides=(2,), low=(0,), high=(0,)"
    text = f"""const %9: float32() = [0]
        %2: float32(1, 4, 3) = reshape(%0, shape=(1, 4, 3))
        %3: float32(1, 2, 3) = max_pool(%2, {geometry})
        %4: float32(1, 2, 3) = exp(%3)
        %5: float32(1, 4, 3) = max_pool_grad(%2, %4, {geometry})
        %6: bool(1, 4, 3) = greater(%2, %9)
        %7: float32(1, 4, 3) = where(%6, %5, %9)"""
    lines = after("algebra", text + "\nreturn %7")
    assert lines[-4:] == [
        "%8: bool(1, 2, 3) = greater(%4, %2)",
        "%9: float32(1, 2, 3) = where(%8, %5, %2)",
        f"%10: float32(1, 4, 3) = max_pool_grad(%3, %9, {geometry})",
        "return %10",
    ]
    # Not if others read the whole gradient, if the pool is another one, or if what is masked is.
    for other in (
        text + "\nreturn %7, %5",
        text.replace(f"max_pool(%2, {geometry})", "max_pool(%2, window=(3,), strides=(1,), low=(0,), high=(0,))"),
        text.replace("greater(%2, %9)", "greater(%5, %9)"),
        text.replace("[0]", "[1]"),
    ):
        assert " where(%7, %6, %2)" in "".join(after("algebra", other + ("" if "return" in other else "\nreturn %7")))


@pytest.mark.parametrize(("window", "stride", "low"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
def test_a_mask_before_a_pool_keeps_every_bit(window, stride, low):
    geometry = {"window": (window,) * 2, "strides": (stride,) * 2, "low": (low,) * 2, "high": (0, 0)}
    rng = np.random.default_rng(3)
    x = np.round(rng.standard_normal((2, 9, 8, 5))).astype("float32")  # with ties, also at zero
    x[0, :3, :4, 0] = np.nan

    def step(x):
        y = engine.apply("max_pool", x, **geometry)
        dx = engine.apply("max_pool_grad", x, addax.ops.sin(3 * y - 1), **geometry)
        return addax.ops.where(x > 0, dx, 0.0)

    compiled = addax.compile(step)
    assert bits(compiled(engine.tensor(x))) == bits(step(engine.tensor(x)))
    lines = str(compiled.plans[0].graph).splitlines()
    assert "max_pool_grad" in next(line for line in reversed(lines) if " = " in line)


def test_folding():
    assert after(
        "fold",
        """const %2: float32() = [2]
        %3: float32() = square(%2)
        %4: float32() = add(%3, %2)
        %5: float32(4, 3) = multiply(%0, %4)
        return %5""",
    )[-2:] == ["%5: float32(4, 3) = multiply(%0, %4)", "return %5"]


IMAGE = """const %20: float32(1, 1, 1, 3) = [1, 2, 3]
        %2: float32(1, 2, 2, 3) = reshape(%0, shape=(1, 2, 2, 3))
        %3: float32(1, 6, 6, 3) = conv(%2, %20, strides=(1, 1), low=(2, 2), high=(2, 2), dilation=(1, 1), groups=3)
        %4: float32(1, 3, 6, 6) = transpose(%3, axes=(0, 3, 1, 2))
        """


def test_layout():
    """Transposes move behind elementwise eqns, with their small operands, and meet the next layer's."""
    text = (
        IMAGE
        + """const %5: float32() = [2]
        const %14: float32(3, 1, 1) = [1, 2, 3]
        %6: float32(1, 3, 6, 6) = add(%4, %14)
        %7: float32(1, 3, 6, 6) = batch_norm_inference(%6, %1, %1, %1, %1, axis=1, epsilon=0.001)
        %8: float32(1, 3, 6, 6) = maximum(%7, %5)
        %9: float32(1, 3, 6, 6) = multiply(%8, %4)
        %10: float32(1, 6, 6, 3) = transpose(%9, axes=(0, -2, -1, 1))
        return %10, %8"""
    )
    assert after("layout", text)[-8:] == [
        "%7: float32(1, 3, 1, 1) = reshape(%4, shape=(1, 3, 1, 1))",
        "%8: float32(1, 1, 1, 3) = transpose(%7, axes=(0, 2, 3, 1))",
        "%9: float32(1, 6, 6, 3) = add(%6, %8)",
        "%10: float32(1, 6, 6, 3) = batch_norm_inference(%9, %1, %1, %1, %1, axis=3, epsilon=0.001)",
        "%11: float32(1, 6, 6, 3) = maximum(%10, %3)",
        "%12: float32(1, 3, 6, 6) = transpose(%11, axes=(0, 3, 1, 2))",
        "%13: float32(1, 6, 6, 3) = multiply(%11, %6)",
        "return %13, %12",
    ]


@pytest.mark.parametrize(
    "reader",
    [
        "%6: float32(1, 3, 6, 6) = add(%4, %30)",  # an operand of the result's size lies otherwise
        "%6: float32(3,) = sum(%4, axes=(0, 2, 3), keepdims=false)",
        "%6: float32(1, 6, 3, 6) = transpose(%4, axes=(0, 2, 1, 3))",
    ],
)
def test_layout_leaves_other_readers(reader):
    text = IMAGE + f"%30: float32(1, 3, 6, 6) = reshape(%3, shape=(1, 3, 6, 6))\n{reader}\nreturn %6, %30"
    assert after("layout", text) == after("dce", text)


def test_layout_leaves_what_is_no_image():
    text = """%2: float32(3, 4) = transpose(%0, axes=(1, 0))
        %3: float32(3, 4) = exp(%2)
        return %3"""
    assert after("layout", text) == after("dce", text)


def test_a_model_with_channels_first_has_no_transposes_between_its_layers():
    addax.utils.set_random_seed(0)
    where = {"data_format": "channels_first"}
    layers = addax.layers
    model = addax.Sequential(
        [
            addax.Input((3, 12, 12)),
            layers.Conv2D(8, 3, activation="relu", **where),
            layers.MaxPooling2D(**where),
            layers.Conv2D(8, 3, padding="same", use_bias=False, **where),
            layers.BatchNormalization(axis=1),
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(**where),
            layers.Dense(3),
        ]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3, 12, 12)).astype("float32"), rng.standard_normal((8, 3)).astype("float32")
    model.fit(x, y, batch_size=4, verbose=0)
    start = [w.numpy() for w in model.weights]
    found = {}
    try:
        for passes in ("-layout", ""):
            engine.set_passes(passes)
            model.set_weights(start)
            model.compile("sgd", "mse")
            predicted = model.predict(x, batch_size=4, verbose=0)
            copies = sum(line.startswith("copy") for line in str(model._steps["predict_step"].plans[0]).splitlines())
            model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
            found[passes] = predicted.tobytes(), [w.numpy().tobytes() for w in model.weights], copies
    finally:
        engine.set_passes("")
    assert found[""][:2] == found["-layout"][:2]
    assert found[""][2] == 1 < found["-layout"][2]  # the input alone


def test_fusion():
    assert after(
        "fuse",
        """%2: float32(4, 3) = add(%0, %1)
        %3: float32(4, 3) = relu(%2)
        %4: float32(3,) = sum(%3, axes=(0,), keepdims=false)
        %5: float32(3,) = exp(%4)
        %6: float32(4, 3) = subtract(%3, %5)
        return %6""",
    ) == [
        '%2: float32(4, 3) = fused(%0, %1, program="add 0 1;relu 2", dtypes="float32 float32", results=(3,))',
        "%3: float32(3,) = sum(%2, axes=(0,), keepdims=false)",
        "%4: float32(3,) = exp(%3)",
        "%5: float32(4, 3) = subtract(%2, %4)",
        "return %5",
    ]


def test_fusion_joins_branches_and_keeps_what_others_read():
    assert after(
        "fuse",
        """%2: float32(4, 3) = exp(%0)
        %3: float32(4, 3) = sin(%0)
        %4: float32(4, 3) = multiply(%2, %3)
        %5: float32(4,) = sum(%2, axes=(1,), keepdims=false)
        return %4, %5""",
    )[:1] == [
        '%2: float32(4, 3), %3: float32(4, 3) = fused(%0, program="exp 0;sin 0;multiply 1 2", dtypes="float32", '
        "results=(1, 3))"
    ]


def test_epilogue():
    """The program moves behind the product, which becomes operand 0; an eqn alone is a program too."""
    assert after(
        "epilogue",
        """const %2: float32(3, 2) = all [2]
        const %3: float32(2,) = [0, 1]
        %4: float32(4, 2) = matmul(%0, %2, transpose_a=false, transpose_b=false)
        %5: float32(4, 2), %6: float32(4, 2) = fused(%3, %4, program="add 1 0;gelu 2", dtypes="float32 float32", """
        """results=(2, 3))
        %7: float32(2, 4) = matmul(%2, %0, transpose_a=true, transpose_b=true)
        %8: float32(2, 4) = tanh(%7)
        return %5, %6, %8""",
    )[2:] == [
        "%4: float32(4, 2), %5: float32(4, 2) = matmul_fused(%0, %2, %3, transpose_a=false, transpose_b=false, "
        'program="add 0 1;gelu 2", dtypes="float32 float32", results=(2, 3))',
        "%6: float32(2, 4) = matmul_fused(%2, %0, transpose_a=true, transpose_b=true, "
        'program="tanh 0", dtypes="float32", results=(1,))',
        "return %4, %5, %6",
    ]  # fmt: skip


RESHAPED = """graph(%0: float32(6, 5), %1: float32(5, 4), %2: float32(2, 2), %3: float32(2, 3, 2, 2), %4: float32(), \
%5: float32(3, 1, 1), %6: float32(2,)) {{
%7: float32(6, 4) = matmul(%0, %1, transpose_a=false, transpose_b=false)
%8: float32(2, 3, 2, 2) = reshape(%7, shape=(2, 3, 2, 2))
{}
}}"""


def test_epilogue_behind_a_reshape():
    """Operands that lie along the columns, are as large as the product, or are one value; every result is reshaped."""
    rest = (
        "%9: float32(2, 3, 2, 2), %10: float32(2, 3, 2, 2) = fused(%2, %8, %3, %4, "
        'program="add 1 0;multiply 4 2;add 5 3", dtypes="float32 float32 float32 float32", results=(4, 6))\n'
        "return %9, %10"
    )
    graph = engine.run_pass("epilogue", engine.Graph.parse(RESHAPED.format(rest)))
    graph.verify()
    assert [line.strip() for line in str(graph).splitlines()[1:-1]] == [
        "%7: float32(4,) = reshape(%2, shape=(4,))",
        "%8: float32(6, 4) = reshape(%3, shape=(6, 4))",
        "%9: float32(1,) = reshape(%4, shape=(1,))",
        "%10: float32(6, 4), %11: float32(6, 4) = matmul_fused(%0, %1, %7, %8, %9, transpose_a=false, "
        'transpose_b=false, program="add 0 1;multiply 4 2;add 5 3", '
        'dtypes="float32 float32 float32 float32", results=(4, 6))',
        "%12: float32(2, 3, 2, 2) = reshape(%10, shape=(2, 3, 2, 2))",
        "%13: float32(2, 3, 2, 2) = reshape(%11, shape=(2, 3, 2, 2))",
        "return %12, %13",
    ]


@pytest.mark.parametrize(
    "rest",
    [
        "%9: float32(2, 3, 2, 2) = add(%8, %5)\nreturn %9",
        "%9: float32(2, 3, 2, 2) = add(%8, %6)\nreturn %9",
        "%9: float32(2, 3, 2, 2) = tanh(%8)\nreturn %8, %9",
        "%9: float32(2, 3, 2, 2) = tanh(%8)\nreturn %7, %9",
    ],
    ids=["along rows", "along a part of the columns", "the reshape is read twice", "the product is read twice"],
)
def test_reshaped_products_that_keep_their_own_eqn(rest):
    graph = engine.Graph.parse(RESHAPED.format(rest))
    assert engine.run_pass("epilogue", graph) == graph


def test_epilogue_of_a_convolution():
    assert after(
        "epilogue",
        """const %2: float32(1, 4, 1) = [1, 2, 3, 4]
        const %3: float32(2, 1, 3) = all [2]
        %4: float32(1, 3, 3) = conv(%2, %3, strides=(1,), low=(0,), high=(0,), dilation=(1,), groups=1)
        %5: float32(1, 3, 3) = multiply(%1, %4)
        return %5""",
    )[-2:] == [
        "%4: float32(1, 3, 3) = conv_fused(%2, %3, %1, strides=(1,), low=(0,), high=(0,), dilation=(1,), groups=1, "
        'program="multiply 1 0", dtypes="float32 float32", results=(2,))',
        "return %4",
    ]


LARGE = "graph(%0: float32(2000, 300), %1: float32(300,), %2: float32(800, 1000), %3: float32(600, 10)) {\n"


def reduced(text: str) -> list[str]:
    """What the pass makes of a body over inputs that are worth it, and two that are not."""
    result = engine.run_pass("reduce", engine.Graph.parse(LARGE + text + "\n}"))
    result.verify()
    return [line.strip() for line in str(result).splitlines()[1:-1]]


def test_a_reduction_reads_through_a_program():
    """The value is nobody else's, so it is nowhere in memory."""
    assert reduced(
        '%4: float32(2000, 300) = fused(%0, %1, program="subtract 0 1;square 2", dtypes="float32 float32", '
        """results=(3,))
        %5: float32() = sum(%4, axes=(), keepdims=false)
        return %5"""
    ) == [
        '%4: float32() = reduce_fused(%0, %1, reduction="sum", axes=(), keepdims=false, '
        'program="subtract 0 1;square 2", dtypes="float32 float32", results=(3,))',
        "return %4",
    ]


def test_a_reduction_of_an_eqn_that_others_read():
    """It stands where the eqn stood, and gives its value as well. A second reduction reads that."""
    assert reduced(
        """%4: float32(2000, 300) = tanh(%0)
        %5: float32(2000, 300) = sort(%4, axis=1, descending=false)
        %6: float32(1, 300) = max(%4, axes=(0,), keepdims=true)
        %7: float32(2000,) = sum(%4, axes=(1,), keepdims=false)
        return %5, %6, %7"""
    ) == [
        '%4: float32(1, 300), %5: float32(2000, 300) = reduce_fused(%0, reduction="max", axes=(0,), keepdims=true, '
        'program="tanh 0", dtypes="float32", results=(1, 1))',
        "%6: float32(2000, 300) = sort(%5, axis=1, descending=false)",
        "%7: float32(2000,) = sum(%5, axes=(1,), keepdims=false)",
        "return %6, %4, %7",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "%4: float32(600, 10) = exp(%3)\n%5: float32(10,) = sum(%4, axes=(0,), keepdims=false)\nreturn %5",
        "%4: float32(800, 1000) = exp(%2)\n%5: float32(1000,) = sum(%4, axes=(0,), keepdims=false)\nreturn %5",
        "%4: float32(2000, 300) = exp(%0)\n%5: int32(2000,) = argmax(%4, axis=1, keepdims=false)\nreturn %5",
        "%4: float32(2000, 300) = softmax(%0, axis=1)\n%5: float32() = sum(%4, axes=(), keepdims=false)\nreturn %5",
        "%4: float32() = sum(%0, axes=(), keepdims=false)\nreturn %4",
    ],
    ids=["small", "wide columns", "no reduction over axes", "no program", "an input"],
)
def test_where_a_reduction_stays(text):
    assert reduced(text) == text.splitlines()


KEPT = {
    "the product is read twice": "%4: float32(4, 4) = tanh(%3)\nreturn %3, %4",
    "the product is stretched": "%4: float32(2, 4, 4) = add(%3, %2)\nreturn %4",
    "no result can take the product's place": "%4: bool(4, 4) = greater(%3, %1)\nreturn %4",
    "a program that is no elementwise eqn": "%4: float32(4, 4) = softmax(%3, axis=1)\nreturn %4",
}


@pytest.mark.parametrize("rest", KEPT.values(), ids=KEPT)
def test_products_that_keep_their_own_eqn(rest):
    text = (
        "graph(%0: float32(4, 3), %1: float32(4,), %2: float32(2, 4, 4)) {\n"
        f"%3: float32(4, 4) = matmul(%0, %0, transpose_a=false, transpose_b=true)\n{rest}\n}}"
    )
    graph = engine.Graph.parse(text)
    assert engine.run_pass("epilogue", graph) == graph


def test_the_new_value_of_a_state_is_no_epilogue():
    """It is written over the old value, which a product cannot do."""
    graph = engine.Graph.parse(
        "graph(%0: float32(3, 3), state %1: float32(3, 3)) {\n"
        "%2: float32(3, 3) = matmul(%0, %0, transpose_a=false, transpose_b=true)\n"
        "%3: float32(3, 3) = subtract(%1, %2)\n"
        "return state %3\n}"
    )
    assert engine.run_pass("epilogue", graph) == graph


JOIN = """graph(%0: float32(3,), %1: float32(2, 2), %2: float32(3,), %3: float64(2,), state %4: float32(3,), \
state %5: float32(2, 2), state %6: float32(3,), state %7: float64(2,), state %8: float32(), state %9: float32()) {{
{}
return %10, %11, %12, %13, state %4, state %5, state %6, state %7, state %8, state %9
}}"""
UPDATES = [
    "%10: float32(3,) = sgd_update(%4, %0, %8)",
    "%11: float32(2, 2) = sgd_update(%5, %1, %8)",
    "%12: float32(3,) = sgd_update(%6, %2, %8)",
    "%13: float64(2,) = sgd_update(%7, %3, %8)",  # of another dtype
]


def joined(lines: list[str]) -> list[str]:
    """The eqns after the pass."""
    graph = engine.run_pass("join", engine.Graph.parse(JOIN.format("\n".join(lines))))
    graph.verify()
    return [line.strip() for line in str(graph).splitlines()[1:-2]]


def test_join():
    assert joined(UPDATES) == [
        "%10: float32(3,), %11: float32(2, 2), %12: float32(3,) = sgd_update(%4, %5, %6, %0, %1, %2, %8)",
        "%13: float64(2,) = sgd_update(%7, %3, %8)",
    ]


def test_join_of_several_states():
    text = (
        "graph(%0: float32(3,), %1: float32(), state %2: float32(3,), state %3: float32(3,), state %4: float32(), "
        "state %5: float32(), state %6: float32()) {\n"
        "%7: float32(3,), %8: float32(3,) = sgd_momentum_update(%2, %3, %0, %6, momentum=0.5, nesterov=true)\n"
        "%9: float32(), %10: float32() = sgd_momentum_update(%4, %5, %1, %6, momentum=0.5, nesterov=true)\n"
        "return state %7, state %8, state %9, state %10, state %6\n}"
    )
    (line,) = str(engine.run_pass("join", engine.Graph.parse(text))).splitlines()[1:-2]
    assert line.strip() == (
        "%7: float32(3,), %8: float32(3,), %9: float32(), %10: float32() = "
        "sgd_momentum_update(%2, %3, %4, %5, %0, %1, %6, momentum=0.5, nesterov=true)"
    )


def test_updates_join_behind_their_readers():
    """Who reads a new value stays in front of the updates that follow."""
    read = "%14: float32(2, 2) = add(%11, %11)"
    assert joined([*UPDATES[:2], read, UPDATES[2].replace("%2", "%0"), UPDATES[3]]) == [
        "%10: float32(3,), %11: float32(2, 2) = sgd_update(%4, %5, %0, %1, %8)",
        "%12: float32(2, 2) = add(%11, %11)",
        "%13: float32(3,) = sgd_update(%6, %0, %8)",
        "%14: float64(2,) = sgd_update(%7, %3, %8)",
    ]


@pytest.mark.parametrize("other", ["sgd_update(%6, %2, %9)", "rmsprop_update(%6, %6, %2, %8, rho=0.9, epsilon=0)"])
def test_updates_that_differ_do_not_join(other):
    second = ", %15: float32(3,)" if "rms" in other else ""
    lines = [UPDATES[0], f"%12: float32(3,){second} = {other}", UPDATES[3], "%11: float32(2, 2) = add(%5, %1)"]
    assert len(joined(lines)) == 4


ROWS = """graph(%0: int32(2, 4, 1), %1: float32(2, 4, 3), state %2: float32(50, 3), state %3: float32(50, 3), \
state %4: float32()) {{
const %5: float32(50, 3) = all [{}]
%6: float32(50, 3) = scatter_add(%5, %0, %1)
%7: float32(50, 3), %8: float32(50, 3) = sgd_momentum_update(%2, %3, %6, %4, momentum=0.5, nesterov=false)
return {}state %7, state %8, state %4
}}"""


def test_rows():
    graph = engine.run_pass("rows", engine.Graph.parse(ROWS.format(0, "")))
    graph.verify()
    assert [line.strip() for line in str(graph).splitlines()[1:-2]] == [
        "%5: float32(50, 3), %6: float32(50, 3) = "
        "sgd_momentum_update_rows(%2, %3, %0, %1, %4, momentum=0.5, nesterov=false)"
    ]


@pytest.mark.parametrize("values", [(1, ""), (-0.0, ""), (0, "%6, ")], ids=["ones", "negative zeros", "read twice"])
def test_gradients_that_stay_dense(values):
    graph = engine.Graph.parse(ROWS.format(*values))
    assert engine.run_pass("rows", graph) == graph


def test_many_updates_of_a_small_table_stay_dense():
    graph = engine.Graph.parse(ROWS.format(0, "").replace("(50, 3)", "(7, 3)"))
    assert engine.run_pass("rows", graph) == graph


EARLY = """graph(%0: float32(64, 1024), %1: float32(64, 1024), state %2: float32(1024, 1024), \
state %3: float32(1024, 1024), \
state %4: float32()) {{
{}
return state %10, state %11, state %4
}}"""
OF_FIRST = "%5: float32(1024, 1024) = matmul(%0, %1, transpose_a=true, transpose_b=false)"
READER = "%6: float32(64, 1024) = matmul(%0, %2, transpose_a=false, transpose_b=true)"
OF_SECOND = "%7: float32(1024, 1024) = matmul(%6, %1, transpose_a=true, transpose_b=false)"
RATE = "%8: float32() = sqrt(%4)"
FIRST = "%10: float32(1024, 1024) = sgd_update(%2, %5, %8)"
SECOND = "%11: float32(1024, 1024) = sgd_update(%3, %7, %8)"


def early(*lines: str) -> list[str]:
    """The ops after the pass."""
    graph = engine.run_pass("early", engine.Graph.parse(EARLY.format("\n".join(lines))))
    graph.verify()
    return [line.split("=")[1].split("(")[0].strip() for line in str(graph).splitlines()[1:-2]]


def test_updates_move_up_behind_the_last_reader():
    """And the learning rate with them."""
    ops_in_order = ["sqrt", "matmul", "matmul", "sgd_update", "matmul", "sgd_update"]
    assert early(OF_FIRST, READER, OF_SECOND, RATE, FIRST, SECOND) == ops_in_order
    assert early(RATE, OF_FIRST, READER, FIRST, OF_SECOND, SECOND) == ops_in_order  # as they stand


def test_updates_move_down_behind_the_last_reader():
    assert early(RATE, OF_FIRST, FIRST, READER, OF_SECOND, SECOND) == [
        "sqrt", "matmul", "matmul", "sgd_update", "matmul", "sgd_update"
    ]  # fmt: skip


def test_updates_that_are_read_stay_above_their_readers():
    of_new = OF_SECOND.replace("%6", "%9")
    read = "%9: float32(64, 1024) = matmul(%0, %10, transpose_a=false, transpose_b=true)"
    found = early(RATE, OF_FIRST, FIRST, READER, read, of_new, SECOND)
    assert found == ["sqrt", "matmul", "sgd_update", "matmul", "matmul", "matmul", "sgd_update"]


def test_gradients_share_memory_since_updates_are_early():
    """Of eight layers' gradients one is there at a time; bits are the same, and nothing is copied."""
    plans, weights = [], []
    for setting in ("-early", ""):
        engine.set_passes(setting)
        try:
            addax.utils.set_random_seed(3)
            dense = [addax.layers.Dense(1024, activation="relu") for _ in range(8)]
            model = addax.Sequential([addax.layers.Input((1024,)), *dense, addax.layers.Dense(1)])
            model.compile("adam", "mse")
            rng = np.random.default_rng(0)
            model.fit(rng.normal(size=(32, 1024)), rng.normal(size=(32, 1)), batch_size=8, verbose=0)
        finally:
            engine.set_passes("")
        plans.append(step_plan(model))
        weights.append([w.numpy().tobytes() for w in (*model.variables, *model.optimizer.variables)])
    assert weights[0] == weights[1]
    late, early = plans
    assert str(late).count("copy(") == str(early).count("copy(")
    gradient = 4 * 1024 * 1024
    assert late.stats["arena_bytes"] > 8 * gradient
    assert early.stats["arena_bytes"] < 2 * gradient


def mlp(optimizer) -> addax.Sequential:
    addax.utils.set_random_seed(3)
    layers = addax.layers
    model = addax.Sequential([layers.Input((30,)), layers.Dense(64), layers.Dense(300), layers.Dense(1)])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(64, 30)), rng.normal(size=(64, 1)), verbose=0)
    return model


def step_plan(model):
    """The plan of the compiled training step."""
    (plan,) = model._steps["train_step"].plans
    return plan


OPTIMIZERS = {
    "sgd": lambda: addax.optimizers.SGD(0.01),
    "momentum": lambda: addax.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": lambda: addax.optimizers.Adam(),
    "amsgrad": lambda: addax.optimizers.Adam(amsgrad=True, use_ema=True),
    "adamw": lambda: addax.optimizers.AdamW(weight_decay=0.01),
    "rmsprop": lambda: addax.optimizers.RMSprop(),
    "rmsprop full": lambda: addax.optimizers.RMSprop(momentum=0.9, centered=True),
    "accumulation": lambda: addax.optimizers.Adam(gradient_accumulation_steps=2),
}


# Not of accumulated gradients, whose updates are in a branch.
@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "accumulation"])
def test_joined_updates_are_in_place_and_change_nothing(name):
    plans, weights = [], []
    for setting in ("-join", ""):
        engine.set_passes(setting)
        try:
            model = mlp(OPTIMIZERS[name]())
        finally:
            engine.set_passes("")
        plans.append(step_plan(model))
        weights.append([w.numpy().tobytes() for w in (*model.variables, *model.optimizer.variables)])
    assert weights[0] == weights[1]
    apart, together = (str(plan) for plan in plans)
    assert len([line for line in apart.splitlines() if "_update" in line]) == 6
    assert len([line for line in together.splitlines() if "_update" in line]) == 2  # one is large
    assert together.count("copy(") == apart.count("copy(")
    small = sum(4 * w.numpy().size for w in model.weights if w.numpy().size < 16384)
    assert plans[1].stats["arena_bytes"] <= plans[0].stats["arena_bytes"] + small


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_embeddings_train_without_a_dense_gradient(name, dtype):
    """On any number of threads, to the bits of the dense update."""
    weights, plans = set(), []
    for setting, threads in (("-rows", 1), ("", 1), ("", 2), ("", 4)):
        engine.set_passes(setting)
        addax.config.set_num_threads(threads)
        try:
            addax.utils.set_random_seed(3)
            layers = addax.layers
            model = addax.Sequential(
                [
                    layers.Input((7,), dtype="int32"),
                    layers.Embedding(2000, 50, dtype=dtype),
                    layers.GlobalAveragePooling1D(dtype=dtype),
                    layers.Dense(1, dtype=dtype),
                ]
            )
            model.compile(OPTIMIZERS[name](), "mse")
            rng = np.random.default_rng(0)
            model.fit(rng.integers(0, 300, (64, 7)), rng.normal(size=(64, 1)), verbose=0)
        finally:
            engine.set_passes("")
        plans.append(step_plan(model))
        weights.add(b"".join(w.numpy().tobytes() for w in (*model.variables, *model.optimizer.variables)))
    assert len(weights) == 1
    dense, rows = plans[:2]
    if name != "accumulation":  # which reads the gradient itself
        assert "_update_rows(" in str(rows)
        table = 2000 * 50 * addax.ops.zeros((), dtype).numpy().itemsize
        updates = 32 * 7 * 50 * 8  # copied, since the mean's gradient is a view
        assert rows.stats["arena_bytes"] <= dense.stats["arena_bytes"] - table + updates + 1024
        assert str(rows).count("copy(") <= str(dense).count("copy(") + 1


def test_unknown_passes():
    with pytest.raises(ValueError, match="there is no pass 'fast'; expected one of branches"):
        after("fast", "return %0")
    with pytest.raises(ValueError, match=r"expected none or a list of -branches.* got '-fast'"):
        engine.set_passes("-fast")


def test_spaces_between_passes():
    engine.set_passes(" -fuse , -cse ")
    engine.set_passes("")


CONSTS = {
    "float32": [0.1, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38, *range(20)],
    "float64": [0.1, -0.0, np.nan, np.inf, 5e-324, 1.7e308, *range(20)],
    "float16": [0.1, -0.0, np.nan, np.inf, 6e-8, *range(20)],
    "bfloat16": [0.1, -0.0, np.nan, np.inf, 1e-40, *range(20)],
    "int64": [2**63 - 1, -(2**63), *range(20)],
    "uint64": [2**64 - 1, *range(20)],
    "int8": [-128, 127, *range(20)],
    "bool": [True, False] * 10,
}


@pytest.mark.parametrize("dtype", CONSTS)
def test_consts_of_many_values_have_text(dtype):
    whole = dtype if "int" in dtype else "float64"
    values = addax.ops.convert_to_tensor(np.array(CONSTS[dtype], whole), dtype)
    graph = addax.make_graph(lambda x: addax.ops.where(x, values, values[::-1]))(np.ones(values.shape, bool))
    assert f"<{values.size} values>" in str(graph)
    with pytest.raises(ValueError, match=r"expected the values of a const, as Graph.text\(\) writes them"):
        engine.Graph.parse(str(graph))
    assert engine.Graph.parse(graph.text()) == graph


def test_what_the_planner_does_can_be_switched_off():
    def f(x):
        y = addax.ops.transpose(addax.ops.reshape(x, (4, 6)))
        return addax.ops.cumsum(addax.ops.sort(y, axis=0), axis=1)[1:]

    v = addax.Variable(np.ones(5, "float32"))

    def g(x):
        v.assign(addax.ops.sin(v + x))
        return addax.ops.sum(v)

    x, found = np.arange(24.0, dtype="float32"), {}
    for setting in ("", "-view", "-in_place"):
        engine.set_passes(setting)
        v.assign(np.ones(5))
        try:
            viewing, assigning = addax.compile(f), addax.compile(g)
            bits = viewing(x).numpy().tobytes(), assigning(np.float32(2)).numpy().tobytes(), v.numpy().tobytes()
            copies = [str(fn.plans[0]).count("copy(") for fn in (viewing, assigning)]
        finally:
            engine.set_passes("")
        found[setting] = bits, copies
    (bits, (views, states)), (bits_1, (copied, _)), (bits_2, (_, moved)) = found.values()
    assert bits == bits_1 == bits_2
    assert copied > views
    assert moved > states == 0


def model_bits(setting: str) -> list[bytes]:
    engine.set_passes(setting)
    try:
        addax.utils.set_random_seed(3)
        layers = addax.layers
        model = addax.Sequential(
            [
                layers.Input((12, 12, 2)),
                layers.Conv2D(8, 3, activation="gelu", kernel_regularizer="l2"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(16, activation="tanh"),
                layers.Dense(5, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(70, 12, 12, 2)).astype("float32"), rng.integers(0, 5, 70)
        history = model.fit(x, y, epochs=2, verbose=0)
        values = [w.tobytes() for w in model.get_weights()]
        return [*values, repr(history.history).encode(), model.predict(x, verbose=0).tobytes()]
    finally:
        engine.set_passes("")


@pytest.mark.parametrize("name", [*engine.switches(), "none"])
def test_a_model_trains_to_the_same_bits_without_a_pass(name):
    assert model_bits("none" if name == "none" else f"-{name}") == model_bits("")


CHAINS = {
    "float": lambda x, y: (addax.ops.relu(x * y + 1.5), addax.ops.where(x > y, x, addax.ops.exp(y) / 3)),
    "conversions": lambda x, y: addax.ops.cast(addax.ops.cast(x * 3, "int32") % 5 + 1, "float32") - y,
    "many": lambda x, y: sum(((x * float(i)) ** 2 - y for i in range(20)), x),
    "sixteen bits and wider": lambda x, y: addax.ops.cast(x + y, "float32") * 1.1 - addax.ops.cast(y, "float32"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32", "uint8"])
@pytest.mark.parametrize(
    "shapes", [((7, 300), (7, 300)), ((7, 300), (300,)), ((40, 1), (1, 50)), ((), (3,)), ((0, 3), (3,))]
)
@pytest.mark.parametrize("chain", CHAINS)
def test_chains_of_any_dtype(chain, shapes, dtype):
    rng = np.random.default_rng(5)
    tensors = [addax.ops.cast(rng.integers(0, 40, s) / (1 if "int" in dtype else 8), dtype) for s in shapes]
    compiled = addax.compile(CHAINS[chain])
    eager = addax.tree.flatten(CHAINS[chain](*tensors))
    assert [bits(t) for t in addax.tree.flatten(compiled(*tensors))] == [bits(t) for t in eager]
    assert "fused" in str(compiled.plans[0].graph)


@pytest.mark.parametrize("sample", [s for s in samples() if s.big], ids=str)
def test_fused_behind_any_op(sample):
    """A chain behind an op of any family, on inputs large enough for several threads."""
    dtype = sample.dtypes[0]
    tensors = cast_inputs(tuple(sample.big(np.random.default_rng(1))), dtype)

    def function(*tensors):
        outputs = run(sample, tensors)
        floats = [o for o in outputs if o.dtype == dtype and dtype.startswith("float")]
        return [*outputs, *(addax.ops.tanh(o) * o + 1.0 for o in floats)]

    compiled = addax.compile(function)
    assert [bits(t) for t in compiled(*tensors)] == [bits(t) for t in function(*tensors)]


def several_sizes(reduction):
    """Functions of which each has one program, reduced over every set of axes and returned or not."""
    chains = {
        "float": ("float32 float32", "subtract 0 1;square 2", 3),
        "bool": ("float32 float32", "greater 0 1", 2),
        "int32": ("float32 float32", "multiply 0 1;cast.int32 2;add 3 3", 4),
        "bfloat16": ("float32 float32", "add 0 1;cast.bfloat16 2", 3),
    }
    for name, (dtypes, program, result) in chains.items():
        if reduction != "logsumexp" or "float" in name:
            yield {"dtypes": dtypes, "program": program}, result


@pytest.mark.parametrize(
    "shape",
    [(300, 500), (1000, 10), (5, 7), (4, 26, 26, 32), (3, 100, 5), (9, 520), (3, 9000), (40, 64, 3, 2), (200_000,)],
)
@pytest.mark.parametrize("reduction", ["sum", "prod", "max", "any", "logsumexp"])
def test_a_reduction_of_a_program_keeps_its_bits(reduction, shape):
    """By rows, by columns, in one piece and in many, of every kind of dtype, with what it reduces in memory or not."""
    rng = np.random.default_rng(3)
    x, y = (addax.ops.convert_to_tensor(rng.normal(size=s).astype("float32")) for s in (shape, (*shape[:-1], 1)))
    for attrs, result in several_sizes(reduction):
        whole = engine.apply("fused", x, y, **attrs, results=(result,))
        for count in range(1, len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), count):
                expected = bits(engine.apply(reduction, whole, axes=axes))
                settings = {**attrs, "reduction": reduction, "axes": axes}
                alone = engine.apply("reduce_fused", x, y, **settings, results=(result,))
                assert bits(alone) == expected
                both = engine.apply("reduce_fused", x, y, **settings, results=(result, result))
                assert [bits(t) for t in both] == [expected, bits(whole)]


def losses(x, y):
    """Reductions of programs that are worth joining, and the gradients of two."""
    variance = addax.ops.var(x)
    rows, largest = addax.ops.sum(x * y, axis=-1), addax.ops.max(addax.ops.abs(x))
    slope = addax.ops.where(x > y, y, 0.0)
    return addax.ops.mean(addax.ops.square(x - y)), variance, rows, largest, slope, addax.ops.sum(slope, axis=0)


def test_losses_over_large_arrays():
    rng = np.random.default_rng(3)
    x, y = (addax.ops.convert_to_tensor(rng.normal(size=(5000, 130)).astype("float32")) for _ in range(2))
    compiled = addax.compile(losses)
    assert [bits(t) for t in compiled(x, y)] == [bits(t) for t in losses(x, y)]
    text = str(compiled.plans[0].graph)
    assert text.count("= reduce_fused") >= 4
    assert "square" in text
    peak = compiled.plans[0].stats["arena_bytes"]
    assert peak < 5000 * 130 * 4  # no array of full size but what is returned


PRODUCTS = [s for s in samples() if s.op in ("matmul", "conv")]


@pytest.mark.parametrize(
    ("sample", "dtype", "make"),
    [pytest.param(s, d, m, id=f"{s}-{d}-{k}") for s in PRODUCTS for d in s.dtypes if d != "bool"
     for k, m in (("small", s.make), ("big", s.big)) if m],
)  # fmt: skip
def test_epilogues_of_every_product(sample, dtype, make):
    """Behind every size and layout, in every dtype: a bias, an activation, a full operand and a second result."""
    rng = np.random.default_rng(2)
    tensors = cast_inputs(tuple(make(rng)), dtype)
    shape = run(sample, tensors)[0].shape
    bias, scale = cast_inputs((rng.integers(-9, 9, shape[-1:]).astype(float), rng.integers(-2, 3, shape) * 1.0), dtype)

    def function(*tensors):
        (product,) = run(sample, tensors[:-2])
        before = product + tensors[-2]
        return before, addax.ops.relu(before) * tensors[-1]

    compiled = addax.compile(function)
    eager = [bits(t) for t in function(*tensors, bias, scale)]
    for _ in range(2):
        assert [bits(t) for t in compiled(*tensors, bias, scale)] == eager
    text = str(compiled.plans[0].graph)
    assert f"{sample.op}_fused" in text
    assert "= fused" not in text


def test_an_attribute_that_text_leaves_out_has_its_default():
    text = """graph(%0: float32(1, 2, 1, 3)) {{
  %1: float32(1, 2, 1, 3), %2: float32(1, 1, 2), %3: float32(1, 1, 2) = attention(%0, %0, %0, {})
  return %1
}}"""
    whole = "scale=0.5, causal=true, bias=false, mask=false, dropout=0"
    graph = engine.Graph.parse(text.format(whole))
    assert whole in str(graph)
    for part in ("scale=0.5, causal=true, bias=false, mask=false", "scale=0.5, causal=true"):
        assert engine.Graph.parse(text.format(part)) == graph
    for wrong in ("scaled=0.5", "causal=true, scale=0.5", "scale=0.5, other=1"):
        with pytest.raises(ValueError, match=r"expected '\)', or an attribute of attention in its place, got"):
            engine.Graph.parse(text.format(wrong))
