"""Ops where real Keras is no oracle, their errors, and control flow."""

import numpy as np
import pytest

import addax
from addax import ops


def test_sparsemax_is_the_projection_on_the_simplex():
    # Keras 3.15 on JAX returns rows that do not sum to one; the definition (Martins and Astudillo 2016) decides.
    x = np.random.default_rng(0).normal(size=(50, 7)).astype("float32")
    p = ops.sparsemax(x).numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert (p >= 0).all() and (p == 0).any()
    for row, projected in zip(x, p, strict=True):
        # Optimality: what is positive exceeds the row by one common number, what is zero stays below it.
        threshold = (row - projected)[projected > 0]
        np.testing.assert_allclose(threshold, threshold[0], atol=1e-6)
        assert (row[projected == 0] <= threshold[0] + 1e-6).all()


def test_lcm_and_gcd_of_large_integers():
    a, b = np.array([1836311903, 2**31 - 1, 0]), np.array([1134903170, 2, 0])
    assert ops.gcd(ops.cast(a, "int32"), ops.cast(b, "int32")).tolist() == np.gcd(a, b).tolist()
    assert ops.lcm(a, b).tolist() == np.lcm(a, b).tolist()
    with pytest.raises(TypeError, match="integers"):
        ops.gcd(1.5, 2.0)


def test_saturate_cast_to_the_widest_integers():
    x = np.array([-1e30, 1e30, np.nan, 2.0**62], "float32")
    assert ops.saturate_cast(x, "int64").tolist() == [-(2**63), 2**63 - 1, 0, 2**62]
    assert ops.saturate_cast(x, "uint64").tolist() == [0, 2**64 - 1, 0, 2**62]
    assert ops.saturate_cast(np.array([-5, 5], "int64"), "uint64").tolist() == [0, 5]


def test_half_precision_reductions_do_not_overflow():
    x = ops.full((70000,), 2.0, "float16")
    assert ops.mean(x).item() == 2.0
    assert ops.var(x).item() == 0.0


def test_logaddexp_at_infinity():
    inf = float("inf")
    assert ops.logaddexp(inf, inf).item() == inf
    assert ops.logaddexp(-inf, -inf).item() == -inf


def test_gradients_at_the_kinks_are_finite():
    x = ops.convert_to_tensor([-100.0, 0.0, 100.0])
    for name in ("elu", "selu", "celu", "softplus", "log_sigmoid", "gelu", "silu", "mish", "squareplus", "relu6"):
        function = getattr(addax.activations, name)
        assert np.isfinite(addax.grad(lambda x, f=function: ops.sum(f(x)))(x).numpy()).all(), name
    zero = ops.zeros((2, 3))
    assert np.isfinite(addax.grad(lambda x: ops.sum(ops.normalize(x)))(zero).numpy()).all()
    assert np.isfinite(addax.grad(lambda x: ops.sum(ops.divide_no_nan(1.0, x)))(zero).numpy()).all()
    assert np.isfinite(addax.grad(lambda x: ops.sum(ops.sinc(x)))(zero).numpy()).all()
    assert np.isfinite(addax.grad(lambda x: ops.hypot(ops.sum(x), 0.0))(zero).numpy()).all()


def test_convert_to_numpy_gives_a_copy_to_change():
    x = ops.zeros((2,))
    a = ops.convert_to_numpy(x)
    a[0] = 5
    assert x.tolist() == [0.0, 0.0]
    assert ops.convert_to_numpy(addax.Variable([1.0])).tolist() == [1.0]
    assert not x.numpy().flags.writeable


