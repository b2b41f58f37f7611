"""GradientTape with TensorFlow's semantics, grad, value_and_grad, vjp, jvp, custom gradients."""

import weakref

import numpy as np
import pytest

import addax
from addax import ops


@pytest.fixture
def x():
    return ops.convert_to_tensor([1.0, 2.0, 3.0])


class TestTape:
    def test_watched_tensor(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(x * x * x)
        np.testing.assert_allclose(tape.gradient(y, x), 3 * np.array([1.0, 4.0, 9.0]))

    def test_variables_are_watched_by_themselves(self):
        v, frozen = addax.Variable(3.0), addax.Variable(2.0, trainable=False)
        with addax.GradientTape() as tape:
            y = v * v * frozen
        assert tape.watched_variables() == (v,)
        gradients = tape.gradient(y, [v, frozen])
        assert (gradients[0].item(), gradients[1]) == (12.0, None)

    def test_watch_accessed_variables_off(self):
        v, w = addax.Variable(3.0), addax.Variable(2.0)
        with addax.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(v)
            y = v * w
        gradients = tape.gradient(y, [v, w])
        assert (gradients[0].item(), gradients[1]) == (2.0, None)

    def test_a_variable_read_twice_and_assigned_between(self):
        v = addax.Variable(3.0)
        with addax.GradientTape() as tape:
            y = v * 2.0
            v.assign(10.0)
            y = y + v * v
        assert tape.gradient(y, v).item() == 22.0

    def test_structures(self, x):
        a, b = x, ops.convert_to_tensor(2.0)
        with addax.GradientTape() as tape:
            tape.watch({"a": a, "b": [b]})
            y = {"first": ops.sum(a) * b, "second": b * b}
        gradients = tape.gradient(y, {"a": a, "b": (b, a)})
        assert gradients["a"].tolist() == [2.0, 2.0, 2.0]
        assert gradients["b"][0].item() == 10.0
        assert isinstance(gradients["b"], tuple)

    def test_output_gradients(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        assert tape.gradient(y, x, output_gradients=np.array([1.0, 0.0, 2.0])).tolist() == [2.0, 0.0, 12.0]

    def test_unconnected(self, x):
        other = ops.ones((2, 2))
        with addax.GradientTape(persistent=True) as tape:
            tape.watch([x, other])
            y = ops.sum(x)
        assert tape.gradient(y, other) is None
        assert tape.gradient(y, other, unconnected_gradients="zero").tolist() == [[0.0, 0.0], [0.0, 0.0]]
        with pytest.raises(ValueError, match="unconnected_gradients"):
            tape.gradient(y, other, unconnected_gradients="foo")

    def test_persistence(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = ops.sum(x * x)
        tape.gradient(y, x)
        with pytest.raises(RuntimeError, match="persistent=True"):
            tape.gradient(y, x)
        with addax.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
            z = y * y
        assert tape.gradient(y, x).tolist() == [2.0, 4.0, 6.0]
        assert tape.gradient(z, x).tolist() == [4.0, 32.0, 108.0]
        assert tape.gradient(z, y).tolist() == [2.0, 8.0, 18.0]

    def test_nested_tapes(self):
        x = ops.convert_to_tensor(3.0)
        with addax.GradientTape() as outer:
            outer.watch(x)
            with addax.GradientTape() as inner:
                inner.watch(x)
                y = x * x * x
            dy = inner.gradient(y, x)
        assert (dy.item(), outer.gradient(dy, x).item()) == (27.0, 18.0)

    def test_gradient_inside_the_block(self):
        v = addax.Variable(3.0)
        with addax.GradientTape() as tape:
            y = v * v
            assert tape.gradient(y, v).item() == 6.0

    def test_stop_recording(self, x):
        with addax.GradientTape(persistent=True) as tape:
            tape.watch(x)
            with tape.stop_recording():
                y = x * x
            z = x * ops.stop_gradient(x)
        assert tape.gradient(y, x) is None
        assert tape.gradient(z, x).tolist() == [1.0, 2.0, 3.0]
        with pytest.raises(ValueError, match="not recording"), tape.stop_recording():
            pass

    def test_reset(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = x * x
            tape.reset()
            tape.watch(x)
            z = x * 3.0
        assert tape.gradient([y, z], x).tolist() == [3.0, 3.0, 3.0]

    def test_target_is_its_own_source(self, x):
        with addax.GradientTape() as tape:
            tape.watch(x)
        assert tape.gradient(x, x).tolist() == [1.0, 1.0, 1.0]

    def test_jacobian(self, x):
        w = addax.Variable(np.arange(6.0, dtype="float32").reshape(3, 2))
        with addax.GradientTape() as tape:
            tape.watch(x)
            y = ops.matmul(x, w)
        dx, dw, none = tape.jacobian(y, [x, w, ops.ones(2)])
        np.testing.assert_allclose(dx, w.numpy().T)
        assert dw.shape == (2, 3, 2) and none is None
        np.testing.assert_allclose(dw[1, :, 1], x)
        with pytest.raises(RuntimeError, match="one set of gradients"):
            tape.jacobian(y, x)

    def test_errors(self, x):
        tape = addax.GradientTape(persistent=True)
        with tape:
            tape.watch(x)
            y = ops.sum(x)
            with pytest.raises(ValueError, match="twice"), tape:
                pass
            with pytest.raises(TypeError, match="only floating"):
                tape.watch(ops.ones(2, "int32"))
            with pytest.raises(TypeError, match="convert_to_tensor"):
                tape.watch(np.ones(2))
        with pytest.raises(TypeError, match="target must be floating, got dtype int32"):
            tape.gradient(ops.argmax(x), x)
        with pytest.raises(TypeError, match="sources"):
            tape.gradient(y, np.ones(2))
        with pytest.raises(TypeError, match="tensors as target"):
            tape.gradient(3.0, x)
        with pytest.raises(ValueError, match="1 targets and 2 output_gradients"):
            tape.gradient(y, x, output_gradients=[1.0, 2.0])

    def test_a_dropped_tape_frees_what_it_recorded(self):
        v = addax.Variable(np.ones(4, "float32"))

        alive = []

        @addax.custom_gradient
        def f(x):
            def grad(upstream):
                return upstream

            alive.append(weakref.ref(grad))
            return x * 2.0, grad

        with addax.GradientTape() as tape:
            f(v.value)
        assert alive[0]() is not None
        del tape
        assert alive[0]() is None


class TestFunctions:
    def test_grad(self):
        f = addax.grad(lambda x, y: x * x * y, argnums=0)
        assert f(3.0, 2.0).item() == 12.0
        both = addax.grad(lambda x, y: x * x * y, argnums=(0, -1))(3.0, 2.0)
        assert [g.item() for g in both] == [12.0, 9.0]
        assert addax.grad(addax.grad(addax.grad(lambda x: x**3)))(5.0).item() == pytest.approx(6.0)

    def test_closed_over_values_are_constants(self):
        x = ops.convert_to_tensor(3.0)
        assert addax.grad(lambda a: a * x)(x).item() == 3.0
        assert [g.item() for g in addax.grad(lambda a, b: a * a * b, argnums=(0, 1))(x, x)] == [18.0, 9.0]

    def test_structures_and_aux(self):
        parameters = {"w": ops.ones((2,)), "b": [ops.zeros(())]}

        def loss(p, x):
            y = ops.sum(p["w"] * x) + p["b"][0]
            return y * y, {"y": y}

        (value, aux), gradient = addax.value_and_grad(loss, has_aux=True)(parameters, np.array([1.0, 2.0], "float32"))
        assert (value.item(), aux["y"].item()) == (9.0, 3.0)
        assert gradient["w"].tolist() == [6.0, 12.0] and gradient["b"][0].item() == 6.0
        gradient, aux = addax.grad(loss, has_aux=True)(parameters, np.array([1.0, 2.0], "float32"))
        assert gradient["w"].tolist() == [6.0, 12.0] and aux["y"].item() == 3.0

    def test_unused_arguments_have_zero_gradients(self):
        assert addax.grad(lambda x, y: x, argnums=1)(1.0, ops.ones(2)).tolist() == [0.0, 0.0]

    def test_vjp(self):
        (y, _), back = addax.vjp(lambda a, b: (a * b, ops.sum(a)), ops.ones((2,)), ops.full((2,), 3.0))
        assert y.tolist() == [3.0, 3.0]
        for scale in (1.0, 2.0):  # more than once
            da, db = back((ops.full((2,), scale), ops.ones(())))
            assert da.tolist() == [3 * scale + 1] * 2 and db.tolist() == [scale] * 2
        with pytest.raises(ValueError, match="shape"):
            back((ops.ones((3,)), ops.ones(())))

    def test_jvp_equals_the_jacobian(self):
        rng = np.random.default_rng(0)
        x, t = (rng.normal(size=(3, 3)).astype("float32") for _ in range(2))
        y, dy = ops.jvp(lambda x: ops.exp(x) @ x, (x,), (t,))
        expected = (np.exp(x) * t) @ x + np.exp(x) @ t
        np.testing.assert_allclose(y, np.exp(x) @ x, rtol=1e-5)
        np.testing.assert_allclose(dy, expected, rtol=1e-4, atol=1e-5)
        y, dy, aux = ops.jvp(lambda a, b: (a + 0 * b, "aux"), (1.0, 2.0), (3.0, 4.0), has_aux=True)
        assert (dy.item(), aux) == (3.0, "aux")

    def test_errors(self):
        with pytest.raises(ValueError, match="0-d tensor, got shape"):
            addax.grad(lambda x: x)(ops.ones(2))
        with pytest.raises(TypeError, match="only floating"):
            addax.grad(lambda x: x)(3)
        with pytest.raises(ValueError, match="argnums=1"):
            addax.grad(lambda x: x, argnums=1)(3.0)

    def test_the_names_of_the_function_stay(self):
        def loss(x):
            """Doc."""
            return x

        assert addax.grad(loss).__name__ == "loss"


class TestCustomGradient:
    def test_replaces_the_gradient(self, x):
        @ops.custom_gradient
        def clipped(x):
            return x * 10.0, lambda upstream: ops.clip(upstream * 10.0, -1.0, 1.0)

        assert clipped(x).tolist() == [10.0, 20.0, 30.0]
        assert addax.grad(lambda x: ops.sum(clipped(x)))(x).tolist() == [1.0, 1.0, 1.0]

    def test_keras_form_with_upstream(self):
        @ops.custom_gradient
        def log1pexp(x):
            e = ops.exp(x)

            def grad(*args, upstream=None):
                if upstream is None:
                    (upstream,) = args
                return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e))

            return ops.log(1 + e), grad

        assert addax.grad(log1pexp)(100.0).item() == 1.0

    def test_several_inputs_and_outputs(self):
        @ops.custom_gradient
        def f(a, b, name):
            assert name == "x"
            return (a * b, a + b), lambda g1, g2: (g1 * b + g2, None, None)

        def loss(a, b):
            product, total = f(a, b, "x")
            return product + 10.0 * total

        da, db = addax.grad(loss, argnums=(0, 1))(2.0, 3.0)
        assert (da.item(), db.item()) == (13.0, 0.0)

    def test_second_derivatives_go_through_the_gradient_function(self):
        @ops.custom_gradient
        def cube(x):
            return x * x * x, lambda g: g * 3.0 * x * x

        assert addax.grad(addax.grad(cube))(2.0).item() == 12.0

    def test_nested(self):
        @ops.custom_gradient
        def inner(x):
            return x * 1.0, lambda g: g * 100.0

        @ops.custom_gradient
        def outer(x):
            return inner(x) * 2.0, lambda g: g * addax.grad(inner)(x)

        assert addax.grad(outer)(3.0).item() == 100.0

    def test_variables_as_inputs(self):
        v = addax.Variable(3.0)

        @ops.custom_gradient
        def f(x):
            return x * x, lambda g: g * 7.0

        with addax.GradientTape() as tape:
            y = f(v)
        assert tape.gradient(y, v).item() == 7.0

    def test_errors(self):
        @ops.custom_gradient
        def few(a, b):
            return a * b, lambda g: g

        @ops.custom_gradient
        def wrong(a):
            return a * 2.0, lambda g: ops.ones((5,))

        with pytest.raises(Exception, match="2 inputs, its gradient function returned 1"):
            addax.grad(few)(1.0, 2.0)
        with pytest.raises(Exception, match="returned shape"):
            addax.grad(wrong)(1.0)
