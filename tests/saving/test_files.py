"""Names, existing files, and what is on disk after a save that failed or was killed."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import addax
from addax.saving import archive, files


@pytest.fixture
def model() -> Any:
    return addax.Sequential([addax.Input((4,)), addax.layers.Dense(3)])


@pytest.mark.parametrize("name", ["m", "m.h5", "m.hdf5", "m.tf", "m.keras.zip", "m.weights.h5"])
def test_wrong_extension(model: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in `\.keras`"):
        model.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_names_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file") as error:
        addax.saving.load_model(tmp_path / "m.keras")
    assert isinstance(error.value, ValueError)  # what Keras raises
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"save them as `\.keras`"):
        addax.saving.load_model(tmp_path / "m.h5")
    (tmp_path / "m.keras").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"not a complete \.keras file"):
        addax.saving.load_model(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="remote path"):
        addax.saving.load_model("hf://someone/model.keras")


def test_arguments(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unsupported arguments"):
        model.save(tmp_path / "m.keras", signatures=None)
    with pytest.raises(ValueError, match="save_format"):
        model.save(tmp_path / "m.keras", save_format="tf")
    with pytest.raises(ValueError, match=r"without `\.keras`"):
        model.save(tmp_path / "m.keras", zipped=False)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(model: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder .*nowhere.* does not exist"):
        model.save(tmp_path / "nowhere" / "m.keras")


def test_existing_file_without_a_terminal(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path, overwrite=False)
    assert path.read_bytes() == before
    model.save(path)


@pytest.mark.parametrize(("answers", "written"), [(["n"], False), (["what", "Y"], True)])
def test_existing_file_at_a_terminal(
    model: Any, answers: list[str], written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.weights.h5"
    path.write_bytes(b"old")
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda prompt: answers.pop(0))
    model.save_weights(path, overwrite=False)
    assert (path.read_bytes() != b"old") is written
    assert answers == []


def test_failed_save_keeps_the_old_file(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()

    def half(file: Any, documents: Any, weights: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "write_zip", half)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "new.keras")
    assert os.listdir(tmp_path) == ["m.keras"]


def test_failing_layer_leaves_no_file(tmp_path: Path) -> None:
    class Failing(addax.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

        def save_own_variables(self, store: Any) -> None:
            raise RuntimeError("no")

    model = addax.Sequential([addax.Input((4,)), Failing()])
    with pytest.raises(RuntimeError, match="no"):
        model.save(tmp_path / "m.keras")
    with pytest.raises(RuntimeError, match="no"):
        model.save(tmp_path / "m", zipped=False)
    with pytest.raises(RuntimeError, match="no"):
        model.save_weights(tmp_path / "m.weights.h5")
    assert list(tmp_path.iterdir()) == []


def test_data_is_synced_before_the_name_changes(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(stat.S_ISDIR(os.fstat(fd).st_mode)) or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *names: calls.append("rename") or replace(*names))
    model.save(tmp_path / "m.keras")
    assert calls == [False, "rename", True]  # the file, the rename, the folder


def test_permissions_and_links_stay(model: Any, tmp_path: Path) -> None:
    path, link = tmp_path / "m.keras", tmp_path / "link.keras"
    model.save(path)
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_only_a_saved_model_is_replaced_as_a_folder(model: Any, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        model.save(tmp_path / "work", zipped=False)
    assert os.listdir(tmp_path / "work") == ["thesis.txt"]
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(OSError, match="not a regular file"):
        model.save(tmp_path / "pipe.keras")


def test_killed_at_any_time(tmp_path: Path) -> None:
    """A process that saves again and again is killed at growing delays: the file is always whole."""
    path = tmp_path / "m.keras"
    for delay in range(12):
        process = subprocess.Popen([sys.executable, __file__, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # the first save is done
        time.sleep(0.003 * delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert addax.saving.load_model(path).count_params() == 40_200


def test_may_write_a_new_file(tmp_path: Path) -> None:
    assert files.may_write(str(tmp_path / "new"), overwrite=False)


if __name__ == "__main__":
    large = addax.Sequential([addax.Input((200,)), addax.layers.Dense(200)])
    while True:
        large.save(sys.argv[1])
        print("saved", flush=True)
