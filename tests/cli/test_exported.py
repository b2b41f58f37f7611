"""The commands over exported files: `export`, `inspect`, `predict`."""

import numpy as np
import pytest

import addax
from addax.cli import main
from addax.saving import save_model


@pytest.fixture
def saved(tmp_path):
    model = addax.Sequential([addax.Input((4,), name="x"), addax.layers.Dense(3, name="scores")])
    path = tmp_path / "model.keras"
    save_model(model, path)
    return model, path


def test_from_a_saved_model_to_numbers(saved, tmp_path, capsys):
    model, path = saved
    out = tmp_path / "m.addax"
    assert main(["export", str(path), str(out)]) == 0
    assert "x: float32(batch, 4)" in capsys.readouterr().out
    x = np.random.default_rng(0).normal(size=(5, 4))  # float64, as NumPy makes it
    np.save(tmp_path / "x.npy", x)
    expected = model.predict(x.astype("float32"), verbose=0)
    assert main(["predict", str(out), str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy"), "--verify"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    np.savez(tmp_path / "x.npz", x=x)
    assert main(["predict", str(out), str(tmp_path / "x.npz")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("scores: float32(5, 3)\n")
    assert f"{expected[0, 0]:.6f}".rstrip("0") in shown  # NumPy shows no zeros at the end


def test_inspect_shows_what_there_is(saved, tmp_path, capsys):
    _, path = saved
    out = tmp_path / "m.addax"
    assert main(["export", str(path), str(out), "--quiet"]) == 0
    assert main(["inspect", str(out), "--graph"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "endpoint serve",
        "(batch, 4)",
        "ops: matmul, add",
        "FLOPs in",
        "scores/kernel",
        "48",
        "graph(%0: float32",
    ):
        assert part in shown


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "m.addax").write_bytes(b"no model")
    np.save(tmp_path / "x.npy", np.ones(3))
    for command in (
        ["inspect", str(tmp_path / "m.addax")],
        ["inspect", str(tmp_path / "none.addax")],
        ["predict", str(tmp_path / "m.addax"), str(tmp_path / "x.npy")],
        ["export", str(tmp_path / "none.keras"), str(tmp_path / "n.addax")],
    ):
        assert main(command) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and len(captured.err.splitlines()) == 1


def test_inputs_that_do_not_fit(saved, tmp_path, capsys):
    _, path = saved
    out = tmp_path / "m.addax"
    main(["export", str(path), str(out), "--quiet"])
    np.save(tmp_path / "x.npy", np.ones((2, 5), "float32"))
    assert main(["predict", str(out), str(tmp_path / "x.npy")]) == 1
    assert "input 0 'x' must have shape (batch, 4), got (2, 5)" in capsys.readouterr().err
    np.save(tmp_path / "bad.npy", np.array([{}]), allow_pickle=True)
    assert main(["predict", str(out), str(tmp_path / "bad.npy")]) == 1
