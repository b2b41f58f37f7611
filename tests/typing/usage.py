"""A user's program, for the type checker only: the public API has the types that people rely on.

`mypy` reads this file against the installed package (pyproject.toml, [tool.mypy]); it is not run.
"""

from typing import Any, assert_type

import numpy as np

import addax as keras
from addax import engine

model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax")], name="m")
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy", keras.metrics.SparseCategoricalAccuracy()],
)
x, y = np.zeros((8, 4), "float32"), np.zeros(8, "int32")
history: keras.callbacks.History = model.fit(
    x,
    y,
    batch_size=4,
    epochs=2,
    validation_split=0.25,
    callbacks=[keras.callbacks.EarlyStopping(patience=1)],
    verbose=0,
)
assert_type(history.history, dict[str, list[Any]])
model.evaluate(x, y, verbose=0)
model.predict(x)
model.summary()
model.save("m.keras")
keras.saving.load_model("m.keras")
assert_type(model.count_params(), int)

variable = keras.Variable([1.0, 2.0], name="v")
variable.assign_add([1.0, 1.0])
assert_type(variable.name, str)
with keras.GradientTape(persistent=True) as tape:
    loss = keras.ops.sum(keras.ops.square(variable))
gradient = tape.gradient(loss, variable)

tensor = engine.tensor([[1.0, 2.0]])
assert_type(tensor + 1, engine.Tensor)
assert_type(tensor[0], engine.Tensor)
assert_type(tensor > 1, engine.Tensor)
assert_type(tensor.shape, tuple[int, ...])
assert_type(tensor.dtype, str)
assert_type(tensor.numpy(), np.ndarray[Any, Any])

scale = keras.grad(lambda t: keras.ops.sum(t * t))
keras.utils.set_random_seed(1)
keras.config.set_floatx("float32")
seed = keras.random.SeedGenerator(3)
keras.random.normal((2, 3), seed=seed)


class Scale(keras.layers.Layer):
    """A layer of the user's own."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, inputs: engine.Tensor) -> engine.Tensor:
        return inputs * self.factor.value


Scale(name="scale")(tensor)
