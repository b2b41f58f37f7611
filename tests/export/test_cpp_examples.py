"""The programs of examples/cpp, built against this package as an outsider would: they print what Python computes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import addax
from addax import layers
from tests.saving import cases

# `predict` compiled: eagerly, batch normalisation is not in the filters.
pytestmark = pytest.mark.usefixtures("compiled_steps")

EXAMPLES = Path(__file__).parents[2] / "examples" / "cpp"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder of the built programs. The project is a copy in a folder of its own, so that nothing else is found."""
    folder = tmp_path_factory.mktemp("outside")
    shutil.copytree(EXAMPLES, folder / "project")
    where = Path(addax.__file__).parent / "lib" / "cmake" / "addax"
    command = [sys.executable, "-m", "cmake"] if shutil.which("cmake") is None else ["cmake"]
    if not where.is_dir():  # built in place: nothing has been installed, so the compiler is called directly
        package = Path(addax.__file__).parent
        include = EXAMPLES.parents[1] / "cpp" / "include"
        for name in ("hello", "infer", "train"):
            flags = ["-std=c++17", "-O1", f"-I{include}", f"-L{package / 'lib'}", f"-Wl,-rpath,{package / 'lib'}"]
            source, out = folder / "project" / f"{name}.cc", folder / name
            subprocess.run(["c++", *flags, str(source), "-laddax", "-o", str(out)], check=True)
        return folder
    subprocess.run([*command, "-S", "project", "-B", ".", f"-DCMAKE_PREFIX_PATH={where}"], cwd=folder, check=True)
    subprocess.run([*command, "--build", "."], cwd=folder, check=True)
    return folder


def pattern(shape, dtype, k=0):
    """What infer.cc feeds."""
    i = 37 * np.arange(np.prod(shape)) + 11 * k
    return (
        (i % 101 / 101 - 0.5).astype(dtype).reshape(shape)
        if dtype == "float32"
        else (i % 7).astype(dtype).reshape(shape)
    )


def run(*command):
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def demo_cnn():
    from addax.cli.demo import build_model

    return build_model()


def lstm():
    return addax.Sequential([addax.Input((None, 8)), layers.LSTM(16, return_sequences=True), layers.LSTM(4)])


def transformer_block():
    x = addax.Input((16, 32), name="x")
    h = layers.LayerNormalization()(x)
    h = layers.Add()([x, layers.MultiHeadAttention(4, 8)(h, h)])
    m = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(h))
    return addax.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.Add()([h, layers.Dense(32)(m)]))))


@pytest.mark.parametrize("build", [demo_cnn, lstm, transformer_block])
def test_infer_prints_what_python_computes(build, programs, tmp_path):
    model = build()
    cases.fill(model)
    path = tmp_path / "m.addax"
    model.export(path, verbose=False)
    shape = [16 if d is None else d for d in model.inputs[0].shape[1:]]
    for batch in (1, 5):
        printed = run(programs / "infer", path, batch)
        numbers = np.array(re.split(r":\s*", printed.strip(), maxsplit=1)[1].split(), "float64")
        expected = model.predict(pattern((batch, *shape), "float32"), verbose=0)
        np.testing.assert_allclose(numbers, expected.reshape(-1), rtol=1e-6)


def test_train_learns_and_python_reads_the_weights(programs, tmp_path):
    model = addax.Sequential([addax.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.export_training(tmp_path / "t.addax", verbose=False)
    printed = run(programs / "train", tmp_path / "t.addax", tmp_path / "after.addax")
    losses = [float(x) for x in re.findall(r"loss (\S+)", printed)]
    assert len(losses) == 10 and losses[-1] < 0.1 * losses[0]
    addax.export.load_weights(model, tmp_path / "after.addax")
    predicted = model.predict(pattern((32, 8), "float32"), verbose=0)
    shown = re.search(r"predicted (\S+),", printed)
    np.testing.assert_allclose(float(shown[1]), predicted[0, 0], rtol=1e-6)


def test_a_file_that_is_none(programs, tmp_path):
    (tmp_path / "m.addax").write_text("hello")
    done = subprocess.run([str(programs / "infer"), str(tmp_path / "m.addax")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "this is no addax model file" in done.stderr