class TestControlFlow:
    def test_cond_and_switch(self):
        x = ops.convert_to_tensor(2.0)
        assert ops.cond(x > 1, lambda: x + 1, lambda: x - 1).item() == 3.0
        assert ops.cond(x > 3, lambda: x + 1, lambda: x - 1).item() == 1.0
        branches = [lambda x: x, lambda x: -x]
        assert [ops.switch(i, branches, 3) for i in (-1, 0, 1, 9)] == [3, 3, -3, -3]

    def test_loops(self):
        assert ops.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + i), (0, 0)) == (5, 10)
        assert ops.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=3) == 3
        assert ops.fori_loop(0, 5, lambda i, s: s + i, ops.convert_to_tensor(0)).item() == 10

    def test_map_and_scan(self):
        x = ops.reshape(ops.arange(6.0), (3, 2))
        assert ops.map(ops.sum, x).tolist() == [1.0, 5.0, 9.0]
        a, b = ops.map(lambda r: (r[0] + r[1], r[0]), (x, x))
        assert (a.shape, b.shape) == ((3, 2), (3, 2))
        carry, out = ops.scan(lambda c, r: (c + r, c), ops.zeros((2,)), x, reverse=True)
        assert carry.tolist() == [6.0, 9.0]
        assert out.tolist() == [[6.0, 8.0], [4.0, 5.0], [0.0, 0.0]]
        assert ops.scan(lambda c, _: (c + 1, c * 2), 0, length=3)[1].tolist() == [0, 2, 4]
        with pytest.raises(ValueError, match="length"):
            ops.scan(lambda c, _: (c, c), 0)
        with pytest.raises(TypeError, match=r"scan: expected `f` to return a pair.* Received: float32\(2,\)"):
            ops.scan(lambda c, r: c + r, ops.zeros((2,)), x)

    @pytest.mark.parametrize("n", [1, 2, 5, 8])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_associative_scan(self, n, reverse):
        x = np.random.default_rng(0).normal(size=(3, n)).astype("float32")
        expected = np.cumsum(x[:, ::-1], axis=1)[:, ::-1] if reverse else np.cumsum(x, axis=1)
        result = ops.associative_scan(lambda a, b: a + b, x, reverse=reverse, axis=1)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)

    def test_vectorize(self):
        x = np.arange(6.0, dtype="float32").reshape(3, 2)
        assert ops.vectorize(lambda a, b: a * b)(x, [1.0, 10.0]).tolist() == (x * [1, 10]).tolist()
        inner = ops.vectorize(lambda a, b: ops.sum(a * b), signature="(n),(n)->()")
        assert inner(x, x[0]).tolist() == (x @ x[0]).tolist()

    def test_symbolic(self):
        x = addax.KerasTensor((None, 3))
        assert ops.map(lambda r: ops.sum(r), x).shape == (None,)
        assert ops.cond(addax.KerasTensor((), "bool"), lambda: 1.0, lambda: 2.0) is not None
        assert ops.while_loop(lambda i: ops.all(i < 3), lambda i: i + 1, x).shape == (None, 3)


