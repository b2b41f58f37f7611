"""`python -m addax demo`: a small CNN learns scikit-learn's handwritten digits. Its picture: `picture.py`."""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
import time
from typing import Any, NamedTuple

import numpy as np

_CLASSES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--out", default="demo_out", metavar="FOLDER", help="folder for what is written (demo_out)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, dropout and shuffling (0)")
    parser.add_argument("--epochs", type=int, default=12, help="most passes over the training images (12)")


def run(arguments: argparse.Namespace) -> int:
    """Trains, tests, saves, reloads and draws.

    Returns:
        0; 1 if the reloaded model predicts anything else, 2 if a package of the extra `demo` is missing.
    """
    try:
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        print(f'The demo needs {error.name}: pip install "addax[demo]"', file=sys.stderr)
        return 2
    import addax
    from addax.cli import picture

    start = time.perf_counter()
    os.makedirs(arguments.out, exist_ok=True)
    addax.utils.set_random_seed(arguments.seed)
    data = load_digits()
    print(
        f"{len(data.train.labels) + len(data.validation.labels) + len(data.test.labels):,} handwritten digits of 8 x 8 "
        f"pixels: {len(data.train.labels):,} to train on (each also shifted by a pixel to four sides), "
        f"{len(data.validation.labels)} to validate, {len(data.test.labels)} to test\n"
    )
    model = build_model()
    model.summary()
    history = train(model, data, arguments.epochs, os.path.join(arguments.out, "checkpoint.keras"))

    probabilities = model.predict(data.test.images, verbose=0)
    predicted = probabilities.argmax(axis=1)
    right = int((predicted == data.test.labels).sum())
    accuracy = right / len(predicted)
    print(f"\ntest accuracy {accuracy:.2%} ({right} of {len(predicted)} images never seen in training)\n")
    print(report(data.test.labels, predicted))

    path = os.path.join(arguments.out, "digits.keras")
    model.save(path)
    again = addax.saving.load_model(path).predict(data.test.images, verbose=0)
    equal = again.tobytes() == probabilities.tobytes()
    print(f"\nsaved {path}; the reloaded model predicts {'the same bits' if equal else 'OTHER VALUES'}")
    print(f"weights {digest(model)} (the same for every run with seed {arguments.seed})")

    path = os.path.join(arguments.out, "digits.png")
    picture.draw(path, history.history, data.test.images[..., 0], data.test.labels, probabilities)
    print(f"drew {path} in {time.perf_counter() - start:.0f} s altogether")
    return 0 if equal else 1


class Images(NamedTuple):
    """Images, (n, 8, 8, 1) float32 with ink from 0 to 16, and their labels, (n,) int32."""

    images: np.ndarray
    labels: np.ndarray


class Digits(NamedTuple):
    """The three parts of the data."""

    train: Images
    validation: Images
    test: Images


def load_digits() -> Digits:
    """Returns scikit-learn's digits, split by a rule that does not depend on the seed.

    Within each class, in the order of the data set, every fifth image is for the test and every tenth for validation.
    """
    from sklearn import datasets

    raw = datasets.load_digits()
    images, labels = raw.images[..., None].astype("float32"), raw.target.astype("int32")
    rank = np.zeros(len(labels), int)  # 0, 1, 2, ... within the class
    for digit in range(_CLASSES):
        rank[labels == digit] = np.arange((labels == digit).sum())
    test, validation = rank % 5 == 4, rank % 10 == 0
    parts = (~test & ~validation, validation, test)
    return Digits(*(Images(images[part], labels[part]) for part in parts))


def with_shifts(part: Images) -> Images:
    """Returns the images and copies of them shifted by one pixel left, right, up and down."""
    padded = np.pad(part.images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [(1, 1), (1, 0), (1, 2), (0, 1), (2, 1)]
    images = np.concatenate([padded[:, row : row + 8, column : column + 8] for row, column in shifts])
    return Images(images, np.tile(part.labels, len(shifts)))


def build_model() -> Any:
    """Returns the untrained network: three convolutions, 38,442 numbers to learn."""
    import addax
    from addax import layers

    def convolution(filters: int) -> list[Any]:
        return [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),  # few steps in an epoch: averages over about ten of them
            layers.Activation("relu"),
        ]

    return addax.Sequential(
        [
            addax.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            *convolution(32),
            *convolution(32),
            layers.MaxPooling2D(),
            *convolution(64),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(_CLASSES, activation="softmax"),
        ],
        name="digits",
    )


def train(model: Any, data: Digits, epochs: int, checkpoint: str) -> Any:
    """Trains until the validation loss has not improved for four epochs; the model keeps its best weights."""
    from addax import callbacks, optimizers

    batch_size = 64
    images, labels = with_shifts(data.train)
    steps = epochs * math.ceil(len(labels) / batch_size)
    model.compile(
        optimizer=optimizers.AdamW(optimizers.schedules.CosineDecay(2e-3, decay_steps=steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model.fit(
        images,
        labels,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=tuple(data.validation),
        callbacks=[
            callbacks.EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True),
            callbacks.ModelCheckpoint(checkpoint, monitor="val_loss", save_best_only=True),
        ],
    )


def report(labels: np.ndarray, predicted: np.ndarray) -> str:
    """Returns a table: precision, recall, F1 and number of test images for every digit.

    Args:
        labels: the right classes, (n,) integers.
        predicted: the predicted classes, (n,) integers.

    Example:
        >>> import numpy as np
        >>> from addax.cli.demo import report
        >>> print(report(np.array([0, 0, 1]), np.array([0, 1, 1])).splitlines()[1])
            0       100.0%   50.0%   66.7%        2
    """
    lines = ["digit    precision  recall      F1   images"]
    for digit in range(_CLASSES):
        of_class, as_class = labels == digit, predicted == digit
        hits = int((of_class & as_class).sum())
        precision = hits / max(int(as_class.sum()), 1)
        recall = hits / max(int(of_class.sum()), 1)
        f1 = 2 * hits / max(int(as_class.sum() + of_class.sum()), 1)
        lines.append(f"{digit:>5}    {precision:>9.1%}  {recall:>6.1%}  {f1:>6.1%}   {int(of_class.sum()):>6}")
    return "\n".join(lines)


def digest(model: Any) -> str:
    """Returns 16 hexadecimal digits that differ if any bit of any weight does."""
    state = hashlib.sha256()
    for weight in model.get_weights():
        state.update(np.ascontiguousarray(weight).tobytes())
    return state.hexdigest()[:16]
