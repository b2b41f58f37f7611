"""The demo: its split of the data, its report, and the promise of 98.5 % for five seeds with reproducible bits."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.metrics import precision_recall_fscore_support

from addax.cli import demo, picture


def test_split_is_fixed_stratified_and_complete() -> None:
    data = demo.load_digits()
    parts = [data.train, data.validation, data.test]
    total = datasets.load_digits()
    assert sum(len(part.labels) for part in parts) == len(total.target) == 1797
    assert len(data.test.labels) >= 0.195 * 1797
    for digit in range(10):
        whole = (total.target == digit).sum()
        assert abs((data.test.labels == digit).sum() - whole / 5) <= 1
        assert abs((data.validation.labels == digit).sum() - whole / 10) <= 1
    everything = np.concatenate([part.images for part in parts]).reshape(1797, 64)
    np.testing.assert_array_equal(np.unique(everything, axis=0), np.unique(total.data.astype("float32"), axis=0))
    again = demo.load_digits()
    np.testing.assert_array_equal(again.test.images, data.test.images)


def test_shifts_move_by_one_pixel() -> None:
    image = np.zeros((1, 8, 8, 1), "float32")
    image[0, 3, 4] = 1
    shifted = demo.with_shifts(demo.Images(image, np.array([7], "int32")))
    places = [tuple(np.argwhere(x[..., 0])[0]) for x in shifted.images]
    assert sorted(places) == [(2, 4), (3, 3), (3, 4), (3, 5), (4, 4)]
    assert places[0] == (3, 4)
    assert shifted.labels.tolist() == [7] * 5


def test_report_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 10, 300), rng.integers(0, 10, 300)
    expected = precision_recall_fscore_support(labels, predicted)
    for digit, line in enumerate(demo.report(labels, predicted).splitlines()[1:]):
        values = [float(text.rstrip("%")) for text in line.split()]
        exact = [digit, *(100 * expected[k][digit] for k in range(3)), expected[3][digit]]
        np.testing.assert_allclose(values, exact, atol=0.051)  # printed with one decimal


def test_picture_of_one_epoch_and_many_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    history = {"loss": [1.0], "accuracy": [0.5], "val_loss": [1.0], "val_accuracy": [0.5]}
    picture.draw(
        str(tmp_path / "p.png"),
        history,
        rng.uniform(0, 16, (40, 8, 8)),
        rng.integers(0, 10, 40),
        rng.uniform(0, 1, (40, 10)),
    )
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def run_demo(folder: Path, *arguments: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "addax", "demo", "--out", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.parametrize("seed", range(5))
def test_accuracy(seed: int, tmp_path: Path) -> None:
    printed = run_demo(tmp_path, "--seed", str(seed))
    found = re.search(r"test accuracy ([\d.]+)%", printed)
    assert found
    assert float(found[1]) >= 98.5
    assert "the reloaded model predicts the same bits" in printed
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.keras", "digits.keras", "digits.png"]


def test_same_seed_same_bits_for_any_number_of_threads(tmp_path: Path) -> None:
    def digest(seed: str, threads: str) -> str:
        printed = run_demo(tmp_path, "--seed", seed, "--epochs", "1", ADDAX_NUM_THREADS=threads)
        found = re.search(r"weights ([0-9a-f]{16})", printed)
        assert found
        return found[1]

    first = digest("3", "1")
    assert digest("3", "2") == first
    assert digest("4", "2") != first