ERRORS = [
    (lambda: ops.reshape(ops.ones((2, 3)), (4, -1)), ValueError, "reshape"),
    (lambda: ops.transpose(ops.ones((2, 3)), (0, 0)), ValueError, "transpose"),
    (lambda: ops.concatenate([]), ValueError, "at least one tensor"),
    (lambda: ops.concatenate([ops.ones((2, 3)), ops.ones((2, 4))]), ValueError, "concatenate"),
    (lambda: ops.stack([ops.ones(2), ops.ones(3)]), ValueError, "one shape"),
    (lambda: ops.split(ops.ones(7), 3), ValueError, "array_split"),
    (lambda: ops.squeeze(ops.ones((2, 1)), 0), ValueError, "expected 1"),
    (lambda: ops.expand_dims(ops.ones(2), 5), ValueError, "out of range"),
    (lambda: ops.mean(ops.ones(2), axis=3), ValueError, "mean: axis 3 is out of range"),
    (lambda: ops.sum(ops.ones((2, 2)), axis=(0, 0)), ValueError, "twice"),
    (lambda: ops.sum(ops.ones(2), axis=1.5), TypeError, "axis"),
    (lambda: ops.matmul(ops.ones((2, 3)), ops.ones((4, 5))), ValueError, "matmul"),
    (lambda: ops.matmul(1.0, ops.ones((4, 5))), ValueError, "rank 1 or more"),
    (lambda: ops.tensordot(ops.ones((2, 3)), ops.ones((4, 5)), 1), ValueError, "differ in size"),
    (lambda: ops.einsum("ij,jk", ops.ones((2, 3))), ValueError, "2 terms, got 1"),
    (lambda: ops.einsum("ij,jk", ops.ones((2, 3)), ops.ones((4, 5))), ValueError, "sizes 3 and 4"),
    (lambda: ops.einsum("ij->ik", ops.ones((2, 3))), ValueError, "must name axes"),
    (lambda: ops.einsum("i->i", ops.ones((2, 3))), ValueError, "names 1 axes"),
    (lambda: ops.norm(ops.ones((2, 3)), ord="nuc"), ValueError, "singular values"),
    (lambda: ops.norm(ops.ones((2, 3, 4)), ord=1), ValueError, "one axis or two"),
    (lambda: ops.take([1, 2], [0.5]), TypeError, "integers"),
    (lambda: ops.take([1, 2], [5]), IndexError, "take"),
    (lambda: ops.take_along_axis(ops.ones((2, 3)), [0], axis=0), ValueError, "same rank"),
    (lambda: ops.one_hot([1], 3, axis=5), ValueError, "out of range"),
    (lambda: ops.multi_hot([1]), ValueError, "num_classes"),
    (lambda: ops.scatter_update(ops.ones(3), [[0]], [1.0], reduction="mean"), ValueError, "reduction"),
    (lambda: ops.slice(ops.ones(3), (0,), (5,)), ValueError, "does not fit"),
    (lambda: ops.slice_update(ops.ones(3), (0, 0), ops.ones(2)), ValueError, "start index"),
    (lambda: ops.where(ops.ones(3), 1), ValueError, "both x1 and x2"),
    (lambda: ops.segment_sum(ops.ones(3), [0, 1]), ValueError, "one segment id for each row"),
    (lambda: ops.repeat(ops.ones(3), [1, 2]), ValueError, "one for each position"),
    (lambda: ops.pad(ops.ones((2, 2)), ((1, 1),) * 3), ValueError, "for each of the 2 axes"),
    (lambda: ops.pad(ops.ones(2), 1, mode="foo"), ValueError, "foo"),
    (lambda: ops.pad(ops.ones(2), 1, mode="edge", constant_values=1), ValueError, "mode 'constant' only"),
    (lambda: ops.rearrange(ops.ones((2, 3)), "a b -> a c"), ValueError, "each axis once"),
    (lambda: ops.rearrange(ops.ones((2, 6)), "a (b c) -> a b c"), ValueError, "give the sizes"),
    (lambda: ops.conv(ops.ones((1, 5, 5, 3)), ops.ones((3, 3, 2, 4))), ValueError, "3 channels"),
    (lambda: ops.conv(ops.ones((1, 5, 5, 2)), ops.ones((3, 3, 2, 4)), padding="causal"), ValueError, "'same'"),
    (lambda: ops.conv(ops.ones((5, 5)), ops.ones((3, 3))), ValueError, "rank 3 to 5"),
    (lambda: ops.conv(ops.ones((1, 5, 2)), ops.ones((3, 2, 4)), strides=0), ValueError, "strides"),
    (lambda: ops.conv(ops.ones((1, 5, 2)), ops.ones((3, 2, 4)), data_format="nhwc"), ValueError, "channels_last"),
    (lambda: ops.conv_transpose(ops.ones((1, 5, 2)), ops.ones((3, 4, 3))), ValueError, "2 channels"),
    (lambda: ops.max_pool(ops.ones((5, 2)), 2), ValueError, "rank 3 to 5"),
    (lambda: ops.glu(ops.ones(3)), ValueError, "even"),
    (lambda: ops.softmax(1.0), ValueError, "rank 1 or more"),
    (lambda: ops.binary_crossentropy(ops.ones(2), ops.ones(3)), ValueError, "same shape"),
    (lambda: ops.categorical_crossentropy(1.0, 1.0), ValueError, "rank 1 or more"),
    (lambda: ops.sparse_categorical_crossentropy([0, 1, 1], ops.ones((2, 3))), ValueError, "without the axis"),
    (lambda: ops.quantile(ops.ones(3), 0.5, method="foo"), ValueError, "foo"),
    (lambda: ops.histogram(ops.ones(3), bins=0), ValueError, "positive int"),
    (lambda: ops.searchsorted(ops.ones((2, 2)), 1.0), ValueError, "vector"),
    (lambda: ops.arange("a"), TypeError, "numbers"),
    (lambda: ops.convert_to_tensor("text"), TypeError, "numbers"),
    (lambda: ops.convert_to_tensor([[1, 2], [3]]), ValueError, "same length"),
    (lambda: ops.convert_to_tensor(None), (TypeError, ValueError), "numbers|None"),
    (lambda: ops.zeros((None, 2)), TypeError, "None"),
    (lambda: ops.cast(ops.ones(2), "foo"), ValueError, "Invalid dtype"),
    (lambda: ops.ldexp(1.0, 1.5), TypeError, "integers"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_teach(call, error, text):
    with pytest.raises(error, match=text):
        call()
